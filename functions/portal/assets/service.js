// Calls the service, as one partner's reader.

/** The service said no. */
export class Refusal extends Error {
  /** @param {number} status @param {any} problem a problem document (RFC 9457), if there was one */
  constructor(status, problem) {
    super(problem?.detail ?? "");
    this.status = status;
    /** Finds the request in the service's log. */
    this.trace = String(problem?.trace_id ?? "");
  }
}

/** Nothing answered. */
export class Unreachable extends Error {}

/**
 * Reads JSON without losing digits: numbers that a binary one cannot hold, or would write in another way, stay as they were
 * sent, where the browser can do that.
 * @param {string} text
 */
export function parseExactly(text) {
  const { rawJSON } = /** @type {any} */ (JSON);
  // Mostly all numbers are small and whole: then nothing has to look at each value, which takes many times as long.
  if (!rawJSON || !/(?:"\s*:|[[,])\s*(?:-0|-?\d+[.eE]|-?\d{16})/.test(text)) return JSON.parse(text);
  return JSON.parse(text, /** @type {any} */ ((/** @type {string} */ _key, /** @type {any} */ value, /** @type {{source?: string}} */ context) =>
    (typeof value === "number" && context.source !== undefined && String(value) !== context.source ? rawJSON(context.source) : value)));
}

/** The text of a number, with the digits that were sent; of anything else, null. @param {any} value @returns {string | null} */
export function digits(value) {
  if (typeof value === "number") return String(value);
  return /** @type {any} */ (JSON).isRawJSON?.(value) ? value.rawJSON : null;
}

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
   * }} options `unauthorized` is told when there is no token, or one that is not good any more
   */
  constructor({ root, partner, locale, token, signal, unauthorized }) {
    this.#root = root.replace(/\/$/, "");
    this.#partner = `/v1/partners/${encodeURIComponent(partner)}`;
    this.#locale = locale;
    this.#token = token;
    this.#unauthorized = unauthorized;
    /** Ends when nobody waits for answers any more. */
    this.signal = signal;
  }

  /** @returns {Promise<{action: string, category: string, label: string}[]>} */
  actions() { return this.#call(`/v1/actions?locale=${this.#locale}`); }

  /** A page of activities. @param {URLSearchParams} parameters @param {AbortSignal} stop */
  activities(parameters, stop) { return this.#call(`${this.#partner}/activities?${parameters}`, { signal: AbortSignal.any([stop, this.signal]) }, parseExactly); }

  /** A whole activity. @param {string} url as the list gives it */
  activity(url) { return this.#call(url, {}, parseExactly); }

  /** Asks for an export; the same key again answers the first one. @param {object} request @param {string} key */
  startExport(request, key) {
    return this.#call(`${this.#partner}/exports`, {
      method: "POST", headers: { "Content-Type": "application/json", "Idempotency-Key": key }, body: JSON.stringify(request),
    });
  }

  /** @param {string} id */
  export(id) { return this.#call(`${this.#partner}/exports/${encodeURIComponent(id)}`); }

  /** Gives up an export. @param {string} id @returns {Promise<null>} */
  cancelExport(id) { return this.#call(`${this.#partner}/exports/${encodeURIComponent(id)}`, { method: "DELETE" }); }

  /** The monthly schedule; null where there is none. @returns {Promise<any>} */
  schedule() {
    return this.#call(`${this.#partner}/export-schedule`).catch((error) => {
      if (error instanceof Refusal && error.status === 404) return null;
      throw error;
    });
  }

  /** @param {object} schedule */
  saveSchedule(schedule) {
    return this.#call(`${this.#partner}/export-schedule`, { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify(schedule) });
  }

  /** The secret that signs the schedule's webhooks. @returns {Promise<{secret: string, created_at: string, previous_valid_until: string | null}>} */
  secret() { return this.#call(`${this.#partner}/export-schedule/secret`); }

  /** Puts a new secret in its place. @returns {ReturnType<Service["secret"]>} */
  replaceSecret() { return this.#call(`${this.#partner}/export-schedule/secret`, { method: "POST" }); }

  /** @param {string | null} cursor */
  exports(cursor) {
    return this.#call(`${this.#partner}/exports?${new URLSearchParams({ limit: "20", ...(cursor ? { cursor } : {}) })}`);
  }

  /** Where a file is for the next minutes. @param {string} id @param {string} name @returns {Promise<{url: string}>} */
  file(id, name) {
    return this.#call(`${this.#partner}/exports/${encodeURIComponent(id)}/files/${encodeURIComponent(name)}?redirect=false`);
  }

  /** @param {string} path @param {RequestInit} [options] @param {(text: string) => any} [parse] */
  async #call(path, options = {}, parse = JSON.parse) {
    const token = await this.#token();
    this.signal.throwIfAborted();
    if (!token) {
      this.#unauthorized();
      throw new Refusal(401, null);
    }
    const headers = { ...options.headers, Authorization: `Bearer ${token}`, "Accept-Language": this.#locale };
    let response, text;
    try {
      // Nothing of it belongs into the browser's cache, which would also answer a 410 again without asking.
      response = await fetch(this.#root + path, { ...options, headers, cache: "no-store", signal: options.signal ?? this.signal });
      text = await response.text();
    } catch (error) {
      (options.signal ?? this.signal).throwIfAborted();
      throw new Unreachable("", { cause: error });
    }
    const isJson = response.headers.get("Content-Type")?.includes("json") ?? false;
    if (response.status === 204) return null;
    if (response.ok && isJson) return parse(text);
    if (response.status === 401) this.#unauthorized();
    let problem = null;
    try {
      problem = isJson ? JSON.parse(text) : null;
    } catch { /* A proxy's idea of JSON says no more than the status. */ }
    // An answer that is no JSON is not this service's, whatever its status says.
    throw new Refusal(response.ok ? 502 : response.status, problem);
  }
}
