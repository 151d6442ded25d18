// The activity log as a custom element:
//
//   <activity-log api="https://…/live" partner="contoso" locale="fr"
//                 subscriptions-url="https://portal.example/customers/{customer}/subscriptions"></activity-log>
//
// and, in script, `element.getToken = async () => "…"`. Attribute `url-state` keeps range and filters in the page's URL.
// Event `daybook-unauthorized` says that the token is missing or no longer good.
// All that comes from outside is put into the page as text.

const LANGUAGES = ["en", "fr"];
const base = new URL(".", import.meta.url);
const styles = new CSSStyleSheet();
styles.replaceSync(`
  :host { display: block; --line: color-mix(in srgb, CanvasText 25%, Canvas); --soft: color-mix(in srgb, CanvasText 5%, Canvas); --accent: #1f5fbf; }
  @media (prefers-color-scheme: dark) { :host { --accent: #8ab8ff; } }
  :host([hidden]) { display: none; }
  h1 { margin-block: 0 .75rem; font-size: 1.6rem; }
  h2 { font-size: 1.2rem; margin-block: 1.5rem .5rem; }
  h3 { font-size: 1rem; margin-block: 1rem .25rem; }
  form, .bar { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: end; }
  label { display: grid; gap: .15rem; font-size: .9rem; }
  input, select, button { font: inherit; padding: .3rem .6rem; min-block-size: 2.25rem; box-sizing: border-box; max-inline-size: 100%; }
  button.primary { background: var(--accent); color: Canvas; border: 1px solid var(--accent); border-radius: .3rem; }
  :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
  .scroll { overflow-x: auto; }
  table { border-collapse: collapse; inline-size: 100%; margin-block-start: .5rem; }
  caption { text-align: start; padding-block: .5rem; }
  th, td { text-align: start; vertical-align: top; padding: .4rem .6rem; border-block-end: 1px solid var(--line); overflow-wrap: anywhere; }
  th { white-space: nowrap; overflow-wrap: normal; }
  td.number, th.number { text-align: end; font-variant-numeric: tabular-nums; }
  time { white-space: nowrap; }
  .state { display: inline-block; border: 1px solid; border-radius: .3rem; padding: 0 .35rem; font-size: .85rem; font-weight: 600; margin-inline-start: .4rem; }
  .toggle { inline-size: 2.25rem; padding: 0; }
  .toggle::before { content: "▸"; display: inline-block; }
  .toggle[aria-expanded="true"]::before { content: "▾"; }
  .opened > td { background: var(--soft); }
  dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .15rem 1rem; margin: 0; }
  dt { font-weight: 600; } dd { margin: 0; overflow-wrap: anywhere; }
  ul.tree { list-style: none; padding-inline-start: 1rem; margin: 0; }
  .key { font-weight: 600; }
  .alert { border: 2px solid; border-radius: .3rem; padding: .5rem .75rem; margin-block: .75rem; }
  progress { inline-size: 12rem; max-inline-size: 100%; }
  a { color: var(--accent); }
  .quiet { font-size: .9rem; }
  .sr { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
  @media (max-width: 40rem) {
    table.log thead { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); }
    table.log, table.log tbody, table.log tr, table.log td, table.log th[scope=row] { display: block; }
    table.log tr.row { border-block-end: 1px solid var(--line); padding-block: .4rem; }
    table.log td, table.log th[scope=row] { border: 0; padding: .1rem .2rem; font-weight: normal; }
    table.log td[data-label]::before { content: attr(data-label) " "; font-weight: 600; }
    dl { grid-template-columns: 1fr; }
  }
  @media print { form, .bar, .toggle, .exports, button { display: none !important; } }
`);

/** The language to show: the one wanted, else the browser's first that there is. @param {string | null} [wanted] */
export function language(wanted) {
  for (const tag of [wanted, ...navigator.languages]) {
    const primary = (tag ?? "").split("-")[0].toLowerCase();
    if (LANGUAGES.includes(primary)) return primary;
  }
  return "en";
}

/** The texts of a language. @param {string} locale @returns {Promise<Record<string, string>>} */
export async function messages(locale) {
  return (await fetch(new URL(`${locale}.json`, base))).json();
}

/**
 * An element with properties and children; texts become text nodes.
 * @param {string} tag @param {Record<string, any>} [properties] @param {...(Node | string | null | undefined)} children
 * @returns {any}
 */
function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  for (const child of children) if (child) element.append(child);
  return element;
}

/** An answer that is not a success. */
class Refusal extends Error {
  /** @param {number} status @param {any} problem */
  constructor(status, problem) {
    super(problem?.detail ?? String(status));
    this.status = status;
    this.trace = problem?.trace_id ?? "";
  }
}

const wait = (/** @type {number} */ ms) => new Promise((done) => setTimeout(done, ms));
const isObject = (/** @type {any} */ value) => value !== null && typeof value === "object" && !Array.isArray(value);
/** A calendar day as inputs write it. @param {Date} date */
const day = (date) => `${String(date.getFullYear()).padStart(4, "0")}-${String(date.getMonth() + 1).padStart(2, "0")}-${String(date.getDate()).padStart(2, "0")}`;

/** One calendar month before a day, on the month's last day where it is shorter. @param {Date} date */
function monthBefore(date) {
  const last = new Date(date.getFullYear(), date.getMonth(), 0).getDate();
  return new Date(date.getFullYear(), date.getMonth() - 1, Math.min(date.getDate(), last));
}

class ActivityLog extends HTMLElement {
  static observedAttributes = ["api", "partner", "locale", "subscriptions-url"];

  /** Gives a token, or null where there is none. @type {() => Promise<string | null>} */
  getToken = async () => null;

  /** @type {Record<string, string>} */ #text = {};
  /** @type {Record<string, string>} */ #labels = {};
  #locale = "en";
  #started = false;
  #shown = 0;
  /** @type {string | null} */ #cursor = null;
  /** Grows with every question: answers to earlier ones are dropped. */
  #round = 0;
  /** @type {Record<string, string>} */ #query = {};
  /** @type {Record<string, any>} */ #parts = {};

  constructor() {
    super();
    this.attachShadow({ mode: "open" }).adoptedStyleSheets = [styles];
  }

  connectedCallback() { this.#start(); }

  /** @param {string} _name @param {string | null} before @param {string | null} after */
  attributeChangedCallback(_name, before, after) {
    if (before !== after) this.#start();
  }

  /** Starts anew when everything needed is there; changes that come together start it once. */
  async #start() {
    if (this.#started || !this.isConnected || !this.hasAttribute("api") || !this.getAttribute("partner")) return;
    this.#started = true;
    await Promise.resolve();
    this.#started = false;
    this.#locale = language(this.getAttribute("locale"));
    const round = ++this.#round;
    this.#text = await messages(this.#locale);
    if (round !== this.#round) return;
    this.lang = this.#locale;
    this.#readQuery();
    this.#build();
    const labels = this.#call(`/v1/actions?locale=${this.#locale}`).catch(() => []);
    this.#labels = Object.fromEntries((await labels).map((/** @type {any} */ known) => [known.action, known.label]));
    if (round !== this.#round) return;
    await Promise.all([this.#load(true), this.#listExports()]);
  }

  // Texts

  /** @param {string} key @param {Record<string, any>} [values] */
  #t(key, values = {}) {
    return (this.#text[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
  }

  /** @param {string} key @param {number} count */
  #plural(key, count) {
    const form = new Intl.PluralRules(this.#locale).select(count);
    return this.#t(`${key}_${form === "one" ? "one" : "other"}`, { count: this.#number(count) });
  }

  /** @param {number} number */
  #number(number) { return new Intl.NumberFormat(this.#locale).format(number); }

  /** @param {string} instant @param {string} [zone] */
  #time(instant, zone = this.#zone) {
    const format = new Intl.DateTimeFormat(this.#locale, { dateStyle: "medium", timeStyle: "medium", timeZone: zone });
    return h("time", { datetime: instant }, format.format(new Date(instant)));
  }

  get #zone() { return this.#query.time_zone; }

  /** @param {any} error */
  #explain(error) {
    if (error instanceof Refusal) {
      if (this.#text[`error${error.status}`]) return this.#t(`error${error.status}`);
      return error.status >= 500 ? this.#t("error5", { trace: error.trace }) : this.#t("error", { reason: error.message });
    }
    return error instanceof TypeError ? this.#t("offline") : this.#t("error", { reason: error.message });
  }

  // The service

  /** @param {string} path @param {RequestInit} [options] */
  async #call(path, options = {}) {
    const token = await this.getToken();
    if (!token) {
      this.dispatchEvent(new CustomEvent("daybook-unauthorized", { bubbles: true, composed: true }));
      throw new Refusal(401, null);
    }
    const root = new URL(this.getAttribute("api") ?? ".", document.baseURI).href.replace(/\/$/, "");
    const headers = { ...options.headers, Authorization: `Bearer ${token}`, "Accept-Language": this.#locale };
    const response = await fetch(root + path, { ...options, headers });
    const body = response.headers.get("Content-Type")?.includes("json") ? await response.json() : null;
    if (response.ok) return body;
    if (response.status === 401) this.dispatchEvent(new CustomEvent("daybook-unauthorized", { bubbles: true, composed: true }));
    throw new Refusal(response.status, body);
  }

  get #partnerPath() { return `/v1/partners/${encodeURIComponent(this.getAttribute("partner") ?? "")}`; }

  // The question

  #readQuery() {
    const given = this.hasAttribute("url-state") ? new URLSearchParams(location.search) : new URLSearchParams();
    const today = new Date();
    const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const date = (/** @type {string | null} */ text, /** @type {Date} */ other) => (/^\d{4}-\d\d-\d\d$/.test(text ?? "") ? String(text) : day(other));
    this.#query = {
      from: date(given.get("from"), monthBefore(today)),
      to: date(given.get("to"), today),
      time_zone: given.get("tz") === "UTC" ? "UTC" : own,
      customer: given.get("customer") ?? "",
      q: given.get("q") ?? "",
    };
  }

  #writeQuery() {
    if (!this.hasAttribute("url-state")) return;
    const { from, to, time_zone: zone, customer, q } = this.#query;
    const kept = Object.entries({ from, to, tz: zone === "UTC" ? "UTC" : "", customer, q }).filter(([, value]) => value);
    history.replaceState(null, "", `${location.pathname}?${new URLSearchParams(kept)}`);
  }

  get #filters() { return Object.fromEntries(Object.entries(this.#query).filter(([, value]) => value)); }

  // The page

  #build() {
    const t = (/** @type {string} */ key) => this.#t(key);
    const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const field = (/** @type {string} */ name, /** @type {string} */ label, /** @type {any} */ input) => {
      input.name = name;
      return h("label", {}, label, input);
    };
    const input = (/** @type {string} */ name, /** @type {Record<string, any>} */ properties) => h("input", { ...properties, value: this.#query[name] });
    const zone = h("select", {}, h("option", { value: own }, this.#t("mine", { zone: own })), own === "UTC" ? null : h("option", { value: "UTC" }, "UTC"));
    zone.value = this.#zone;
    const form = h("form", { onsubmit: (/** @type {Event} */ event) => this.#submit(event) },
      field("from", t("from"), input("from", { type: "date", required: true })),
      field("to", t("to"), input("to", { type: "date", required: true })),
      field("time_zone", t("timeZone"), zone),
      field("customer", t("customerId"), input("customer", { type: "text", autocomplete: "off", maxlength: 128 })),
      field("q", t("search"), input("q", { type: "search", placeholder: t("searchHint"), maxlength: 256 })),
      h("button", { class: "primary" }, t("show")));
    const rows = h("tbody");
    const parts = {
      form, rows,
      caption: h("caption"),
      status: h("p", { role: "status", class: "quiet" }),
      alert: h("div", { role: "alert" }),
      more: h("button", { type: "button", hidden: true, onclick: () => this.#load(false) }, t("more")),
      exportStatus: h("p", { role: "status" }),
      exportBar: h("div", { class: "bar" }),
      exportButton: h("button", { type: "button", onclick: () => this.#export() }, t("export")),
      exports: h("div"),
    };
    this.#parts = parts;
    const columns = ["dateTime", "customer", "action", "user"].map((key) => h("th", { scope: "col" }, t(key)));
    /** @type {ShadowRoot} */ (this.shadowRoot).replaceChildren(
      h("h1", {}, t("title")), form, parts.alert,
      h("table", { class: "log" }, parts.caption,
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, h("span", { class: "sr" }, t("details"))), ...columns)), rows),
      parts.status, h("div", { class: "bar" }, parts.more),
      h("section", { class: "exports", "aria-labelledby": "exports-title" },
        h("h2", { id: "exports-title" }, t("exports")),
        h("p", { class: "quiet", id: "export-hint" }, t("exportHint")),
        h("div", { class: "bar" }, parts.exportButton, h("button", { type: "button", onclick: () => this.#listExports() }, t("refresh"))),
        parts.exportStatus, parts.exportBar, parts.exports));
    parts.exportButton.setAttribute("aria-describedby", "export-hint");
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const data = new FormData(this.#parts.form);
    for (const name of Object.keys(this.#query)) this.#query[name] = String(data.get(name) ?? "").trim();
    this.#writeQuery();
    this.#load(true);
  }

  /** @param {HTMLElement} place @param {any} error @param {() => void} again */
  #alert(place, error, again) {
    if (error instanceof Refusal && error.status === 401) return;
    place.replaceChildren(h("div", { class: "alert" }, h("p", {}, this.#explain(error)),
      h("button", { type: "button", onclick: () => { place.replaceChildren(); again(); } }, this.#t("retry"))));
  }

  // The list

  /** Shows the first page of the question, or the next one. @param {boolean} anew */
  async #load(anew) {
    const { rows, status, alert, more, caption } = this.#parts;
    const round = anew ? ++this.#round : this.#round;
    if (anew) {
      this.#cursor = null;
      this.#shown = 0;
      rows.replaceChildren();
      caption.textContent = this.#t("caption", { zone: this.#zone });
    }
    alert.replaceChildren();
    more.disabled = true;
    status.textContent = this.#t("loading");
    try {
      // A page may be empty and still have a next one: a filter that matches little is a matter of several requests.
      let added = 0;
      do {
        const parameters = new URLSearchParams(this.#filters);
        if (this.#cursor) parameters.set("cursor", this.#cursor);
        const page = await this.#call(`${this.#partnerPath}/activities?${parameters}`);
        if (round !== this.#round) return;
        const first = rows.childElementCount;
        rows.append(...page.activities.map((/** @type {any} */ activity) => this.#row(activity)));
        added += page.activities.length;
        this.#shown += page.activities.length;
        this.#cursor = page.next_cursor;
        // The button goes away at the end: the focus moves to the first of the new rows.
        if (!anew && page.activities.length > 0 && added === page.activities.length) rows.children[first]?.querySelector("button")?.focus();
        if (this.#cursor && added < 50) status.textContent = this.#t("stillLoading", { count: this.#number(this.#shown) });
      } while (this.#cursor && added < 50);
      const count = this.#plural("shown", this.#shown);
      status.textContent = this.#shown === 0 ? this.#t("none") : this.#cursor ? `${count}, ${this.#t("andMore")}.` : `${count}.`;
    } catch (error) {
      if (round !== this.#round) return;
      status.textContent = "";
      this.#alert(alert, error, () => this.#load(anew));
    } finally {
      if (round === this.#round) {
        more.hidden = !this.#cursor;
        more.disabled = false;
      }
    }
  }

  /** @param {any} activity */
  #row(activity) {
    const label = this.#labels[activity.action] ?? activity.action;
    const time = this.#time(activity.occurred_at);
    const toggle = h("button", {
      type: "button", class: "toggle", "aria-expanded": "false",
      "aria-label": this.#t("showDetails", { action: label, time: time.textContent }),
      onclick: () => this.#toggle(row, toggle, activity),
    });
    const state = activity.status === "succeeded" ? null : h("span", { class: "state" }, this.#t(activity.status));
    const cell = (/** @type {string} */ key, /** @type {any[]} */ ...children) => h("td", { "data-label": this.#t(key) }, ...children);
    const row = h("tr", { class: "row" },
      h("td", {}, toggle), cell("dateTime", time), cell("customer", ...this.#customer(activity.customer)),
      cell("action", label, state), cell("user", activity.actor.name ?? activity.actor.id));
    return row;
  }

  /** @param {any} customer */
  #customer(customer) {
    if (!customer) return [this.#t("noCustomer")];
    const name = customer.name ?? customer.id;
    const link = this.#subscriptions(customer.id, null);
    return link ? [name, " ", h("a", { href: link, "aria-label": this.#t("subscriptionsOf", { customer: name }), class: "quiet" }, this.#t("subscriptions"))] : [name];
  }

  /** Where a customer's subscriptions are, if the portal says so. @param {string} customer @param {string | null} subscription */
  #subscriptions(customer, subscription) {
    const pattern = this.getAttribute("subscriptions-url") ?? "";
    if (!/^https?:\/\//i.test(pattern)) return null;
    const link = pattern.replaceAll("{customer}", encodeURIComponent(customer));
    return subscription ? `${link}#${encodeURIComponent(subscription)}` : link;
  }

  /** @param {HTMLElement} row @param {HTMLElement} toggle @param {any} activity */
  async #toggle(row, toggle, activity) {
    const open = toggle.getAttribute("aria-expanded") !== "true";
    toggle.setAttribute("aria-expanded", String(open));
    if (!open) {
      row.nextElementSibling?.remove();
      return;
    }
    const place = h("td", { colspan: "5" }, this.#t("loading"));
    row.after(h("tr", { class: "opened" }, place));
    const fetchDetails = async () => {
      try {
        const whole = activity.has_details ? await this.#call(activity.url) : activity;
        place.replaceChildren(...this.#details(whole));
      } catch (error) {
        this.#alert(place, error, fetchDetails);
      }
    };
    await fetchDetails();
  }

  /** @param {any} activity */
  #details(activity) {
    const { actor, target, details = {}, changes = [] } = activity;
    const { lines, ...others } = isObject(details) ? details : {};
    const facts = [
      ["status", this.#t(activity.status)],
      ["user", [actor.name, actor.id].filter(Boolean).join(" · ")],
      ["role", actor.role], ["address", actor.ip], ["agent", actor.user_agent],
      ["target", target && [target.type, target.name, target.id].filter(Boolean).join(" · ")],
      ["occurredAt", activity.occurred_at], ["recordedAt", this.#time(activity.recorded_at)],
      ["correlation", activity.correlation_id], ["source", activity.source], ["activityId", activity.id],
    ];
    const parts = [h("dl", {}, ...facts.filter(([, value]) => value).flatMap(([key, value]) => [h("dt", {}, this.#t(key)), h("dd", {}, value)]))];
    if (changes.length > 0) {
      parts.push(h("h3", {}, this.#t("changes")), this.#table(["field", "before", "after"].map((key) => this.#t(key)),
        changes.map((/** @type {any} */ change) => [change.field, this.#value(change.old), this.#value(change.new)])));
    }
    const isTable = Array.isArray(lines) && lines.length > 0 && lines.every(isObject);
    if (isTable) parts.push(h("h3", {}, this.#t("lines")), this.#lines(lines, activity.customer?.id));
    const rest = isTable ? others : details;
    if (Object.keys(rest).length > 0) parts.push(h("h3", {}, this.#t("other")), this.#value(rest));
    const copied = h("span", { role: "status" });
    parts.push(h("div", { class: "bar" }, h("button", {
      type: "button",
      onclick: () => navigator.clipboard.writeText(JSON.stringify(activity, null, 2))
        .then(() => { copied.textContent = this.#t("copied"); }, () => { copied.textContent = this.#t("copyFailed"); }),
    }, this.#t("copy")), copied));
    return parts;
  }

  /** @param {string[]} head @param {any[][]} body @param {any} [foot] */
  #table(head, body, foot) {
    return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": head.join(", ") }, h("table", {},
      h("thead", {}, h("tr", {}, ...head.map((title) => h("th", { scope: "col" }, title)))),
      h("tbody", {}, ...body.map((row) => h("tr", {}, ...row.map((cell) => (cell instanceof HTMLTableCellElement ? cell : h("td", {}, cell)))))),
      foot));
  }

  /** An order's lines, with the sum of each currency. @param {any[]} lines @param {string | undefined} customer */
  #lines(lines, customer) {
    const keys = [...new Set(lines.flatMap((line) => Object.keys(line)))];
    /** @type {Record<string, number>} */ const sums = {};
    for (const line of lines) {
      const sum = Number(line.quantity) * Number(line.unit_price);
      if (line.currency && Number.isFinite(sum)) sums[line.currency] = (sums[line.currency] ?? 0) + sum;
    }
    const cell = (/** @type {any} */ line, /** @type {string} */ key) => {
      const value = line[key];
      const link = key === "subscription_id" && customer && typeof value === "string" ? this.#subscriptions(customer, value) : null;
      if (link) return h("td", {}, h("a", { href: link }, value));
      return h("td", { class: typeof value === "number" || key === "unit_price" ? "number" : null }, value === undefined ? "" : this.#value(value));
    };
    const totals = Object.entries(sums).map(([currency, sum]) => this.#money(sum, currency)).join(" + ");
    const foot = totals ? h("tfoot", {}, h("tr", {}, h("th", { scope: "row", colspan: String(keys.length) }, `${this.#t("total")} : ${totals}`))) : null;
    return this.#table(keys, lines.map((line) => keys.map((key) => cell(line, key))), foot);
  }

  /** @param {number} amount @param {string} currency */
  #money(amount, currency) {
    try {
      return new Intl.NumberFormat(this.#locale, { style: "currency", currency }).format(amount);
    } catch {
      return `${this.#number(amount)} ${currency}`;
    }
  }

  /** Any JSON as a readable tree. @param {any} value @returns {Node | string} */
  #value(value) {
    if (value === null || value === undefined || value === "") return this.#t("empty");
    if (typeof value === "boolean") return this.#t(value ? "yes" : "no");
    if (typeof value !== "object") return String(value);
    const entries = Object.entries(value);
    if (entries.length === 0) return this.#t("empty");
    return h("ul", { class: "tree" }, ...entries.map(([key, inner]) => h("li", {}, h("span", { class: "key" }, key), " ", this.#value(inner))));
  }

  // Exports

  async #export() {
    const { exportStatus, exportBar, exportButton } = this.#parts;
    exportButton.disabled = true;
    exportBar.replaceChildren();
    const bar = h("progress", { max: "1", value: "0", "aria-label": this.#t("export") });
    try {
      let job = await this.#call(`${this.#partnerPath}/exports`, {
        method: "POST", headers: { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() },
        body: JSON.stringify({ ...this.#filters, format: "csv", locale: this.#locale }),
      });
      exportBar.replaceChildren(bar);
      for (let pause = 300; job.status === "pending" || job.status === "running"; pause = Math.min(pause * 1.5, 5_000)) {
        bar.value = job.progress.fraction;
        exportStatus.textContent = this.#t("exporting", { rows: this.#number(job.progress.rows) });
        await wait(pause);
        job = await this.#call(`${this.#partnerPath}/exports/${encodeURIComponent(job.id)}`);
      }
      if (job.status !== "ready") throw new Error(job.problem ?? job.status);
      exportStatus.textContent = this.#t("exportReady", { rows: this.#number(job.progress.rows) });
      exportBar.replaceChildren(...this.#downloads(job));
      exportBar.querySelector("button")?.focus();
    } catch (error) {
      exportStatus.textContent = "";
      this.#alert(exportBar, error, () => this.#export());
    } finally {
      exportButton.disabled = false;
    }
    await this.#listExports();
  }

  /** A button a file: the link is asked for at the click, since it lives for minutes only. @param {any} job */
  #downloads(job) {
    return job.files.map((/** @type {any} */ file) => h("button", {
      type: "button",
      onclick: async (/** @type {any} */ event) => {
        const place = event.target.parentElement;
        try {
          const path = `${this.#partnerPath}/exports/${encodeURIComponent(job.id)}/files/${encodeURIComponent(file.name)}`;
          const { url } = await this.#call(`${path}?redirect=false`);
          const link = h("a", { href: url, download: file.name });
          link.click();
        } catch (error) {
          place.append(h("span", { role: "alert" }, this.#explain(error)));
        }
      },
    }, this.#t("download", { name: file.name })));
  }

  /** @param {string | null} [cursor] */
  async #listExports(cursor = null) {
    const { exports: place } = this.#parts;
    const round = this.#round;
    try {
      const list = await this.#call(`${this.#partnerPath}/exports?limit=20${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
      if (place !== this.#parts.exports || (cursor && round !== this.#round)) return;
      const head = ["made", "by", "period", "status", "rows", "size", "files"].map((key) => this.#t(key));
      const rows = list.exports.map((/** @type {any} */ job) => this.#exportRow(job));
      const more = list.next_cursor ? h("button", { type: "button", onclick: (/** @type {any} */ event) => { event.target.remove(); this.#listExports(list.next_cursor); } }, this.#t("moreExports")) : null;
      const table = rows.length ? this.#table(head, rows) : h("p", { class: "quiet" }, this.#t("noExports"));
      if (cursor) place.append(table, more ?? "");
      else place.replaceChildren(table, more ?? "");
    } catch (error) {
      this.#alert(place, error, () => this.#listExports(cursor));
    }
  }

  /** @param {any} job */
  #exportRow(job) {
    const format = new Intl.DateTimeFormat(this.#locale, { dateStyle: "medium", timeZone: job.range.time_zone });
    const last = new Date(new Date(job.range.to).getTime() - 1);
    const bytes = job.files.reduce((/** @type {number} */ sum, /** @type {any} */ file) => sum + file.bytes, 0);
    return [
      this.#time(job.created_at), job.kind === "monthly" ? this.#t("monthly") : job.created_by,
      `${format.format(new Date(job.range.from))} – ${format.format(last)}`, this.#t(job.status),
      h("td", { class: "number" }, this.#number(job.progress.rows)), h("td", { class: "number" }, bytes ? this.#size(bytes) : ""),
      h("td", {}, ...this.#downloads(job)),
    ];
  }

  /** @param {number} bytes */
  #size(bytes) {
    const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
    const power = Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
    return new Intl.NumberFormat(this.#locale, { style: "unit", unit: units[power], maximumSignificantDigits: 3 }).format(bytes / 1000 ** power);
  }
}

customElements.define("activity-log", ActivityLog);
