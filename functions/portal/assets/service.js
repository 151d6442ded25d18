// Calls the API for one partner.

/** An answer that is not a success. */
export class ApiError extends Error {
  /** @param {number} status @param {any} problem a problem document (RFC 9457), if there was one */
  constructor(status, problem) {
    super(problem?.detail ?? "");
    this.status = status;
    /** The id of the request in the service's logs. */
    this.trace = String(problem?.trace_id ?? "");
    /** The refused fields. @type {{pointer: string, detail: string}[]} */
    this.errors = Array.isArray(problem?.errors) ? problem.errors : [];
  }
}

/** A request without an answer. */
export class NetworkError extends Error {}

/**
 * Parses JSON without losing digits. In browsers with `JSON.rawJSON`, a number that JavaScript would write differently stays as
 * it was sent.
 * @param {string} text
 */
export function parseExactly(text) {
  const { rawJSON } = /** @type {any} */ (JSON);
  // Plain parsing if all numbers are small and whole, because a reviver takes many times as long.
  if (!rawJSON || !/(?:"\s*:|[[,])\s*(?:-0|-?\d+[.eE]|-?\d{16})/.test(text)) return JSON.parse(text);
  return JSON.parse(text, /** @type {any} */ ((/** @type {string} */ _key, /** @type {any} */ value, /** @type {{source?: string}} */ context) =>
    (typeof value === "number" && context.source !== undefined && String(value) !== context.source ? rawJSON(context.source) : value)));
}

/** Returns a number's digits as they were sent, or null for anything else. @param {any} value @returns {string | null} */
export function digits(value) {
  if (typeof value === "number") return String(value);
  return /** @type {any} */ (JSON).isRawJSON?.(value) ? value.rawJSON : null;
}

/** Reads the claims of a token that is a JWT. The service verifies the token; the page only decides by it what to send and to offer. @param {string} token @returns {Record<string, any>} */
export function claimsOf(token) {
  try {
    const bytes = Uint8Array.from(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    // Tokens of other forms are for the issuer alone.
    return {};
  }
}

/** The scope of the operator. */
const OPERATOR = "daybook/operate";
/** The role and the scope that may see who read what and what is kept, by their names in a token. */
const OVERSEERS = ["global_admin", OPERATOR];
/** The same of those that may save the schedule and streams. */
const MANAGERS = [...OVERSEERS, "admin_agent", "billing_admin"];

/** A value with the number of its activities. @typedef {{value: string | null, name?: string | null, count: number}} Count */
/**
 * @typedef {{
 *   range: {from: string, to: string, time_zone: string}, total: number,
 *   buckets?: {from: string, to: string, counts: Record<string, number>}[], by?: Record<string, Count[]>,
 *   complete: boolean, next_cursor: string | null,
 * }} Counts
 */

/**
 * `customersClaim` is the claim that limits a person to some customers, empty if the installation has none; `unauthorized` is called
 * when the token is missing or no longer valid.
 * @typedef {{
 *   root: string, partner: string, locale: string, signal: AbortSignal, customersClaim: string,
 *   token: () => Promise<string | null | undefined>, unauthorized: () => void,
 * }} ServiceOptions
 */

export class Service {
  #options;
  #root;
  #partner;
  #locale;
  #token;
  #unauthorized;
  #list;

  /** @param {ServiceOptions} options @param {"activities" | "audit"} [list] what `activities` lists */
  constructor(options, list = "activities") {
    const { root, partner, locale, token, signal, unauthorized } = options;
    this.#options = options;
    this.#root = root.replace(/\/$/, "");
    this.#partner = `/v1/partners/${encodeURIComponent(partner)}`;
    this.#locale = locale;
    this.#token = token;
    this.#unauthorized = unauthorized;
    this.#list = list;
    /** Aborts when nobody waits for answers any more. */
    this.signal = signal;
  }

  /** The same service, with the partner's audit in place of its activities. */
  get ofAudit() { return new Service(this.#options, "audit"); }

  /**
   * What the token allows, as far as the page can tell. The service decides. The page does not ask for what the service would refuse,
   * because refusals are recorded.
   * @returns {Promise<{isRestricted: boolean, mayManage: boolean, mayOversee: boolean}>} `isRestricted` says that the person sees some customers only
   */
  async rights() {
    const { customersClaim } = this.#options;
    const claims = claimsOf(await this.#token() ?? "");
    const granted = Object.values(claims).flat().flatMap((each) => (typeof each === "string" ? each.split(/[\s,]+/) : []));
    const customers = [claims[customersClaim] ?? []].flat().join(" ").split(/\s+/);
    const isRestricted = customersClaim !== "" && !granted.includes(OPERATOR) && !customers.includes("*");
    const [mayManage, mayOversee] = [MANAGERS, OVERSEERS].map((names) => !isRestricted && names.some((each) => granted.includes(each)));
    return { isRestricted, mayManage, mayOversee };
  }

  /** Reads the catalogue of actions. @param {string} [locale] @returns {Promise<import("./context.js").KnownAction[]>} */
  actions(locale = this.#locale) { return this.#call(`/v1/actions?${new URLSearchParams({ locale, ...(this.#list === "audit" && { log: "audit" }) })}`); }

  /** Lists a page of activities, or of the audit. @param {URLSearchParams} parameters @param {AbortSignal} stop */
  activities(parameters, stop) { return this.#call(`${this.#partner}/${this.#list}?${parameters}`, { signal: AbortSignal.any([stop, this.signal]) }, parseExactly); }

  /**
   * Counts activities. One call reads a bounded amount; `next_cursor` goes on.
   * @param {URLSearchParams} parameters @param {AbortSignal} stop
   * @returns {Promise<Counts>}
   */
  async counts(parameters, stop) {
    // The audit is not counted.
    if (this.#list !== "activities") throw new ApiError(404, null);
    return this.#call(`${this.#partner}/counts?${parameters}`, { signal: AbortSignal.any([stop, this.signal]) });
  }

  /** Reads an activity with its details. @param {string} url from the list */
  activity(url) { return this.#call(url, {}, parseExactly); }

  /** Requests a download link to details that are too large for an answer. @param {string} url from the activity @returns {Promise<{url: string}>} */
  detailsFile(url) { return this.#call(`${url}&redirect=false`); }

  /** Requests an export. The same key again returns the first export. @param {object} request @param {string} key */
  startExport(request, key) {
    return this.write("POST", "exports", request, { "Idempotency-Key": key });
  }

  /** @param {string} id */
  export(id) { return this.read(`exports/${encodeURIComponent(id)}`); }

  /** Cancels an export. @param {string} id @returns {Promise<null>} */
  cancelExport(id) { return this.write("DELETE", `exports/${encodeURIComponent(id)}`); }

  /** Reads the monthly schedule, or null. @returns {Promise<any>} */
  schedule() {
    return this.read("export-schedule").catch((error) => {
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    });
  }

  /** @param {object} schedule */
  saveSchedule(schedule) { return this.write("PUT", "export-schedule", schedule); }

  /** Lists a page of exports of a kind, newest first. @param {"on_demand" | "monthly"} kind @param {string | null} cursor */
  exports(kind, cursor) {
    return this.read(`exports?${new URLSearchParams({ kind, limit: "20", ...(cursor ? { cursor } : {}) })}`);
  }

  /** Requests a download link, which is valid for minutes. @param {string} id @param {string} name @returns {Promise<{url: string}>} */
  file(id, name) {
    return this.read(`exports/${encodeURIComponent(id)}/files/${encodeURIComponent(name)}?redirect=false`);
  }

  /** Reads something of the partner's, such as `holds`. @param {string} path */
  read(path) { return this.#call(`${this.#partner}/${path}`); }

  /** Creates, changes or removes something of the partner's. @param {"POST" | "PUT" | "PATCH" | "DELETE"} method @param {string} path @param {object} [body] @param {Record<string, string>} [headers] */
  write(method, path, body, headers = {}) {
    return this.#call(`${this.#partner}/${path}`, { method, headers: { ...(body && { "Content-Type": "application/json" }), ...headers }, body: JSON.stringify(body) });
  }

  /** @param {string} path @param {RequestInit} [options] @param {(text: string) => any} [parse] */
  async #call(path, options = {}, parse = JSON.parse) {
    const token = await this.#token();
    this.signal.throwIfAborted();
    if (!token) {
      this.#unauthorized();
      throw new ApiError(401, null);
    }
    const headers = { ...options.headers, Authorization: `Bearer ${token}`, "Accept-Language": this.#locale };
    let response, text;
    try {
      // Not cached, because answers are private, and the browser would repeat a 410 without asking.
      response = await fetch(this.#root + path, { ...options, headers, cache: "no-store", signal: options.signal ?? this.signal });
      text = await response.text();
    } catch (error) {
      (options.signal ?? this.signal).throwIfAborted();
      throw new NetworkError("", { cause: error });
    }
    const isJson = response.headers.get("Content-Type")?.includes("json") ?? false;
    if (response.status === 204) return null;
    if (response.ok && isJson) return parse(text);
    if (response.status === 401) this.#unauthorized();
    let problem = null;
    try {
      problem = isJson ? JSON.parse(text) : null;
    } catch { /* A proxy's broken JSON adds nothing to the status. */ }
    // 502, because a success without JSON does not come from this service.
    throw new ApiError(response.ok ? 502 : response.status, problem);
  }
}
