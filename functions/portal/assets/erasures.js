// Erasures: what was erased or will be, and a form that counts what an erasure would remove before somebody confirms it by typing.

import { cardTable, cell, h, isBusy, isolated, setBusy } from "./elements.js";
import { ask, checkBox, choice, clearFaults, described, faultOf, formOf, isMissing, refuse, send } from "./forms.js";
import { GROUPS, groupsText } from "./values.js";

/** @typedef {import("./context.js").Context} Context */
/** An erasure as the API answers it. @typedef {Record<string, any>} Erasure */

/** What an erasure can be about, with the key of its name and the groups of fields that are chosen at first. @type {Record<string, {title: string, groups: string[]}>} */
const SUBJECTS = {
  actor: { title: "filter_actor", groups: ["actor", "origin"] },
  customer: { title: "customerLabel", groups: ["customer"] },
  target: { title: "target", groups: ["target"] },
  activities: { title: "erasureSingle", groups: [] },
};
/** The keys of the names of states. @type {Record<string, string>} */
const STATES = { pending: "export_pending", held: "erasureWaits", running: "status_in_progress", done: "value_completed" };
/** What the API counts, with the keys of the names. */
const COUNTED = { activities: "erasureActivities", held: "erasureHeld", mentions: "erasureMentions", exports: "erasureExports" };
/** The time between two questions how far erasures are. */
const PAUSE_MS = 4_000;
/** The time between two questions whether everything is counted. */
const COUNTING_PAUSE_MS = 1_000;
/** The longest reason, in characters. */
const MAX_REASON = 1_024;
/** An activity's address within a line: a link, or time and id. */
const ADDRESS = /(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d))[\s~]+([\w.:-]+)/;

/** Says whether an erasure goes on by itself. @param {Erasure} erasure */
const isUnfinished = ({ status }) => status === "pending" || status === "running";

/** Reads addresses of activities, one from each line. @param {string} text @returns {{id: string, occurred_at: string}[] | null} null if a line has none */
function readAddresses(text) {
  const found = text.split("\n").filter((line) => line.trim()).map((line) => {
    try {
      return ADDRESS.exec(decodeURIComponent(line));
    } catch {
      return null;
    }
  });
  return found.length > 0 && found.every((each) => each !== null) ? found.map(([, occurred_at, id]) => ({ id, occurred_at })) : null;
}

export class Erasures {
  /** @type {HTMLElement} */ element = h("div");
  #context;
  #parts;
  #form = /** @type {any} */ (null);
  /** The listed erasures, by id. @type {Map<string, Erasure>} */ #erasures = new Map();
  #isPolling = false;
  /** The number of changes of the form, so that late counts are dropped. */
  #changes = 0;

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    this.#parts = {
      list: h("div"), more: h("button", { type: "button" }, context.words.say("more")), trouble: h("div", { role: "alert" }),
      status: h("p", { role: "status", tabindex: "-1" }), place: h("div"),
    };
  }

  load() { return this.#context.service.read("erasures"); }

  /** @param {any} page the API's answer */
  show(page) {
    const { list, more, trouble, status, place } = this.#parts;
    this.#erasures.clear();
    this.element.replaceChildren(status, list, trouble, h("div", { class: "bar" }, more), ...(page.may_change ? [h("h3", {}, this.#context.words.say("erasureNew")), this.#newErasure(), place] : []));
    this.#add(page);
  }

  /** @param {any} page */
  #add({ erasures, next_cursor: cursor }) {
    const { more } = this.#parts;
    // Each erasure was counted before, and the counts are no erasures.
    for (const each of erasures) if (!each.dry_run) this.#erasures.set(each.id, each);
    more.hidden = !cursor;
    more.onclick = () => this.#more(cursor);
    this.#list();
    this.#poll();
  }

  /** @param {string} cursor */
  async #more(cursor) {
    const { more, trouble } = this.#parts;
    const { service, showError } = this.#context;
    if (isBusy(more)) return;
    setBusy(more, true);
    try {
      this.#add(await service.read(`erasures?${new URLSearchParams({ cursor })}`));
    } catch (error) {
      if (!service.signal.aborted) showError(trouble, error, () => this.#more(cursor));
    } finally {
      setBusy(more, false);
    }
  }

  /** Lists the erasures, newest first. */
  #list() {
    const { words } = this.#context;
    const say = (/** @type {string} */ key) => words.say(key);
    const { table, body } = cardTable("erasures", ["requested", "erasureOf", "erasureGroups", "status"].map(say), h("caption", { class: "unseen" }, say("erasuresTitle")));
    const all = [...this.#erasures.values()].sort((one, other) => (one.created_at < other.created_at ? 1 : -1));
    body.append(...all.map((each) => h("tr", { role: "row" }, ...this.#cells(each))));
    this.#parts.list.replaceChildren(all.length > 0 ? table : h("p", {}, say("noneThere")));
  }

  /** @param {Erasure} erasure @returns {Node[]} */
  #cells({ status, selector, groups, reason, counts, created_at: at, created_by: by, finished_at: end }) {
    const { words, zone } = this.#context;
    const say = (/** @type {string} */ key) => words.say(key);
    const quiet = (/** @type {string} */ text) => h("p", { class: "quiet" }, text);
    return [
      cell(say("requested"), h("time", { datetime: at }, words.time(at, zone)), h("p", { class: "quiet" }, isolated(by.name))),
      // Not kept, because the order would name whom it erased.
      cell(say("erasureOf"), selector ? isolated(this.#selectorText(selector)) : say("erased"), h("p", { class: "quiet" }, isolated(reason))),
      cell(say("erasureGroups"), groupsText(words, groups)),
      cell(say("status"), h("span", { class: `state ${status}` }, say(STATES[status] ?? status)), status === "running" ? h("progress", { "aria-label": say(STATES.running) }) : null,
        quiet(this.#countsText(counts)), end ? h("p", { class: "quiet" }, h("time", { datetime: end }, words.time(end, zone))) : null),
    ];
  }

  /** @param {Record<string, any>} selector */
  #selectorText(selector) {
    const { words } = this.#context;
    const [[kind, value]] = Object.entries(selector);
    return typeof value === "number" ? words.count("activities", value) : words.say("filterIs", { name: words.say(SUBJECTS[kind].title), values: value });
  }

  /** @param {Record<string, number>} counts */
  #countsText(counts) {
    const { words } = this.#context;
    return Object.entries(COUNTED).filter(([key]) => counts[key] > 0).map(([key, title]) => words.say("filterIs", { name: words.say(title), values: words.number(counts[key]) })).join(" · ");
  }

  /** Asks how far erasures are, while there are any and somebody sees them. */
  async #poll() {
    const { service } = this.#context;
    if (this.#isPolling) return;
    this.#isPolling = true;
    const unfinished = () => [...this.#erasures.values()].filter(isUnfinished);
    while (unfinished().length > 0 && !service.signal.aborted) {
      await new Promise((done) => { setTimeout(done, PAUSE_MS); });
      if (!this.element.checkVisibility()) continue;
      for (const { id } of unfinished()) {
        try {
          const now = await service.read(`erasures/${encodeURIComponent(id)}`);
          this.#erasures.set(id, now);
          this.#list();
          if (!isUnfinished(now)) this.#announce(now);
        } catch { /* The next round asks again. */ }
      }
    }
    this.#isPolling = false;
  }

  /** Says in which state an erasure is. @param {Erasure} erasure */
  #announce({ status }) {
    const { words } = this.#context;
    this.#parts.status.textContent = words.say("filterIs", { name: words.say("erasureOrder"), values: words.say(STATES[status] ?? status) });
  }

  // A new erasure

  #newErasure() {
    const { words } = this.#context;
    const say = (/** @type {string} */ key) => words.say(key);
    const subject = choice("subject", "actor", Object.entries(SUBJECTS).map(([key, { title }]) => [key, say(title)]));
    const id = h("textarea", { name: "id", rows: "1", spellcheck: "false", autocapitalize: "off", autocomplete: "off" });
    const groups = h("fieldset", { class: "wide" }, h("legend", {}, say("erasureGroups")), ...Object.entries(GROUPS).map(([group, title]) => checkBox("groups", say(title), false, group)));
    const reason = h("input", { name: "reason", maxlength: MAX_REASON, autocomplete: "off" });
    this.#form = formOf(say("erasureNew"), say("erasureCheck"), () => this.#check(), ...described(say("erasureOf"), subject),
      ...described(say("field_id"), id, say("erasureIdHint")), groups, faultOf("groups", groups), ...described(say("erasureReason"), reason, say("erasureReasonHint")));
    const choose = () => { for (const each of this.#form.elements.groups) each.checked = SUBJECTS[subject.value].groups.includes(each.value); };
    subject.addEventListener("change", choose);
    // What was counted is something else by now.
    this.#form.addEventListener("input", () => { this.#changes += 1; this.#parts.place.replaceChildren(); });
    choose();
    return this.#form;
  }

  /** The form's values as a request, or null after a refusal. @returns {Record<string, any> | null} */
  #request() {
    const { words } = this.#context;
    const { subject, id, groups, reason } = this.#form.elements;
    if (isMissing(this.#context, this.#form, "id")) return null;
    const value = subject.value === "activities" ? readAddresses(id.value) : id.value.trim();
    const chosen = [...groups].filter((each) => each.checked).map((each) => each.value);
    if (value === null) refuse(this.#form, "id", words.say("erasureIdHint"));
    else if (chosen.length === 0) refuse(this.#form, "groups", words.say("fieldMissing"));
    else if (!isMissing(this.#context, this.#form, "reason")) return { [subject.value]: value, groups: chosen, reason: reason.value.trim() };
    return null;
  }

  /** Counts what would be erased, and asks for a confirmation. */
  async #check() {
    const context = this.#context;
    const { words, service } = context;
    const { place } = this.#parts;
    clearFaults(this.#form);
    place.replaceChildren();
    const request = this.#request();
    if (!request) return;
    const changes = this.#changes;
    const would = await send(context, this.#form, () => this.#count(request), { doing: "counting", fields: { [this.#form.elements.subject.value]: "id" } });
    if (!would || changes !== this.#changes) return;
    const { counts } = would;
    const back = this.#form.querySelector(".primary");
    const facts = h("dl", {}, ...Object.entries(COUNTED).map(([key, title]) => h("div", {}, h("dt", {}, words.say(title)), h("dd", {}, words.number(counts[key])))));
    // What somebody types without looking would be no confirmation.
    const wanted = typeof request.activities === "object" ? String(request.activities.length) : this.#form.elements.id.value.trim();
    const typed = h("input", { name: "confirm", autocomplete: "off", autocapitalize: "off", spellcheck: "false" });
    const [label, fault] = described(words.say("erasureConfirm", { text: wanted }), typed);
    ask(context, place, [facts, h("p", {}, words.say("erasureWarning")), label, fault], words.say("erasureNow"), async () => {
      const isSame = typed.value.trim() === wanted;
      /** @type {any} */ (fault).textContent = isSame ? "" : words.say("erasureConfirm", { text: wanted });
      typed.setAttribute("aria-invalid", String(!isSame));
      if (!isSame) return typed.focus();
      this.#begin(await service.write("POST", "erasures", { ...request, dry_run: false }));
    }, back);
  }

  /** Counts what an erasure would erase, which takes a while. @param {object} request @returns {Promise<Erasure>} */
  async #count(request) {
    const { service } = this.#context;
    let order = await service.write("POST", "erasures", { ...request, dry_run: true });
    while (isUnfinished(order)) {
      await new Promise((done) => { setTimeout(done, COUNTING_PAUSE_MS); });
      order = await service.read(`erasures/${encodeURIComponent(order.id)}`);
    }
    return order;
  }

  /** @param {Erasure} erasure */
  #begin(erasure) {
    const { status, place } = this.#parts;
    place.replaceChildren();
    this.#form.replaceWith(this.#newErasure());
    this.#erasures.set(erasure.id, erasure);
    this.#list();
    this.#announce(erasure);
    status.focus();
    this.#poll();
  }
}
