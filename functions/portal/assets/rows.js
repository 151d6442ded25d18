// A table of any length of which the browser holds a part. Rows are in blocks. An empty space of the same height replaces a
// block that is far from the visible part, so that nothing moves, whatever the height of its rows, and open rows stay open.

import { h } from "./elements.js";

/** The distance from the visible part at which blocks are emptied. */
const MARGIN = "1500px 0px";

/** @template T */
export class Rows {
  #table;
  #render;
  /** @type {Map<Element, {items: T[], first: number, height: number}>} */ #blocks = new Map();
  #count = 0;
  #observer;

  /** @param {HTMLElement} table @param {(item: T, number: number) => Node[]} render creates the rows of an item; numbers start at 1 */
  constructor(table, render) {
    this.#table = table;
    this.#render = render;
    this.#observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) this.#fill(target);
        else this.#empty(target);
      }
    }, { rootMargin: MARGIN });
  }

  /** The number of items. */
  get count() { return this.#count; }

  /** Appends items and returns their first row. @param {T[]} items @returns {HTMLElement | null} */
  append(items) {
    if (items.length === 0) return null;
    const block = h("tbody", { role: "rowgroup" });
    this.#blocks.set(block, { items, first: this.#count + 1, height: 0 });
    this.#count += items.length;
    this.#fill(block);
    this.#table.append(block);
    this.#observer.observe(block);
    return block.firstElementChild;
  }

  clear() {
    this.#observer.disconnect();
    for (const block of this.#blocks.keys()) block.remove();
    this.#blocks.clear();
    this.#count = 0;
  }

  /** Fills all blocks, for printing. */
  fillAll() { for (const block of this.#blocks.keys()) this.#fill(block); }

  /** @param {Element} block */
  #fill(block) {
    const known = this.#blocks.get(block);
    if (!known || (known.height === 0 && block.hasChildNodes())) return;
    known.height = 0;
    block.replaceChildren(...known.items.flatMap((item, index) => this.#render(item, known.first + index)));
  }

  /** @param {Element} block */
  #empty(block) {
    const known = this.#blocks.get(block);
    // A block with the focus stays, because removing it would lose the focus.
    if (!known || known.height > 0 || block.contains(/** @type {ShadowRoot} */ (block.getRootNode()).activeElement)) return;
    const { height } = block.getBoundingClientRect();
    // A hidden table has no height to keep.
    if (height === 0) return;
    known.height = height;
    const space = h("td", { colspan: "5" });
    space.style.blockSize = `${height}px`;
    block.replaceChildren(h("tr", { class: "space", "aria-hidden": "true" }, space));
  }
}
