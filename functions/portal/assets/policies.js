// The view of what happens to recorded activities: retention, legal holds and erasures.

import { h } from "./elements.js";
import { Erasures } from "./erasures.js";
import { Holds } from "./holds.js";
import { Retention } from "./retention.js";
import { ApiError } from "./service.js";

/** @typedef {import("./context.js").Context} Context */
/** A part of the view: `load` asks the service, `show` shows the answer. @typedef {{element: HTMLElement, load: () => Promise<any>, show: (answer: any) => void}} Part */

export class Policies {
  /** @type {HTMLElement} */ element;
  #context;
  /** Loads the parts, once. @type {(() => void)[]} */ #loads = [];

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    const say = (/** @type {string} */ key) => context.words.say(key);
    const section = (/** @type {string} */ title, /** @type {string | null} */ intro, /** @type {Part} */ part) => {
      const place = h("div");
      const element = h("section", { "aria-label": say(title) }, h("h2", {}, say(title)), intro && h("p", { class: "quiet" }, say(intro)), place);
      this.#loads.push(() => this.#load(part, place, element));
      return element;
    };
    this.element = h("section", { class: "policies records", "aria-label": say("view_data") },
      section("retentionTitle", null, new Retention(context)), section("holdsTitle", "holdsIntro", new Holds(context)), section("erasuresTitle", "erasuresIntro", new Erasures(context)));
  }

  /** Loads the parts when the view is shown for the first time. */
  open() { for (const load of this.#loads.splice(0)) load(); }

  /** @param {Part} part @param {HTMLElement} place @param {HTMLElement} section */
  async #load(part, place, section) {
    const { service, words, showError } = this.#context;
    place.replaceChildren(h("p", { role: "status" }, words.say("loading")));
    try {
      part.show(await part.load());
      place.replaceChildren(part.element);
    } catch (error) {
      if (service.signal.aborted) return;
      // For this person, there is no such part.
      if (error instanceof ApiError && [403, 404].includes(error.status)) section.hidden = true;
      else showError(place, error, () => this.#load(part, place, section));
    }
  }
}
