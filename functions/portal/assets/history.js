// The history of one object: everything that happened to a subscription, an order or a customer, or that a user did, newest first,
// with what changed at each step. It answers "who changed this?" over all time, so the list's period and filters do not apply.

import { details } from "./details.js";
import { h, isBusy, moveFocusTo, isolated, setBusy } from "./elements.js";
import { historyText } from "./pivots.js";
import { STATUSES } from "./query.js";
import { changeText, fieldLabel, groupsText, targetType } from "./values.js";

/** @typedef {import("./context.js").Context} Context */
/** @typedef {import("./context.js").Activity} Activity */
/** The list's filter that finds the activities of the object. @typedef {"target" | "customer" | "actor"} Kind */
/** An object, with its name and a target's type as far as they are known. @typedef {{kind: Kind, id: string, name?: string, type?: string}} Shown */

const KINDS = ["target", "customer", "actor"];
/** The name in the address. */
const PARAMETER = "history";
/** Before the first activity of any log. */
const BEGINNING = "1970-01-01T00:00:00Z";
/** The service accepts activities up to a day ahead. */
const AHEAD_MS = 86_400_000;
const PAGE = 100;
/** A load ends when it has found this many activities. */
const STEPS_PER_LOAD = 50;
/** The most pages that one load requests, because an object's activities may lie years apart. */
const MAX_REQUESTS = 8;
/** The most changes of one step; its details have all. */
const MAX_CHANGES = 10;

export class History {
  /** The dialog. @type {HTMLDialogElement} */ element;
  #context;
  #isInAddress;
  /** The object that is shown. @type {Shown | null} */ #object = null;
  /** Stops the requests of the object before. */ #stopping = new AbortController();
  /** @type {string | null} */ #cursor = null;
  /** The end of the period: a cursor continues the period of its first page. */
  #until = "";
  /** @type {Activity[]} */ #steps = [];
  #parts;

  /** @param {Context} context @param {{isInAddress: boolean}} options `isInAddress` keeps the object in the page's address */
  constructor(context, { isInAddress }) {
    const { words } = context;
    this.#context = context;
    this.#isInAddress = isInAddress;
    const parts = {
      title: h("h2", { id: "history-title" }), object: h("p", { class: "object" }),
      count: h("p", { class: "quiet", role: "status" }),
      field: h("select", { onchange: () => this.#filter() }),
      steps: h("ol", { class: "steps" }), trouble: h("div", { role: "alert" }),
      more: h("button", { type: "button", hidden: true, onclick: () => this.#load() }),
    };
    this.#parts = /** @type {Record<string, any>} */ (parts);
    this.#parts.fields = h("label", { class: "field", hidden: true }, h("span", {}, words.say("historyField")), parts.field);
    this.element = h("dialog", {
      class: "history", "aria-labelledby": "history-title", onclose: () => this.#closed(),
      // The list's keys do not apply below a dialog.
      onkeydown: (/** @type {Event} */ event) => event.stopPropagation(),
      onclick: (/** @type {Event} */ event) => { if (event.target === this.element) this.close(); },
    }, h("div", { class: "sheet" },
      h("header", {}, parts.title, h("button", { type: "button", class: "close", onclick: () => this.close() }, words.say("close"))),
      parts.object, h("div", { class: "bar" }, this.#parts.fields, parts.count), parts.steps, parts.trouble, h("div", { class: "bar" }, parts.more)));
    context.service.signal.addEventListener("abort", () => this.#stopping.abort());
  }

  /** The object that is shown, as `open` takes it; null while the dialog is closed. @returns {[Kind, string, string | undefined, string | undefined] | null} */
  get shown() { return this.#object && [this.#object.kind, this.#object.id, this.#object.name, this.#object.type]; }

  /**
   * Shows the history of an object.
   * @param {Kind} kind @param {string} id @param {string | null} [title] the object's name @param {string | null} [type] the target's type
   */
  open(kind, id, title, type) {
    if (this.#isInAddress) this.#writeAddress(`${kind}:${id}`, "pushState");
    this.#start(kind, id, title ?? undefined, type ?? undefined);
  }

  /** Shows the object that the address names, or closes the dialog. */
  show() {
    const [, kind, id] = /^(\w+):(.+)$/s.exec((this.#isInAddress && new URLSearchParams(location.search).get(PARAMETER)) || "") ?? [];
    if (!KINDS.includes(kind)) return this.close();
    if (this.#object?.kind !== kind || this.#object.id !== id) this.#start(/** @type {Kind} */ (kind), id);
  }

  close() {
    // Before the event, which comes later, because the caller may write the address next.
    this.#closed();
    if (this.element.open) this.element.close();
  }

  /** @param {Kind} kind @param {string} id @param {string} [title] @param {string} [type] */
  #start(kind, id, title, type) {
    const { steps, fields, field, more, trouble, count } = this.#parts;
    this.#stopping.abort();
    this.#stopping = new AbortController();
    this.#object = { kind, id, name: title ?? this.#context.names.get(kind, id) ?? undefined, type };
    this.#steps = [];
    this.#cursor = null;
    for (const each of [steps, field, trouble, count]) each.replaceChildren();
    fields.hidden = true;
    more.hidden = true;
    setBusy(more, false);
    this.#showTitle();
    if (!this.element.open) this.element.showModal();
    this.element.scrollTop = 0;
    this.#load();
  }

  #showTitle() {
    const { kind, id, name: title, type } = /** @type {Shown} */ (this.#object);
    const { words } = this.#context;
    this.#parts.title.textContent = historyText(this.#context, kind === "target" ? type ?? "other" : kind);
    const parts = [...new Set([title, kind === "target" && type ? targetType(words, type) : null, id].filter(Boolean))];
    this.#parts.object.replaceChildren(...parts.flatMap((part, index) => [index > 0 ? " · " : "", isolated(/** @type {string} */ (part))]));
  }

  #closed() {
    if (!this.#object) return;
    this.#stopping.abort();
    this.#object = null;
    this.#parts.steps.replaceChildren();
    if (this.#isInAddress) this.#writeAddress(null, "replaceState");
  }

  /** @param {string | null} value @param {"pushState" | "replaceState"} how */
  #writeAddress(value, how) {
    const params = new URLSearchParams(location.search);
    if (params.get(PARAMETER) === value) return;
    if (value === null) params.delete(PARAMETER);
    else params.set(PARAMETER, value);
    history[how](null, "", `${location.pathname}?${params}${location.hash}`);
  }

  /** @param {string | null} cursor */
  #parameters(cursor) {
    const { kind, id } = /** @type {Shown} */ (this.#object);
    const params = new URLSearchParams({ from: BEGINNING, order: "desc", limit: String(PAGE) });
    if (!cursor) this.#until = new Date(Date.now() + AHEAD_MS).toISOString();
    params.set("to", this.#until);
    for (const [filter, values] of this.#context.fixed) if (filter !== kind) for (const value of values) params.append(filter, value);
    params.append(kind, id);
    if (cursor) params.set("cursor", cursor);
    return params;
  }

  async #load() {
    const { words, service, names } = this.#context;
    const { more, count, trouble, steps } = this.#parts;
    if (isBusy(more)) return;
    const { signal } = this.#stopping;
    const isFirst = this.#steps.length === 0;
    setBusy(more, true);
    count.textContent = words.say("loading");
    /** @type {any} */ let first = null;
    let found = 0;
    try {
      for (let requests = 0; requests < MAX_REQUESTS && found < STEPS_PER_LOAD && (requests === 0 || this.#cursor); requests += 1) {
        const page = await service.activities(this.#parameters(this.#cursor), signal);
        if (signal.aborted) return;
        this.#cursor = page.next_cursor;
        found += page.activities.length;
        for (const each of page.activities) names.keep(each);
        const added = page.activities.map((/** @type {Activity} */ each) => this.#step(each));
        this.#steps.push(...page.activities);
        first ??= added[0];
        steps.append(...added);
        if (this.#cursor && this.#steps.length > 0) count.textContent = words.say("stillLoading", { count: this.#steps.length });
      }
      this.#learn();
      const hadFocus = more.matches(":focus");
      more.textContent = words.say(found > 0 ? "more" : "historyFurther");
      more.hidden = !this.#cursor;
      if (hadFocus && more.hidden && first) moveFocusTo(first);
      count.textContent = this.#summary();
    } catch (error) {
      if (signal.aborted || service.signal.aborted) return;
      count.textContent = isFirst ? "" : this.#summary();
      this.#context.showError(trouble, error, () => this.#load());
    } finally {
      if (!signal.aborted) setBusy(more, false);
    }
  }

  #summary() {
    const { words } = this.#context;
    const { length } = this.#steps;
    if (length === 0) return words.say(this.#cursor ? "noneYet" : "historyNone");
    return words.count(this.#cursor ? "historyAtLeast" : "historyCount", length);
  }

  /** Takes the object's name and type from its newest activity, and the fields that changed. */
  #learn() {
    const object = /** @type {Shown} */ (this.#object);
    const { words, names } = this.#context;
    if (object.kind === "target") object.type ??= this.#steps.find((each) => each.target?.type)?.target.type;
    object.name ??= names.get(object.kind, object.id) ?? undefined;
    this.#showTitle();
    const { field, fields } = this.#parts;
    const known = new Map(this.#steps.flatMap((each) => (each.changes ?? []).map((/** @type {any} */ change) => [change.field, fieldLabel(words, change.field)])));
    const chosen = field.value;
    const sorted = [...known].sort(([, a], [, b]) => a.localeCompare(b, words.locale));
    const option = (/** @type {string} */ value, /** @type {string} */ text) => h("option", { value, selected: value === chosen }, text);
    field.replaceChildren(option("", words.say("historyAnyField")), ...sorted.map(([key, label]) => option(key, label)));
    fields.hidden = known.size === 0;
    this.#filter();
  }

  /** Hides the steps that did not change the chosen field. */
  #filter() {
    const chosen = this.#parts.field.value;
    for (const [index, step] of [...this.#parts.steps.children].entries()) {
      step.hidden = chosen !== "" && !(this.#steps[index].changes ?? []).some((/** @type {any} */ change) => change.field === chosen);
    }
  }

  /** @param {Activity} activity */
  #step(activity) {
    const context = this.#context;
    const { words, zone } = context;
    const { kind } = /** @type {Shown} */ (this.#object);
    const { actor, customer, target, status, reason, erased = {} } = activity;
    const changes = activity.changes ?? [];
    const person = actor ? actor.name || actor.id : erased.actor && words.say("erased");
    const about = kind === "target" ? null : target && (target.name || target.id);
    const where = kind === "actor" ? customer && (customer.name || customer.id) : null;
    const said = changes.slice(0, MAX_CHANGES).map((/** @type {any} */ change) => h("li", {}, isolated(changeText(words, change, { zone }))));
    if (erased.changes) said.push(h("li", { class: "quiet" }, words.say("erasedGroups", { groups: groupsText(words, ["changes"]) })));
    if (changes.length > MAX_CHANGES) said.push(h("li", { class: "quiet" }, words.count("moreEntries", changes.length - MAX_CHANGES)));
    const place = h("div", { hidden: true });
    const button = h("button", { type: "button", class: "plain", "aria-expanded": "false", onclick: () => {
      place.hidden = !place.hidden;
      button.setAttribute("aria-expanded", String(!place.hidden));
      place.replaceChildren(...(place.hidden ? [] : [details(context, activity, null)]));
    } }, words.say("historyDetails"), h("span", { class: "unseen" }, ` ${words.time(activity.occurred_at, zone)}`));
    return h("li", {},
      h("p", { class: "quiet" }, h("time", { datetime: activity.occurred_at }, words.time(activity.occurred_at, zone)),
        kind !== "actor" && person ? " · " : null, kind !== "actor" && person ? h("strong", {}, isolated(person)) : null),
      h("p", {}, context.label(activity.action), ...(about ? [" · ", isolated(about)] : []), ...(where && where !== about ? [" · ", isolated(where)] : []), " ",
        h("span", { class: `state ${STATUSES.includes(status) ? status : ""}` }, context.status(status))),
      said.length > 0 ? h("ul", { class: "changed" }, ...said) : null,
      reason ? h("p", { class: "why" }, isolated(reason)) : null,
      button, place);
  }
}
