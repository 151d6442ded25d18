// A value with a menu of what to do with it: show only this, exclude it, see its history, copy it. One button a value keeps the
// number of tab stops small; the menu exists while it is open.

import { copyText, h } from "./elements.js";
import { snakeKey } from "./values.js";

/** @typedef {import("./context.js").Context} Context */
/** @typedef {import("./query.js").Query} Query */
/** An entry of a menu: an action, or a link that opens a new tab. @typedef {{text: string, run?: () => void, href?: string}} Entry */
/**
 * What a value is. `key` tells it from the others of the same activity, `label` names it for screen readers, `filter` is the name of
 * the list's filter, `kind` the type of object whose history the value has, and `name` the object's name.
 * @typedef {{key: string, label: string, filter?: string, value?: string, kind?: string, name?: string | null, more?: (Entry | null)[]}} Subject
 */

/** Types of objects that details name by their id, as in `subscription_id`. */
const NAMED_BY_ID = ["subscription", "order", "invoice", "agreement", "licence", "license", "cart", "quote", "transfer", "support_request"];
/** Filters whose values have a history. */
const WITH_HISTORY = ["customer", "actor", "target"];
/** The longest id, in characters. */
const MAX_ID_LENGTH = 128;
/** The distance of the menu from its button and from the edge of the window, in CSS pixels. */
const GAP = 4;

/** Returns the type of object that a field with this name identifies, or null. @param {string} key */
export function targetOf(key) {
  const type = snakeKey(key).replace(/_id$/, "");
  return snakeKey(key).endsWith("_id") && NAMED_BY_ID.includes(type) ? type : null;
}

/** Says whether the service filters by an id: it has a length limit, and an exclamation mark in front would exclude. @param {any} id @returns {id is string} */
export const isFilterable = (id) => typeof id === "string" && id !== "" && id.length <= MAX_ID_LENGTH && !id.startsWith("!");

/** The query without filters but the portal's own. @param {Context} context */
export const unfiltered = ({ query, fixed }) => query.cleared().with({ filters: fixed });

/** Shows another query in the list. @param {Context} context @param {Query} query */
export function showQuery(context, query) {
  context.history?.close();
  context.permalink?.close();
  context.change(query);
}

/** The text that offers an object's history. @param {Context} context @param {string} kind */
export function historyText({ words }, kind) {
  return words.say(words.has(`history_${kind}`) ? `history_${kind}` : "history_other");
}

/** Creates an entry that copies a text. @param {Context} context @param {string} text @returns {Entry} */
export const copyPivot = ({ words }, text) => ({
  text: words.say("pivotCopy"),
  // A browser that forbids copying leaves the value to be selected by hand.
  run: () => { copyText(text); },
});

/** @param {Context} context @param {Subject} subject @returns {Entry[]} */
function entries(context, { filter, value, kind, name, more = [] }) {
  const { words, query, fixed, history } = context;
  const entries = [];
  if (filter && isFilterable(value) && !fixed.has(filter)) {
    entries.push({ text: words.say("pivotOnly"), run: () => showQuery(context, query.only(filter, value)) });
    entries.push({ text: words.say("pivotNot"), run: () => showQuery(context, query.not(filter, value)) });
  }
  if (history && filter && isFilterable(value) && kind && WITH_HISTORY.includes(filter)) {
    entries.push({ text: historyText(context, kind), run: () => history.open(/** @type {any} */ (filter), value, name ?? undefined, kind) });
  }
  return [...entries, ...more.filter((entry) => entry !== null)];
}

/**
 * Adds the menu's button to a value.
 * @param {Context} context @param {Node | string} shown @param {Subject} subject
 */
export function pivot(context, shown, subject) {
  /** @type {HTMLElement | null} */ let menu = null;
  let wasOpen = false;
  const button = h("button", {
    type: "button", class: "pivots", "data-pivot": subject.key, "aria-haspopup": "menu", "aria-expanded": "false",
    "aria-label": context.words.say("pivots", { value: subject.label }),
    // A click outside closes the menu before the click on the button arrives, which would open the menu again.
    onpointerdown: () => { wasOpen = menu !== null; },
    onclick: (/** @type {MouseEvent} */ event) => {
      event.stopPropagation();
      const closing = wasOpen && event.detail > 0;
      wasOpen = false;
      if (closing) return menu?.hidePopover();
      menu = openMenu(button, subject.label, entries(context, subject), () => { menu = null; });
    },
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "ArrowDown") return;
      event.preventDefault();
      event.stopPropagation();
      button.click();
    },
  });
  return h("span", { class: "pivot" }, shown, " ", button);
}

/** @param {any} button @param {string} label @param {Entry[]} entries @param {() => void} closed */
function openMenu(button, label, entries, closed) {
  const choose = (/** @type {Entry} */ entry) => {
    menu.hidePopover();
    button.focus();
    entry.run?.();
  };
  const items = entries.map((entry) => (entry.href
    ? h("a", { role: "menuitem", tabindex: "-1", href: entry.href, target: "_blank", rel: "noopener noreferrer", onclick: () => menu.hidePopover() }, entry.text)
    : h("button", { type: "button", role: "menuitem", tabindex: "-1", onclick: () => choose(entry) }, entry.text)));
  const menu = h("div", {
    class: "menu", role: "menu", popover: "auto", "aria-label": label,
    onclick: (/** @type {Event} */ event) => event.stopPropagation(),
    onkeydown: (/** @type {KeyboardEvent} */ event) => move(event, items, menu, button),
    ontoggle: (/** @type {any} */ event) => { if (event.newState === "closed") close(); },
  }, ...items);
  const { top, left } = button.getBoundingClientRect();
  // A fixed menu would stay where the button no longer is. The event of a scrolling that ended before may come late.
  const scrolled = () => {
    const at = button.getBoundingClientRect();
    if (at.top !== top || at.left !== left) menu.hidePopover();
  };
  const close = () => {
    removeEventListener("scroll", scrolled, true);
    button.setAttribute("aria-expanded", "false");
    menu.remove();
    closed();
  };
  button.after(menu);
  menu.showPopover();
  place(menu, button);
  button.setAttribute("aria-expanded", "true");
  items[0]?.focus({ preventScroll: true });
  addEventListener("scroll", scrolled, true);
  return menu;
}

/** Puts a menu below its button, or above where there is no room. @param {HTMLElement} menu @param {HTMLElement} button */
function place(menu, button) {
  const [at, size] = [button.getBoundingClientRect(), menu.getBoundingClientRect()];
  const left = getComputedStyle(button).direction === "rtl" ? at.right - size.width : at.left;
  const isBelow = at.bottom + GAP + size.height <= innerHeight || at.top < size.height + GAP;
  menu.style.left = `${Math.max(GAP, Math.min(left, document.documentElement.clientWidth - size.width - GAP))}px`;
  menu.style.top = `${isBelow ? at.bottom + GAP : at.top - size.height - GAP}px`;
}

/** Moves the focus in a menu. @param {KeyboardEvent} event @param {HTMLElement[]} items @param {HTMLElement} menu @param {HTMLElement} button */
function move(event, items, menu, button) {
  // The list has keys of its own.
  event.stopPropagation();
  const at = items.findIndex((item) => item.matches(":focus"));
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
  if (event.key === "Tab" || event.key === "Escape") {
    if (event.key === "Escape") event.preventDefault();
    menu.hidePopover();
    button.focus();
  } else if (to !== undefined) {
    event.preventDefault();
    items.at(to % items.length)?.focus();
  }
}
