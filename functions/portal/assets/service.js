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

/** A value with the number of its activities. @typedef {{value: string | null, name?: string | null, count: number}} Count */
/**
 * @typedef {{
 *   range: {from: string, to: string, time_zone: string}, total: number,
 *   buckets?: {from: string, to: string, counts: Record<string, number>}[], by?: Record<string, Count[]>,
 *   complete: boolean, next_cursor: string | null,
 * }} Counts
 */

export class Service {
  #root;
  #partner;
  #locale;
  #token;
  #unauthorized;

  /**
   * @param {{
   *   root: string, partner: string, locale: string, signal: AbortSignal,
   *   token: () => Promise<string | null | undefined>, unauthorized: () => void,
   * }} options `unauthorized` is called when the token is missing or no longer valid
   */
  constructor({ root, partner, locale, token, signal, unauthorized }) {
    this.#root = root.replace(/\/$/, "");
    this.#partner = `/v1/partners/${encodeURIComponent(partner)}`;
    this.#locale = locale;
    this.#token = token;
    this.#unauthorized = unauthorized;
    /** Aborts when nobody waits for answers any more. */
    this.signal = signal;
  }

  /** Reads the catalogue of actions. @param {string} [locale] @returns {Promise<{action: string, category: string, label: string}[]>} */
  actions(locale = this.#locale) { return this.#call(`/v1/actions?locale=${encodeURIComponent(locale)}`); }

  /** Lists a page of activities. @param {URLSearchParams} parameters @param {AbortSignal} stop */
  activities(parameters, stop) { return this.#call(`${this.#partner}/activities?${parameters}`, { signal: AbortSignal.any([stop, this.signal]) }, parseExactly); }

  /**
   * Counts activities. One call reads a bounded amount; `next_cursor` goes on.
   * @param {URLSearchParams} parameters @param {AbortSignal} stop
   * @returns {Promise<Counts>}
   */
  counts(parameters, stop) { return this.#call(`${this.#partner}/counts?${parameters}`, { signal: AbortSignal.any([stop, this.signal]) }); }

  /** Reads an activity with its details. @param {string} url from the list */
  activity(url) { return this.#call(url, {}, parseExactly); }

  /** Requests a download link to details that are too large for an answer. @param {string} url from the activity @returns {Promise<{url: string}>} */
  detailsFile(url) { return this.#call(`${url}&redirect=false`); }

  /** Requests an export. The same key again returns the first export. @param {object} request @param {string} key */
  startExport(request, key) {
    return this.#call(`${this.#partner}/exports`, {
      method: "POST", headers: { "Content-Type": "application/json", "Idempotency-Key": key }, body: JSON.stringify(request),
    });
  }

  /** @param {string} id */
  export(id) { return this.#call(`${this.#partner}/exports/${encodeURIComponent(id)}`); }

  /** Cancels an export. @param {string} id @returns {Promise<null>} */
  cancelExport(id) { return this.#call(`${this.#partner}/exports/${encodeURIComponent(id)}`, { method: "DELETE" }); }

  /** Reads the monthly schedule, or null. @returns {Promise<any>} */
  schedule() {
    return this.#call(`${this.#partner}/export-schedule`).catch((error) => {
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    });
  }

  /** @param {object} schedule */
  saveSchedule(schedule) {
    return this.#call(`${this.#partner}/export-schedule`, { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify(schedule) });
  }

  /** Reads the secret that signs the schedule's webhooks. @returns {Promise<{secret: string, created_at: string, previous_valid_until: string | null}>} */
  secret() { return this.#call(`${this.#partner}/export-schedule/secret`); }

  /** Replaces the secret. @returns {ReturnType<Service["secret"]>} */
  replaceSecret() { return this.#call(`${this.#partner}/export-schedule/secret`, { method: "POST" }); }

  /** Lists a page of exports of a kind, newest first. @param {"on_demand" | "monthly"} kind @param {string | null} cursor */
  exports(kind, cursor) {
    return this.#call(`${this.#partner}/exports?${new URLSearchParams({ kind, limit: "20", ...(cursor ? { cursor } : {}) })}`);
  }

  /** Requests a download link, which is valid for minutes. @param {string} id @param {string} name @returns {Promise<{url: string}>} */
  file(id, name) {
    return this.#call(`${this.#partner}/exports/${encodeURIComponent(id)}/files/${encodeURIComponent(name)}?redirect=false`);
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
