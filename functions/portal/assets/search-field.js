// The search field: one combobox for text, customers, users, actions and statuses, and below it a chip for each filter that
// applies. Filters apply at once. The pattern is that of an editable combobox with a list, so the focus stays in the field.

import { h, isolated } from "./elements.js";
import { FILTERS, isExcluded, valueWords } from "./query.js";
import { KEYWORDS, parseTerms } from "./search-terms.js";
import { exactMatches, Suggestions } from "./suggestions.js";

/** @typedef {import("./query.js").Query} Query */
/** @typedef {import("./search-terms.js").Term} Term */
/** @typedef {import("./suggestions.js").Found} Found */
/** @typedef {import("./suggestions.js").Suggestion} Suggestion */
/** What a term means. @typedef {{value?: Suggestion, text?: string, fault?: string}} Taken */
/** One line of the list. @typedef {{key: string, group: string, text: string, hint: string, choose: () => void}} Option */

/** The service is asked when nothing was typed for this time. */
const PAUSE_MS = 200;
/** Enter waits for the service's names for at most this time. A second Enter waits no longer. */
const PATIENCE_MS = 8_000;
/** The most options of one group, of many groups and of one. */
const SHOWN = { many: 6, one: 100 };
/** The keywords that an empty field offers. */
const OFFERED = ["customer", "actor", "kind", "action", "status"];
/** The longest text that the API searches for. */
const MAX_TEXT = 256;
/** An action, or the first words of actions. */
const ACTION = /^[a-z0-9_]+(\.[a-z0-9_]+)*\.([a-z0-9_]+|\*)$/i;
/** The first word of actions. */
const KIND = /^[a-z0-9_]+$/i;
/** What is known before the service has answered. @type {Found} */
const NOTHING = { found: [], complete: false };
/** Filters whose values the service only compares, so that any value may be typed. */
const TYPED = ["target", "correlation", "target_type", "source"];
let fields = 0;

export class SearchField {
  /** @type {HTMLElement} */ element;
  #context;
  #suggestions;
  #parts;
  /** The options that are shown. @type {Option[]} */ #options = [];
  /** The key of the option that Enter takes, empty for none. */
  #active = "";
  /** What the service has found for the present text. @type {Suggestion[]} */ #found = [];
  /** Ends the lookup for an earlier text. */
  #lookup = new AbortController();
  #isSearching = false;
  #hasFailed = false;
  /** Ids whose names were asked for. @type {Set<string>} */ #asked = new Set();

  /** @param {any} context */
  constructor(context) {
    this.#context = context;
    this.#suggestions = new Suggestions(context);
    const { words } = context;
    const say = (/** @type {string} */ key) => words.say(key);
    // Numbered, because two components may stand in one page, and labels refer to ids.
    const id = `search-${fields += 1}`;
    const input = h("input", {
      type: "text", role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": `${id}-list`, "aria-describedby": `${id}-hint`,
      "aria-label": say("search"), placeholder: say("searchHint"), maxlength: MAX_TEXT, autocomplete: "off", autocapitalize: "off", spellcheck: "false", enterkeyhint: "search",
      oninput: () => this.#typed(),
      onclick: () => { if (!this.#isOpen) this.#open(); },
      onfocus: () => this.#prepare(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
    });
    const listbox = h("div", { id: `${id}-list`, role: "listbox", "aria-label": say("suggestions") });
    const note = h("p", { class: "quiet" });
    const keywords = new Intl.ListFormat(words.locale, { type: "disjunction" }).format(OFFERED.filter((filter) => !context.fixed.has(filter)).map((filter) => this.#keyword(filter)));
    const hint = h("p", { class: "quiet hint", id: `${id}-hint` }, words.say("searchSyntax", { keywords }));
    const popup = h("div", { class: "suggestions", hidden: true }, listbox, note, hint);
    // Kept in the field, because a click on an option would take the focus away.
    popup.addEventListener("mousedown", (/** @type {Event} */ event) => event.preventDefault());
    const chips = h("div", { class: "chips", role: "toolbar", "aria-label": say("chosenFilters"), hidden: true, onkeydown: (/** @type {KeyboardEvent} */ event) => this.#chipKey(event) });
    const status = h("p", { class: "unseen", role: "status" });
    const fault = h("p", { class: "fault", role: "alert" });
    this.#parts = { id, input, listbox, note, hint, popup, chips, status, fault };
    this.element = h("div", { class: "search", role: "search", "aria-label": say("search") }, h("div", { class: "search-box" }, input, popup), fault, chips, status);
    this.element.addEventListener("focusout", (/** @type {FocusEvent} */ event) => {
      if (event.relatedTarget instanceof Node && this.element.contains(event.relatedTarget)) return;
      this.#close();
      // Applied when the person goes on, so that no text stands in the field that the list does not follow.
      if (document.hasFocus()) this.#commit(false);
    });
    context.service.signal.addEventListener("abort", () => this.#lookup.abort());
  }

  /** Moves the focus into the field. */
  focus() { this.#parts.input.focus(); }

  get #isOpen() { return !this.#parts.popup.hidden; }

  /** The keyword of a filter in the page's language. @param {string} filter */
  #keyword(filter) { return `${KEYWORDS[filter][this.#context.words.language]}:`; }

  async #prepare() {
    try {
      await this.#suggestions.prepare();
    } catch { return; }
    if (this.#isOpen) this.#render();
  }

  // The chips

  /** Shows the filters of a query. @param {Query} query */
  show(query) {
    const { chips } = this.#parts;
    const { words, names, fixed } = this.#context;
    const buttons = [...chips.children];
    const focused = buttons.indexOf(/** @type {ShadowRoot | Document} */ (chips.getRootNode()).activeElement);
    const chip = (/** @type {string} */ kind, /** @type {Node[]} */ content, /** @type {() => Query} */ rest) => h("button", {
      type: "button", class: `chip ${kind}`, tabindex: "-1", onclick: () => this.#context.change(rest()),
    }, h("span", {}, ...content), h("span", { class: "unseen" }, ` ${words.say("removeFilter")}`));
    const ofFilters = FILTERS.filter((filter) => !fixed.has(filter)).flatMap((filter) => query.values(filter).map((value) => {
      const shown = valueWords(words, names, filter, value);
      const key = isExcluded(value) ? "filterNot" : "filterIs";
      // Split at the value, so that a name of another direction stands by itself.
      const [before, after] = words.say(key, { name: words.say(`filter_${filter}`), values: "\u0000" }).split("\u0000");
      return chip(isExcluded(value) ? "excluded" : "", [document.createTextNode(before), isolated(shown), document.createTextNode(after)], () => this.#context.query.without(filter, value));
    }));
    const ofText = query.text ? [chip("", [isolated(words.say("quoted", { text: query.text }))], () => this.#context.query.with({ text: "" }))] : [];
    const all = [...ofFilters, ...ofText];
    const clear = h("button", { type: "button", class: "plain clear", tabindex: "-1", onclick: () => this.#context.change(this.#context.query.cleared()) }, words.say("clearFilters"));
    chips.replaceChildren(...all, ...(all.length > 0 ? [clear] : []));
    chips.hidden = all.length === 0;
    const next = chips.children[Math.min(Math.max(focused, 0), all.length - 1)];
    next?.setAttribute("tabindex", "0");
    if (focused >= 0) {
      if (next) next.focus();
      else this.focus();
    }
    this.#learnNames(query);
  }

  /** Asks for the names of ids that came with a link. @param {Query} query */
  async #learnNames(query) {
    const { names, service } = this.#context;
    let learned = false;
    for (const filter of ["customer", "actor"]) {
      const unknown = query.values(filter).map((value) => value.replace(/^!/, "")).filter((id) => !names.get(filter, id) && !this.#asked.has(`${filter} ${id}`));
      if (unknown.length === 0) continue;
      for (const id of unknown) this.#asked.add(`${filter} ${id}`);
      try {
        await this.#suggestions.learnNames(filter, unknown, service.signal);
      } catch { return; }
      learned ||= unknown.some((id) => names.get(filter, id));
    }
    if (learned && !service.signal.aborted) this.show(this.#context.query);
  }

  /** Moves between the chips, which are one stop of the Tab key. @param {KeyboardEvent} event */
  #chipKey(event) {
    const { chips, input } = this.#parts;
    const buttons = [...chips.children];
    const at = buttons.indexOf(/** @type {any} */ (event.target));
    const isLeftToRight = getComputedStyle(chips).direction === "ltr";
    const to = { ArrowRight: at + (isLeftToRight ? 1 : -1), ArrowLeft: at - (isLeftToRight ? 1 : -1), Home: 0, End: buttons.length - 1 }[event.key];
    if (event.key === "Delete" || event.key === "Backspace") buttons[at]?.click();
    else if (event.key === "Escape") input.focus();
    else if (to === undefined) return;
    else if (buttons[to]) {
      for (const each of buttons) each.setAttribute("tabindex", each === buttons[to] ? "0" : "-1");
      buttons[to].focus();
    }
    event.preventDefault();
    // The host's own keys must not act as well.
    event.stopPropagation();
  }

  // The list of suggestions

  /** The last term, which suggestions complete. @returns {Term} */
  #term() {
    const text = this.#parts.input.value;
    return parseTerms(text).at(-1) ?? { filter: null, value: "", excluded: false, start: text.length };
  }

  #typed() {
    this.#clearFault();
    this.#active = "";
    this.#open();
  }

  #clearFault() {
    this.#parts.fault.textContent = "";
    this.#parts.input.removeAttribute("aria-invalid");
  }

  #open() {
    const { popup, input } = this.#parts;
    popup.hidden = false;
    input.setAttribute("aria-expanded", "true");
    this.#search();
  }

  #close() {
    const { popup, input, status } = this.#parts;
    this.#lookup.abort();
    popup.hidden = true;
    status.textContent = "";
    this.#active = "";
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  /** Looks up the names for the present text, and shows what is known at once. */
  async #search() {
    this.#lookup.abort();
    const lookup = new AbortController();
    this.#lookup = lookup;
    const term = this.#term();
    const known = this.#suggestions.remembered(term);
    this.#found = known?.found ?? [];
    this.#isSearching = !known;
    this.#hasFailed = false;
    this.#render();
    if (known) return;
    const isCurrent = () => this.#lookup === lookup && !lookup.signal.aborted;
    try {
      await new Promise((done) => { setTimeout(done, PAUSE_MS); });
      if (!isCurrent()) return;
      const { found } = await this.#suggestions.find(term, lookup.signal, (partial) => {
        if (!isCurrent()) return;
        this.#found = partial.found;
        this.#render();
      });
      if (!isCurrent()) return;
      this.#found = found;
    } catch {
      if (!isCurrent()) return;
      this.#hasFailed = true;
    }
    this.#isSearching = false;
    this.#render();
  }

  /** @returns {Option[]} */
  #makeOptions() {
    const { words, names, query, fixed } = this.#context;
    const term = this.#term();
    const say = (/** @type {string} */ key) => words.say(key);
    const isOne = term.filter !== null;
    /** @type {Map<string, Suggestion[]>} */ const groups = new Map();
    const group = (/** @type {Suggestion} */ each) => (each.filter === "action" && each.value.endsWith(".*") ? "kind" : each.filter);
    for (const each of [...this.#found, ...this.#suggestions.known(term)]) {
      const value = term.excluded ? `!${each.value}` : each.value;
      // A portal's own filters cannot be changed here.
      if (query.has(each.filter, value) || fixed.has(each.filter)) continue;
      groups.set(group(each), [...(groups.get(group(each)) ?? []), each]);
    }
    const options = [...groups].flatMap(([filter, all]) => all.slice(0, isOne ? SHOWN.one : SHOWN.many).map((each) => {
      const label = each.label || names.get(each.filter, each.value) || each.value;
      return {
        key: `${each.filter} ${each.value}`, group: say(`filter_${filter}`),
        text: term.excluded ? words.say("notValue", { value: label }) : label,
        hint: [each.count !== null && label !== each.value ? each.value : "", each.count === null ? "" : words.number(each.count)].filter(Boolean).join(" · "),
        choose: () => this.#take(term, each),
      };
    }));
    if (!isOne && term.value && !term.excluded) {
      options.push({ key: "text", group: say("text"), text: words.say("searchText", { text: term.value }), hint: "", choose: () => this.#commit(false, true) });
    }
    if (!isOne && !term.value) {
      options.push(...OFFERED.filter((filter) => !fixed.has(filter)).map((filter) => ({
        key: `keyword ${filter}`, group: say("filterBy"), text: `${term.excluded ? "!" : ""}${this.#keyword(filter)}`, hint: say(`filter_${filter}`),
        choose: () => this.#offer(term, filter),
      })));
    }
    return options;
  }

  #render() {
    const { id, listbox, note, hint, status, input } = this.#parts;
    const { words } = this.#context;
    this.#options = this.#makeOptions();
    const titles = [...new Set(this.#options.map((each) => each.group))];
    const groups = titles.map((title, number) => h("div", { role: "group", "aria-labelledby": `${id}-group-${number}` },
      h("div", { class: "group-title", id: `${id}-group-${number}`, role: "presentation" }, title),
      ...this.#options.filter((each) => each.group === title).map((option) => h("div", {
        id: `${id}-option-${this.#options.indexOf(option)}`, role: "option", class: "option", "aria-selected": String(option.key === this.#active), onclick: option.choose,
      }, isolated(option.text), option.hint && h("span", { class: "quiet" }, " ", isolated(option.hint))))));
    listbox.replaceChildren(...groups);
    listbox.hidden = groups.length === 0;
    listbox.setAttribute("aria-busy", String(this.#isSearching));
    const at = this.#options.findIndex((each) => each.key === this.#active);
    if (at < 0) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", `${id}-option-${at}`);
    listbox.querySelector("[aria-selected='true']")?.scrollIntoView({ block: "nearest" });
    hint.hidden = input.value.trim() !== "";
    note.textContent = this.#hasFailed ? words.say("namesFailed") : this.#isSearching ? words.say("loading") : "";
    // Announced when all is there, because each change would interrupt the last.
    if (this.#isOpen && at < 0 && !this.#isSearching) status.textContent = this.#hasFailed ? note.textContent : words.count("suggestionCount", this.#options.length);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { input, chips } = this.#parts;
    // An input method's keys choose letters.
    if (event.isComposing) return;
    const isAtStart = input.selectionStart === 0 && input.selectionEnd === 0;
    const lastChip = [...chips.querySelectorAll(".chip")].at(-1);
    switch (event.key) {
      case "ArrowDown": case "ArrowUp": {
        const step = event.key === "ArrowDown" ? 1 : -1;
        if (!this.#isOpen) this.#open();
        else if (event.altKey && step < 0) this.#close();
        if (this.#isOpen && !event.altKey) this.#move(step);
        break;
      }
      case "Enter": {
        const option = this.#isOpen ? this.#options.find((each) => each.key === this.#active) : undefined;
        if (option) option.choose();
        else this.#commit(true);
        break;
      }
      case "Escape":
        // First the list, then the text, so that nothing is lost by one key. A third press is the host's.
        if (this.#isOpen) this.#close();
        else if (input.value) { input.value = ""; this.#clearFault(); }
        else return;
        break;
      case "Backspace":
        if (!isAtStart || input.value || !lastChip) return;
        lastChip.click();
        break;
      case "ArrowLeft":
        if (!isAtStart || !lastChip || getComputedStyle(input).direction !== "ltr") return;
        for (const each of chips.children) each.setAttribute("tabindex", each === lastChip ? "0" : "-1");
        this.#close();
        lastChip.focus();
        break;
      default: return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** Moves to the next option; past the ends is the text itself. @param {number} step */
  #move(step) {
    const at = this.#options.findIndex((each) => each.key === this.#active);
    const places = this.#options.length + 1;
    this.#active = this.#options[((at + 1 + step + places) % places) - 1]?.key ?? "";
    this.#render();
  }

  // Taking what was typed

  /** Writes a keyword into the field. @param {Term} term @param {string} filter */
  #offer(term, filter) {
    const { input } = this.#parts;
    input.value = `${input.value.slice(0, term.start)}${term.excluded ? "!" : ""}${this.#keyword(filter)}`;
    this.#typed();
  }

  /** Takes a suggestion in place of the term that it completes. @param {Term} term @param {Suggestion} suggestion */
  #take(term, { filter, value, label }) {
    const { input } = this.#parts;
    const { names, query } = this.#context;
    if ((filter === "customer" || filter === "actor") && label !== value) names.set(filter, value, label);
    input.value = input.value.slice(0, term.start).trimEnd();
    this.#clearFault();
    this.#close();
    this.#context.change(query.add(filter, term.excluded ? `!${value}` : value));
  }

  /**
   * Takes all that was typed: a name that is known exactly once becomes its filter, other text is searched for.
   * @param {boolean} isWaiting whether to wait for names that are being looked up @param {boolean} [asText] takes free text as text
   */
  async #commit(isWaiting, asText = false) {
    const { input } = this.#parts;
    const typed = input.value;
    const terms = parseTerms(typed);
    if (terms.length === 0) return;
    input.setAttribute("aria-busy", "true");
    /** @type {Taken[]} */ const taken = [];
    for (const term of terms) taken.push(asText && term.filter === null ? { text: term.value } : await this.#resolve(term, isWaiting));
    input.removeAttribute("aria-busy");
    // A person who typed on does not mean this text any more.
    if (input.value !== typed || this.#context.service.signal.aborted) return;
    const fault = taken.find((each) => each.fault)?.fault;
    if (fault) {
      this.#complain(fault);
      return;
    }
    let { query } = this.#context;
    terms.forEach((term, index) => {
      const { text, value } = taken[index];
      if (text) query = query.with({ text: `${query.text} ${text}`.slice(0, MAX_TEXT) });
      else if (value) query = query.add(value.filter, term.excluded ? `!${value.value}` : value.value);
    });
    input.value = "";
    this.#clearFault();
    this.#close();
    if (!query.equals(this.#context.query)) this.#context.change(query);
  }

  /** Finds what a term means: a value, text to search for, or the fault that nothing is meant for sure. @param {Term} term @param {boolean} isWaiting @returns {Promise<Taken>} */
  async #resolve(term, isWaiting) {
    const { words, fixed } = this.#context;
    const { filter, value, excluded } = term;
    const say = (/** @type {string} */ key) => ({ fault: words.say(key, { name: words.say(`filter_${filter}`), value }) });
    if (!value) return filter === null ? { text: "" } : say("valueMissing");
    const remembered = this.#suggestions.remembered(term);
    // Statuses and actions are in the catalogue alone, so Enter waits for that too.
    const isEnough = remembered !== null && (this.#suggestions.isPrepared || !isWaiting);
    const { found, complete } = isEnough ? remembered : isWaiting ? await this.#lookUp(term) : NOTHING;
    const all = [...found, ...this.#suggestions.known(term)].filter((each) => !fixed.has(each.filter));
    const exact = exactMatches(all, value);
    if (exact.length === 1) return { value: exact[0] };
    if (filter === null) return excluded ? { fault: words.say("textExcluded", { example: `!${this.#keyword("customer")}` }) } : { text: value };
    if (exact.length === 0 && all.length === 1 && complete) return { value: all[0] };
    const typed = (/** @type {string} */ name, /** @type {string} */ id) => ({ value: { filter: name, value: id, label: id, searched: id, count: null } });
    if (TYPED.includes(filter)) return typed(filter, value);
    if (all.length > 0) return say("valueUnclear");
    if (filter === "action" && ACTION.test(value)) return typed(filter, value);
    if (filter === "kind" && KIND.test(value)) return typed("action", `${value}.*`);
    if (filter !== "customer" && filter !== "actor") return say("valueUnclear");
    // Without the service's word, the text may be an id.
    return complete && this.#suggestions.canCount ? say("valueAbsent") : /\s/.test(value) ? say("valueUnclear") : typed(filter, value);
  }

  /** Looks up names for Enter, for a short time. @param {Term} term @returns {Promise<Found>} */
  async #lookUp(term) {
    this.#lookup.abort();
    const lookup = new AbortController();
    this.#lookup = lookup;
    let known = NOTHING;
    const timer = setTimeout(() => lookup.abort(), PATIENCE_MS);
    const aborted = new Promise((_, reject) => { lookup.signal.addEventListener("abort", () => reject(lookup.signal.reason)); });
    const found = this.#suggestions.find(term, lookup.signal, (partial) => { known = partial; }).then((all) => { known = all; });
    try {
      await Promise.race([aborted, Promise.all([found, this.#suggestions.prepare()])]);
    } catch { /* Without names, the text is searched for. */ }
    clearTimeout(timer);
    return known;
  }

  /** Shows what is wrong with the text, and the suggestions for it. @param {string} text */
  #complain(text) {
    const { input, fault } = this.#parts;
    if (/** @type {ShadowRoot | Document} */ (input.getRootNode()).activeElement === input) this.#open();
    fault.textContent = text;
    input.setAttribute("aria-invalid", "true");
  }
}
