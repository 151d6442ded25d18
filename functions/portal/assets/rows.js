// A table of any length of which the browser holds a part. Rows are in blocks. An empty space of the same height replaces a
// block that is far from the visible part, so that nothing moves, whatever the height of its rows, and open rows stay open.

import { h } from "./elements.js";

/** The distance from the visible part at which blocks are emptied. */
const MARGIN = "1500px 0px";

/** @template T */
export class Rows {
  /** The number of the table's columns. */
  columns = 1;
  #table;
  #render;
  /** @type {Map<Element, {items: T[], first: number, height: number}>} */ #blocks = new Map();
  #count = 0;
  #observer;

  /**
   * @param {HTMLElement} table
   * @param {(item: T, number: number, isFirst: boolean, before: T | null) => Node[]} render creates the rows of an item. Numbers start at 1;
   *   `before` is the item in front of it, and `isFirst` says that the item begins a block
   */
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

  /** The items, in blocks as they were appended. */
  get blocks() { return [...this.#blocks.values()].map(({ items }) => items); }

  /** Appends items and returns their block. @param {T[]} items @returns {HTMLElement | null} */
  append(items) {
    if (items.length === 0) return null;
    const block = h("tbody", { role: "rowgroup" });
    this.#blocks.set(block, { items, first: this.#count + 1, height: 0 });
    this.#count += items.length;
    this.#fill(block);
    this.#table.append(block);
    this.#observer.observe(block);
    return block;
  }

  clear() {
    this.#observer.disconnect();
    for (const block of this.#blocks.keys()) block.remove();
    this.#blocks.clear();
    this.#count = 0;
  }

  /** Creates all rows again, after a change of how they are shown. */
  render() {
    for (const [block, known] of this.#blocks) {
      if (known.height > 0) continue;
      block.replaceChildren();
      this.#fill(block);
    }
  }

  /** Fills all blocks, for printing. */
  fillAll() { for (const block of this.#blocks.keys()) this.#fill(block); }

  /** Empties the blocks that are far away again. */
  emptyFar() {
    for (const block of this.#blocks.keys()) {
      this.#observer.unobserve(block);
      this.#observer.observe(block);
    }
  }

  /** Fills the block that holds an item, so that its row exists. @param {(item: T) => boolean} matches @returns {T | null} the item */
  reveal(matches) {
    for (const [block, { items }] of this.#blocks) {
      const item = items.find(matches);
      if (!item) continue;
      this.#fill(block);
      return item;
    }
    return null;
  }

  /** @param {Element} block */
  #fill(block) {
    const known = this.#blocks.get(block);
    if (!known || (known.height === 0 && block.hasChildNodes())) return;
    known.height = 0;
    const { items, first } = known;
    block.replaceChildren(...items.flatMap((item, index) => this.#render(item, first + index, index === 0, items[index - 1] ?? null)));
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
    const space = h("td", { colspan: String(this.columns) });
    space.style.blockSize = `${height}px`;
    block.replaceChildren(h("tr", { class: "space", "aria-hidden": "true" }, space));
  }
}
