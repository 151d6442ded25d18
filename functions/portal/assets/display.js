// How the list looks: density and columns. The browser remembers them for all partners, because they are a person's habit. A button
// opens the choices.

import { h } from "./elements.js";
import { COLUMNS } from "./row.js";

/** The key in the browser's storage. */
const STORED = "daybook.display";
const DENSITIES = ["comfortable", "compact"];
const USUAL = Object.keys(COLUMNS).filter((key) => COLUMNS[key].isUsual);

/** @returns {any} */
function remembered() {
  try {
    return JSON.parse(localStorage.getItem(STORED) ?? "null");
  } catch {
    return null;
  }
}

export class Display {
  /** The button and its panel. @type {HTMLElement} */ element;
  density = DENSITIES[0];
  /** The chosen columns. */
  columns = new Set(USUAL);
  #details;

  /**
   * @param {import("./context.js").Context} context
   * @param {() => void} changed called after a choice of density or columns
   */
  constructor(context, changed) {
    const stored = remembered();
    if (DENSITIES.includes(stored?.density)) this.density = stored.density;
    if (Array.isArray(stored?.columns)) this.columns = new Set(stored.columns.filter((/** @type {any} */ key) => Object.hasOwn(COLUMNS, key)));
    const { words } = context;
    const say = (/** @type {string} */ key) => words.say(key);
    const choose = () => { this.#store(); changed(); };
    const group = (/** @type {string} */ key, /** @type {Node[]} */ ...choices) => h("fieldset", {}, h("legend", {}, say(key)), ...choices);
    const choice = (/** @type {string} */ type, /** @type {string} */ name, /** @type {string} */ value, /** @type {boolean} */ checked, /** @type {string} */ text, /** @type {(input: any) => void} */ take) =>
      h("label", { class: "check" }, h("input", { type, name, value, checked, onchange: (/** @type {any} */ event) => take(event.target) }), text);
    this.#details = h("details", { class: "display", onfocusout: (/** @type {FocusEvent} */ event) => this.#closeOutside(event) },
      h("summary", {}, say("display")),
      h("div", { class: "panel" },
        group("density", ...DENSITIES.map((density) => choice("radio", "density", density, this.density === density, say(`density_${density}`),
          () => { this.density = density; choose(); }))),
        group("columns", ...Object.entries(COLUMNS).map(([key, { title }]) => choice("checkbox", "column", key, this.columns.has(key), say(title),
          (input) => { if (input.checked) this.columns.add(key); else this.columns.delete(key); choose(); })),
          h("p", { class: "quiet" }, say("columnsHint"))),
        h("p", { class: "quiet keys" }, say("keysHint"))));
    this.element = this.#details;
  }

  get isOpen() { return this.#details.open; }

  close() {
    const hadFocus = this.#details.contains(this.#details.getRootNode().activeElement);
    this.#details.open = false;
    if (hadFocus) this.#details.querySelector("summary").focus();
  }

  /** @param {FocusEvent} event */
  #closeOutside(event) {
    // A click on a text of the panel moves the focus nowhere.
    if (event.relatedTarget && !this.#details.contains(/** @type {Node} */ (event.relatedTarget))) this.#details.open = false;
  }

  #store() {
    try {
      localStorage.setItem(STORED, JSON.stringify({ density: this.density, columns: [...this.columns] }));
    } catch { /* Without storage, the choice lasts as long as the page. */ }
  }
}
