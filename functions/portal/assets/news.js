// Counts the activities that are newer than the list, and offers to show them. The list itself does not jump. It asks only while
// somebody sees the page, and rarely.

import { h } from "./elements.js";
import { keyOf } from "./row.js";

/** The time between two requests. */
const PAUSE_MS = 30_000;
/** The longest time between two requests, after failures. */
const LONGEST_PAUSE_MS = 600_000;
/** Nobody asks when the person has not moved for this time, so that a page left open does not keep a session alive. */
const IDLE_MS = 900_000;
/** The most activities that are counted. */
const MAX_COUNTED = 50;

export class News {
  /** The button, and the live region around it. @type {HTMLElement} */ element;
  #context;
  #pause = PAUSE_MS;
  #timer = 0;
  #lastMove = Date.now();
  #since;
  #shown = /** @type {HTMLElement | null} */ (null);

  /**
   * @param {import("./context.js").Context} context
   * @param {{since: () => {instant: string, keys: Set<string>} | null, show: () => void}} list `since` returns from when on to count, and
   *   the activities of that instant that the list shows already; null if nothing newer belongs into the list
   */
  constructor(context, { since, show }) {
    this.#context = context;
    this.#since = since;
    this.element = h("div", { class: "news", role: "status", onclick: () => { this.clear(); show(); } });
    const { signal } = context.service;
    for (const event of ["pointermove", "pointerdown", "keydown"]) document.addEventListener(event, () => { this.#lastMove = Date.now(); }, { signal, passive: true });
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.#ask(); }, { signal });
    signal.addEventListener("abort", () => clearTimeout(this.#timer));
    this.#wait();
  }

  /** Forgets what was counted, because the list begins anew. */
  clear() {
    this.#shown = null;
    this.element.replaceChildren();
    this.#wait();
  }

  #wait() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), this.#pause);
  }

  async #ask() {
    const { service, query, words } = this.#context;
    const since = this.#since();
    if (service.signal.aborted) return;
    // Nobody sees a hidden page or a hidden list; their turn comes when they are visible again.
    if (document.hidden || Date.now() - this.#lastMove > IDLE_MS || !since || !this.element.checkVisibility()) return this.#wait();
    clearTimeout(this.#timer);
    const parameters = query.parameters();
    parameters.set("from", since.instant);
    parameters.set("limit", String(MAX_COUNTED));
    try {
      const page = await service.activities(parameters, service.signal);
      this.#pause = PAUSE_MS;
      if (this.#since()?.instant === since.instant && query.equals(this.#context.query)) {
        const count = page.activities.filter((/** @type {any} */ each) => !since.keys.has(keyOf(each))).length;
        this.#show(count, page.next_cursor ? words.count("newAtLeast", count) : words.count("newActivities", count));
      }
    } catch {
      // Silent, because the person did not ask. The list's own requests show errors.
      this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
    }
    if (!service.signal.aborted) this.#wait();
  }

  /** @param {number} count @param {string} text */
  #show(count, text) {
    if (count === 0) return;
    if (!this.#shown) {
      this.#shown = h("button", { type: "button" });
      this.element.replaceChildren(/** @type {HTMLElement} */ (this.#shown));
    }
    // Unchanged texts are not written, because screen readers announce each change.
    if (this.#shown && this.#shown.textContent !== text) this.#shown.textContent = text;
  }
}
