// A table of any length of which the browser holds a part: rows come in blocks, and a block far from what is seen gives way
// to a space of the height it had. So nothing moves, whatever the heights of its rows, and rows that are open stay open.

import { h } from "./elements.js";

/** Blocks stay until they are so many pixels away from what is seen. */
const MARGIN = "1500px 0px";

/** @template T */
export class Rows {
  #table;
  #render;
  /** @type {Map<Element, {items: T[], first: number, height: number}>} */ #blocks = new Map();
  #count = 0;
  #observer;

  /** @param {HTMLElement} table @param {(item: T, number: number) => Node[]} render the rows of an item, whose number counts from 1 */
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

  /** How many items there are. */
  get count() { return this.#count; }

  /** Adds items behind the others; the first row of theirs. @param {T[]} items @returns {HTMLElement | null} */
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

  /** Shows everything, for paper. */
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
    // What has the focus stays where it is.
    if (!known || known.height > 0 || block.contains(/** @type {ShadowRoot} */ (block.getRootNode()).activeElement)) return;
    const { height } = block.getBoundingClientRect();
    // Of a table that is not shown nothing is known.
    if (height === 0) return;
    known.height = height;
    const space = h("td", { colspan: "5" });
    space.style.blockSize = `${height}px`;
    block.replaceChildren(h("tr", { class: "space", "aria-hidden": "true" }, space));
  }
}
