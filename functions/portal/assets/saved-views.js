// Saved views: periods and filters under a name, in this browser. A view is stored as the part of an address, so that rolling
// periods keep moving and a view is a link at the same time.

import { copyText, h, moveFocusTo, isolated } from "./elements.js";
import { Query } from "./query.js";

/** @typedef {import("./context.js").Context} Context */
/** @typedef {{name: string, query: string}} StoredView */
/** @typedef {{name: string, query: Query}} View */

/** Key prefix in the browser's storage; the partner's address follows. */
const VIEWS = "daybook.views ";
const MAX_VIEWS = 50;
const MAX_NAME_CHARS = 80;

/** Reads the stored views; none if the storage is closed or holds something else. @param {string} partner @returns {StoredView[]} */
function read(partner) {
  try {
    const stored = JSON.parse(localStorage.getItem(VIEWS + partner) ?? "[]");
    return stored.filter((/** @type {any} */ each) => typeof each?.name === "string" && typeof each?.query === "string").slice(0, MAX_VIEWS);
  } catch {
    return [];
  }
}

/** Stores the views, and says whether the browser has kept them. @param {string} partner @param {StoredView[]} views */
function write(partner, views) {
  try {
    if (views.length > 0) localStorage.setItem(VIEWS + partner, JSON.stringify(views));
    else localStorage.removeItem(VIEWS + partner);
    return true;
  } catch {
    return false;
  }
}

/** The saved views of this browser. @param {string} partner the partner's address @param {string} timeZone @returns {View[]} */
export const savedViews = (partner, timeZone) => read(partner).map(({ name, query }) => ({ name, query: Query.read(new URLSearchParams(query), { timeZone }) }));

export class SavedViews {
  /** The button that opens the dialog, and the dialog. @type {HTMLElement} */ element;
  #context;
  #planMonths;
  #parts;
  /** Whether a view may become a schedule. Somebody who sees some customers only has none. */
  #maySchedule = true;

  /** @param {Context} context @param {{planMonths: (query: Query) => void}} host `planMonths` shows the schedule with a query's filters */
  constructor(context, { planMonths }) {
    this.#context = context;
    this.#planMonths = planMonths;
    const { words } = context;
    const say = (/** @type {string} */ key) => words.say(key);
    const list = h("ul", { class: "saved" });
    const none = h("p", { class: "quiet" }, say("noViews"));
    const status = h("p", { role: "status" });
    const current = h("p", { class: "quiet current" });
    const input = h("input", { name: "name", required: true, maxlength: MAX_NAME_CHARS, autocomplete: "off", "aria-describedby": "view-fault" });
    const fault = h("p", { class: "fault", id: "view-fault" });
    const link = this.#linkButton(() => context.query, say("copyViewLink"));
    const plan = h("button", { type: "button", onclick: () => this.#plan(context.query) }, say("viewAsSchedule"));
    context.rights.then(({ isRestricted }) => { this.#maySchedule = !isRestricted; plan.hidden = isRestricted; });
    const form = h("form", { novalidate: true, onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); this.#add(); } },
      h("label", { class: "field" }, h("span", {}, say("viewName")), input), fault,
      h("div", { class: "buttons" }, h("button", { class: "primary" }, say("saveView")), link, plan));
    const dialog = h("dialog", { class: "views-dialog", "aria-labelledby": "saved-views-title", closedby: "any" },
      h("h2", { id: "saved-views-title" }, say("savedViews")), list, none, status, h("h3", {}, say("thisView")), current, form,
      h("div", { class: "buttons" }, h("button", { type: "button", onclick: () => dialog.close() }, say("close"))));
    this.#parts = { list, none, status, current, input, fault, link, dialog };
    const button = h("button", { type: "button", class: "open-views", "aria-haspopup": "dialog", onclick: () => this.#open() }, say("savedViews"));
    this.element = h("div", { class: "saved-views" }, button, dialog);
  }

  #open() {
    const { dialog, current, input, status, fault, link } = this.#parts;
    const { words, names, query } = this.#context;
    status.replaceChildren();
    link.hidden = !this.#hasAddress;
    fault.textContent = "";
    input.removeAttribute("aria-invalid");
    const filters = query.words(words, names);
    current.textContent = [query.periodWords(words), filters].filter(Boolean).join(" · ");
    input.value = (filters || query.periodWords(words)).slice(0, MAX_NAME_CHARS);
    this.#list();
    dialog.showModal();
  }

  /** @param {StoredView[]} views */
  #store(views) {
    const { status } = this.#parts;
    if (!write(this.#context.partner, views)) status.textContent = this.#context.words.say("viewsNotKept");
    this.#list();
  }

  #list() {
    const { list, none } = this.#parts;
    const views = read(this.#context.partner);
    none.hidden = views.length > 0;
    list.replaceChildren(...views.map((view, index) => this.#item(view, index)));
  }

  /** @param {StoredView} view */
  #query(view) { return Query.read(new URLSearchParams(view.query), { timeZone: this.#context.zone }); }

  /** @param {StoredView} view @param {number} index */
  #item(view, index) {
    const { words, names } = this.#context;
    const query = this.#query(view);
    const action = (/** @type {string} */ key, /** @type {() => void} */ onclick) =>
      h("button", { type: "button", class: "plain", onclick, "aria-label": words.say("ofView", { action: words.say(key), name: view.name }) }, words.say(key));
    const item = h("li", {},
      h("button", { type: "button", class: "plain use", onclick: () => { this.#parts.dialog.close(); this.#context.change(query); } }, isolated(view.name)),
      h("p", { class: "quiet" }, [query.periodWords(words), query.words(words, names)].filter(Boolean).join(" · ")),
      h("div", { class: "bar" }, this.#hasAddress && this.#linkButton(() => query, words.say("copyLink"), words.say("ofView", { action: words.say("copyLink"), name: view.name })),
        this.#maySchedule && action("scheduleView", () => this.#plan(query)), action("renameView", () => this.#rename(item, index)), action("deleteView", () => this.#remove(index))));
    return item;
  }

  /** Adds the present view, in place of one of the same name. */
  #add() {
    const { input, fault, status } = this.#parts;
    const { words, partner, query } = this.#context;
    const name = input.value.trim();
    const views = read(partner).filter((each) => each.name !== name);
    const wrong = !name ? "viewNameMissing" : views.length >= MAX_VIEWS ? "viewsTooMany" : "";
    fault.textContent = wrong ? words.say(wrong) : "";
    input.setAttribute("aria-invalid", String(Boolean(wrong)));
    if (wrong) return input.focus();
    status.textContent = words.say("viewSaved", { name });
    this.#store([...views, { name, query: String(query.write(new URLSearchParams())) }].sort((one, other) => one.name.localeCompare(other.name, words.locale)));
  }

  /** Shows a field for another name. @param {HTMLElement} item @param {number} index */
  #rename(item, index) {
    const { words, partner } = this.#context;
    const before = read(partner)[index];
    const input = h("input", { name: "rename", value: before.name, maxlength: MAX_NAME_CHARS, autocomplete: "off", "aria-label": words.say("viewName") });
    const end = () => { this.#list(); this.#parts.list.children[index]?.querySelector(".use").focus(); };
    const form = h("form", {
      class: "rename", novalidate: true, onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        const name = input.value.trim();
        // The index may belong to another view by now, because another tab has the same storage.
        if (name) this.#store(read(partner).map((each) => (each.name === before.name ? { ...each, name } : each)));
        end();
      },
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key !== "Escape") return;
        // Ends the renaming and not the dialog.
        event.preventDefault();
        end();
      },
    }, input, h("button", { class: "primary" }, words.say("save")), h("button", { type: "button", onclick: end }, words.say("cancel")));
    item.replaceChildren(form);
    input.focus();
    input.select();
  }

  /** Deletes a view, and offers to take that back. @param {number} index */
  #remove(index) {
    const { status, dialog } = this.#parts;
    const { words, partner } = this.#context;
    const views = read(partner);
    const [gone] = views.splice(index, 1);
    this.#store(views);
    const undo = h("button", { type: "button", class: "plain", onclick: () => {
      const now = read(partner);
      now.splice(index, 0, gone);
      status.replaceChildren();
      this.#store(now);
      moveFocusTo(this.#parts.list.children[index] ?? dialog);
    } }, words.say("undo"));
    status.replaceChildren(words.say("viewDeleted", { name: gone.name }), " ", undo);
    undo.focus();
  }

  /** @param {Query} query */
  #plan(query) {
    this.#parts.dialog.close();
    this.#planMonths(query);
  }

  /** Creates a button that copies a link to a query. @param {() => Query} query @param {string} text @param {string | null} [label] */
  #linkButton(query, text, label = null) {
    const { words } = this.#context;
    const copy = async () => {
      const { status } = this.#parts;
      status.textContent = words.say(await copyText(this.#link(query())) ? "linkCopied" : "copyFailed");
    };
    return h("button", { type: "button", class: label ? "plain" : "", "aria-label": label, onclick: copy }, text);
  }

  /** Whether the page's address shows what the component shows. In other portals, a link would not lead back to the view. */
  get #hasAddress() { return /** @type {ShadowRoot} */ (this.element.getRootNode()).host?.hasAttribute("url-state") ?? false; }

  /** The address that shows a query. @param {Query} query */
  #link(query) {
    const address = new URL(location.href);
    const partner = address.searchParams.get("partner");
    address.search = String(query.write(new URLSearchParams(partner ? { partner } : {})));
    address.hash = "";
    return address.href;
  }
}
