// Makes elements. Whatever comes from outside becomes text, never markup.

/**
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

/** A name or other text of people, whose direction is its own. @param {string} text */
export const name = (text) => h("bdi", {}, text);

// Small screens show rows as cards, by `display`, which takes a table's meaning from it: so each part also says its role.

const headings = (/** @type {string[]} */ titles, /** @type {number[]} */ numeric, /** @type {string | null} */ role = null) =>
  titles.map((title, index) => h("th", { scope: "col", role, class: numeric.includes(index) ? "number" : null }, title));

/**
 * A table that becomes cards where there is no room.
 * @param {string} kind @param {string[]} columns @param {Node} caption @param {number[]} [numeric] columns of numbers
 */
export function cardTable(kind, columns, caption, numeric = []) {
  const body = h("tbody", { role: "rowgroup" });
  const head = h("tr", { role: "row" }, ...headings(columns, numeric, "columnheader"));
  return { body, table: h("table", { class: `cards ${kind}`, role: "table" }, caption, h("thead", { role: "rowgroup" }, head), body) };
}

/** @param {string} label of its column @param {...(Node | string | null | undefined)} children */
export const cell = (label, ...children) => h("td", { role: "cell", "data-label": label }, ...children);

/**
 * A plain table, which scrolls by itself where there is no room.
 * @param {string} title @param {string[]} columns @param {Node} body @param {Node | null} [foot] @param {number[]} [numeric]
 */
export function plainTable(title, columns, body, foot = null, numeric = []) {
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": title }, h("table", { "aria-label": title },
    h("thead", {}, h("tr", {}, ...headings(columns, numeric))), body, foot));
}

/** So many items of a list are shown at once. */
export const AT_ONCE = 200;

/**
 * Fills a place with what the items become: some at once, more at each click, so that thousands do not hold up the page.
 * @template T
 * @param {HTMLElement} place @param {T[]} items @param {(item: T) => Node} render
 * @param {(button: any) => Node} wrap puts the button where the place takes it
 * @param {(left: number) => string} label
 * @param {(shown: number) => number} [take] how many are shown next, after so many
 */
export function fill(place, items, render, wrap, label, take = () => AT_ONCE) {
  let shown = 0;
  const button = h("button", { type: "button", onclick: () => more() });
  const row = wrap(button);
  function more() {
    const next = items.slice(shown, shown + take(shown));
    shown += next.length;
    const nodes = next.map(render);
    const held = /** @type {Document | ShadowRoot} */ (place.getRootNode()).activeElement === button;
    /** @type {ChildNode} */ (row).remove();
    place.append(...nodes);
    if (shown < items.length) {
      button.textContent = label(items.length - shown);
      place.append(row);
      if (held) button.focus();
    } else if (held) {
      takeFocus(nodes[0]);
    }
  }
  more();
  return place;
}

/** Takes the focus that a button loses when it goes. @param {any} element */
export function takeFocus(element) {
  element.tabIndex = -1;
  element.focus();
}

/** A button that can be in the middle of something. It keeps the focus, which a disabled one loses. @param {any} button @param {boolean} busy */
export function setBusy(button, busy) {
  if (busy) button.setAttribute("aria-disabled", "true");
  else button.removeAttribute("aria-disabled");
}

/** @param {any} button */
export const isBusy = (button) => button.getAttribute("aria-disabled") === "true";
