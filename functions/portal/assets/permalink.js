// A link to one activity. The list opens the activity's row where it has the row; otherwise a panel above the list shows the activity,
// or says why this person does not see it.

import { details } from "./details.js";
import { dayIn } from "./calendar.js";
import { h, moveFocusTo, isolated } from "./elements.js";
import { ApiError } from "./service.js";
import { unfiltered } from "./pivots.js";

/** @typedef {import("./context.js").Context} Context */
/** @typedef {import("./context.js").Activity} Activity */

export class Permalink {
  /** The panel, hidden while there is nothing to show. @type {HTMLElement} */ element;
  /** Whether the component keeps its state in the page's address. Otherwise there are no links. */
  isInAddress;
  #context;
  #partner;
  #openRow;
  /** The link that the panel shows. */
  #shown = "";

  /**
   * @param {Context} context
   * @param {{partner: string, isInAddress: boolean, openRow: (occurredAt: string, id: string) => boolean}} options `openRow` opens the row of
   *   an activity and returns true if the list has loaded the row
   */
  constructor(context, { partner, isInAddress, openRow }) {
    this.#context = context;
    this.#partner = partner;
    this.#openRow = openRow;
    this.isInAddress = isInAddress;
    this.element = h("section", { class: "permalink", hidden: true, "aria-label": context.words.say("linked") });
  }

  /** Returns the address that opens an activity, in the list of the day. @param {Activity} activity */
  address(activity) {
    const day = dayIn(new Date(activity.occurred_at), this.#context.zone);
    const params = unfiltered(this.#context).between(day, day).write(new URLSearchParams());
    params.set("activity", `${activity.occurred_at}~${activity.id}`);
    params.set("partner", activity.partner_id ?? this.#partner);
    return `${location.origin}${location.pathname}?${params}${location.hash}`;
  }

  /** Shows the activity that the address names, or nothing. Call it when the list has loaded. */
  async show() {
    const params = new URLSearchParams(this.isInAddress ? location.search : "");
    const [, occurredAt, id] = /^([^~]+)~(.+)$/s.exec(params.get("activity") ?? "") ?? [];
    const partner = params.get("partner") || this.#partner;
    const link = occurredAt ? `${partner} ${occurredAt} ${id}` : "";
    // The panel stays as it is while the person filters the list.
    if (link === this.#shown) return;
    this.#shown = link;
    this.#hide();
    if (!link) return;
    if (partner !== this.#partner) return this.#explain("linkOfPartner", { partner, own: this.#partner });
    if (this.#openRow(occurredAt, id)) return;
    await this.#fetch(link, `/v1/partners/${encodeURIComponent(partner)}/activities/${encodeURIComponent(id)}?${new URLSearchParams({ occurred_at: occurredAt })}`);
  }

  /** Hides the panel and removes the link from the address. */
  close() {
    this.#shown = "";
    this.#hide();
    const params = new URLSearchParams(location.search);
    if (!this.isInAddress || !params.has("activity")) return;
    params.delete("activity");
    params.delete("partner");
    history.replaceState(null, "", `${location.pathname}?${params}${location.hash}`);
  }

  #hide() {
    this.element.hidden = true;
    this.element.replaceChildren();
  }

  /** @param {string} link @param {string} url */
  async #fetch(link, url) {
    const { service, words } = this.#context;
    const isCurrent = () => link === this.#shown && !service.signal.aborted;
    this.#fill(h("p", { role: "status" }, words.say("loading")));
    try {
      const activity = await service.activity(url);
      if (isCurrent()) this.#showActivity(activity);
    } catch (error) {
      if (!isCurrent()) return;
      const status = error instanceof ApiError ? error.status : 0;
      if (status === 403) return this.#explain("linkDenied");
      if ([400, 404, 410].includes(status)) return this.#explain("linkGone");
      const trouble = h("div", { role: "alert" });
      this.#fill(trouble);
      this.#context.showError(trouble, error, () => this.#fetch(link, url));
    }
  }

  /** @param {Activity} activity */
  #showActivity(activity) {
    const context = this.#context;
    const { words, zone } = context;
    context.names.keep?.(activity);
    const title = h("h2", {}, context.label(activity.action), " ", h("span", { class: "quiet" }, words.time(activity.occurred_at, zone)));
    this.#fill(title, h("p", { class: "quiet" }, words.say("linkOutside")), details(context, activity, null));
    moveFocusTo(title);
  }

  /** Says why there is nothing to see. @param {string} key @param {Record<string, string>} [values] */
  #explain(key, values) {
    this.#fill(h("div", { role: "alert" }, h("p", {}, isolated(this.#context.words.say(key, values)))));
  }

  /** @param {...Node} content */
  #fill(...content) {
    this.element.replaceChildren(h("button", { type: "button", class: "close", onclick: () => this.close() }, this.#context.words.say("close")), ...content);
    this.element.hidden = false;
  }
}
