// Creates HTML elements. Values become text, never markup, so that data cannot inject HTML.

/**
 * Creates an element.
 * @param {string} tag
 * @param {Record<string, any>} [properties] attributes, and listeners as `onclick` and the like
 * @param {...(Node | string | null | undefined)} children
 * @returns {any}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  for (const child of children) if (child) element.append(child);
  return element;
}

/** Text of people, such as a name, with a text direction of its own. @param {string} text */
export const isolated = (text) => h("bdi", {}, text);

/**
 * Text that a narrow cell may break after a punctuation mark, as in e-mail addresses and ids, so that the rest stays in one piece.
 * @param {string} text
 */
export const breakable = (text) => h("bdi", {}, ...text.split(/(?<=[^\s][@._:/\-])(?=[^\s])/u).flatMap((part, index) => (index > 0 ? [h("wbr"), part] : [part])));

// Each part of a table has an explicit role, because small screens show rows as cards by `display`, which removes implicit roles.

const headings = (/** @type {string[]} */ titles, /** @type {number[]} */ numeric, /** @type {string | null} */ role = null) =>
  titles.map((title, index) => h("th", { scope: "col", role, class: numeric.includes(index) ? "number" : null }, title));

/**
 * Creates a table that becomes cards on small screens.
 * @param {string} kind @param {string[]} columns @param {Node} caption @param {number[]} [numeric] columns of numbers
 */
export function cardTable(kind, columns, caption, numeric = []) {
  const body = h("tbody", { role: "rowgroup" });
  const head = h("tr", { role: "row" }, ...headings(columns, numeric, "columnheader"));
  return { body, table: h("table", { class: `cards ${kind}`, role: "table" }, caption, h("thead", { role: "rowgroup" }, head), body) };
}

/** Creates a cell of such a table. @param {string} label the column's title @param {...(Node | string | null | undefined)} children */
export const cell = (label, ...children) => h("td", { role: "cell", "data-label": label }, ...children);

/**
 * Creates a table that scrolls on small screens.
 * @param {string} title @param {string[]} columns @param {Node} body @param {Node | null} [foot] @param {number[]} [numeric]
 */
export function plainTable(title, columns, body, foot = null, numeric = []) {
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": title }, h("table", { "aria-label": title },
    h("thead", {}, h("tr", {}, ...headings(columns, numeric))), body, foot));
}

/** The number of items that one step shows. */
export const ITEMS_PER_STEP = 200;

/**
 * Shows some of the items, and more at each click, so that thousands of items do not block the page.
 * @template T
 * @param {HTMLElement} place @param {T[]} items @param {(item: T) => Node} render
 * @param {(button: any) => Node} wrap puts the button into an element that the place accepts
 * @param {(left: number) => string} label
 * @param {(shown: number) => number} [take] how many items the next step shows
 */
export function fillInSteps(place, items, render, wrap, label, take = () => ITEMS_PER_STEP) {
  let shown = 0;
  const button = h("button", { type: "button", onclick: () => more() });
  const row = wrap(button);
  function more() {
    const next = items.slice(shown, shown + take(shown));
    shown += next.length;
    const nodes = next.map(render);
    const hadFocus = /** @type {Document | ShadowRoot} */ (place.getRootNode()).activeElement === button;
    /** @type {ChildNode} */ (row).remove();
    place.append(...nodes);
    if (shown < items.length) {
      button.textContent = label(items.length - shown);
      place.append(row);
      if (hadFocus) button.focus();
    } else if (hadFocus) {
      moveFocusTo(nodes[0]);
    }
  }
  more();
  return place;
}

/** Moves the focus to an element, because a button that disappears loses it. @param {any} element */
export function moveFocusTo(element) {
  element.tabIndex = -1;
  element.focus();
}

/** Copies a text, and says whether the browser allowed it. @param {string} text */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** Marks a button as busy. The button is not disabled, because a disabled button loses the focus. @param {any} button @param {boolean} busy */
export function setBusy(button, busy) {
  if (busy) button.setAttribute("aria-disabled", "true");
  else button.removeAttribute("aria-disabled");
}

/** @param {any} button */
export const isBusy = (button) => button.getAttribute("aria-disabled") === "true";
