// The monthly schedule: its form, latest results, deliveries, and the secret that signs webhooks. A role that may not see the
// schedule sees which roles may.

import { cardTable, cell, h, isBusy, name, setBusy, moveFocusTo } from "./elements.js";
import { ApiError } from "./service.js";

/** @typedef {import("./language.js").Words} Words */

/**
 * Shows the schedule in a place.
 * @param {{
 *   place: HTMLElement, service: import("./service.js").Service, words: import("./language.js").Words, partnerZone: string,
 *   showError: (place: HTMLElement, error: unknown, again: () => void) => void,
 * }} host `partnerZone` is the time zone of a new schedule
 */
export async function scheduleForm(host) {
  const { place, service, words, showError } = host;
  place.replaceChildren(h("p", { role: "status" }, words.say("loading")));
  try {
    show(host, await service.schedule());
  } catch (error) {
    if (service.signal.aborted) return;
    if (error instanceof ApiError && error.status === 403) place.replaceChildren(h("p", {}, words.say("scheduleDenied")));
    else showError(place, error, () => scheduleForm(host));
  }
}

/** @param {Parameters<typeof scheduleForm>[0]} host @param {any} saved */
function show(host, saved) {
  const { place, service, words, partnerZone, showError } = host;
  const say = (/** @type {string} */ key) => words.say(key);
  const field = (/** @type {string} */ key, /** @type {Node} */ input) => h("label", { class: "field" }, h("span", {}, say(key)), input);
  const choice = (/** @type {string} */ name, /** @type {string} */ chosen, /** @type {[string, string][]} */ options) =>
    h("select", { name }, ...options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)));
  const zone = saved?.time_zone ?? partnerZone;
  const zones = [...new Set([zone, ...Intl.supportedValuesOf("timeZone"), "UTC"])].map((each) => /** @type {[string, string]} */ ([each, each]));
  const notify = (saved?.notify ?? []).map((/** @type {any} */ each) => (typeof each === "string" ? each : each.to ?? each.url ?? ""));
  const outcome = h("p", { role: "status" });
  const trouble = h("div", { role: "alert" });
  const button = h("button", { class: "primary" }, say("save"));
  const nextRun = saved?.enabled && saved.next_run_at
    ? words.say("scheduleNext", { month: words.month(saved.next_month), time: words.time(saved.next_run_at, zone) }) : say("scheduleOff");
  const form = h("form", { novalidate: true, "aria-label": say("scheduleTitle"), onsubmit: save },
    h("label", { class: "check" }, h("input", { type: "checkbox", name: "enabled", checked: saved?.enabled ?? false }), say("scheduleEnabled")),
    field("timeZone", choice("time_zone", zone, zones)),
    field("scheduleFrom", h("input", { type: "month", name: "from", value: saved?.from ?? "" })),
    field("formatLabel", choice("format", saved?.format ?? "csv", [["csv", say("format_csv")], ["xlsx", say("format_xlsx")], ["jsonl", say("format_jsonl")]])),
    field("fileLanguage", choice("locale", saved?.locale ?? words.locale, [["en", say("language_en")], ["fr", say("language_fr")]])),
    h("label", { class: "check" }, h("input", { type: "checkbox", name: "gzip", checked: saved?.compression === "gzip" }), say("gzip")),
    h("label", { class: "field notify" }, h("span", {}, say("scheduleNotify")),
      h("textarea", { name: "notify", rows: "2", spellcheck: "false", "aria-describedby": "notify-hint" }, notify.join("\n"))),
    h("p", { class: "quiet", id: "notify-hint" }, say("scheduleNotifyHint")),
    h("div", { class: "buttons" }, button, outcome), trouble);
  place.replaceChildren(h("p", { class: "quiet" }, say("scheduleIntro")), h("p", { class: "next-run" }, nextRun), form,
    ...(notify.some((/** @type {string} */ each) => /^https?:/.test(each)) ? [secretSection(host)] : []),
    ...(saved?.results.length > 0 ? [h("h3", {}, say("results")), results(words, saved.results, zone)] : []));

  /** @param {Event} [event] */
  async function save(event) {
    event?.preventDefault();
    if (isBusy(button)) return;
    setBusy(button, true);
    trouble.replaceChildren();
    outcome.textContent = say("saving");
    const value = (/** @type {string} */ name) => form.elements.namedItem(name).value;
    const recipients = value("notify").split(/\s+/).filter(Boolean);
    const wanted = {
      enabled: form.elements.namedItem("enabled").checked, time_zone: value("time_zone"), format: value("format"), locale: value("locale"),
      compression: form.elements.namedItem("gzip").checked ? "gzip" : "none",
      // Kept, because this form does not show them.
      ...(saved ? { details: saved.details, rows: saved.rows } : {}),
      ...(value("from") ? { from: value("from") } : {}),
      ...(recipients.length > 0 || notify.length > 0 ? { notify: recipients } : {}),
    };
    try {
      show(host, await service.saveSchedule(wanted));
      const [message, next] = [place.querySelector("form [role=status]"), place.querySelector("form button")];
      if (message) message.textContent = say("saved");
      /** @type {HTMLElement | null} */ (next)?.focus();
    } catch (error) {
      if (service.signal.aborted) return;
      outcome.textContent = "";
      showError(trouble, error, () => save());
    } finally {
      setBusy(button, false);
    }
  }
}

/** Creates the table of the latest exports and their deliveries. @param {Words} words @param {any[]} made @param {string} zone */
function results(words, made, zone) {
  const say = (/** @type {string} */ key) => words.say(key);
  const { table, body } = cardTable("results", ["month", "status", "rows", "requested", "told"].map(say), h("caption", { class: "unseen" }, say("results")), [2]);
  body.append(...made.map((each) => {
    const month = [each.month && words.month(each.month), words.say("version", { version: each.version })].filter(Boolean).join(", ");
    const rows = cell(say("rows"), words.number(each.rows));
    rows.classList.add("number");
    return h("tr", { role: "row" }, cell(say("month"), month),
      cell(say("status"), h("span", { class: `state ${each.status}` }, say(`export_${each.status}`)), each.problem && h("p", { class: "quiet", lang: "en" }, each.problem)),
      rows, cell(say("requested"), h("time", { datetime: each.created_at }, words.time(each.created_at, zone))),
      cell(say("told"), each.deliveries.length > 0 ? h("ul", {}, ...each.deliveries.map((/** @type {any} */ delivery) => deliveryItem(words, delivery, zone))) : say("nobody")));
  }));
  return table;
}

/** Creates a list item for a delivery. @param {Words} words @param {any} delivery @param {string} zone */
function deliveryItem(words, delivery, zone) {
  const { recipient, status, attempts, last_attempt_at: last, next_attempt_at: next, http_status: answer, problem } = delivery;
  const facts = [
    attempts > 0 && words.count("attempts", attempts),
    last && words.say("lastAttempt", { time: words.time(last, zone) }),
    next && words.say("nextAttempt", { time: words.time(next, zone) }),
    answer && status !== "delivered" && words.say("answered", { status: String(answer) }),
  ].filter(Boolean).join(" · ");
  return h("li", {}, name(recipient), " ", h("span", { class: `state ${status}` }, words.say(`delivery_${status}`)),
    facts && h("p", { class: "quiet" }, facts), problem && status !== "delivered" ? h("p", { class: "quiet", lang: "en" }, problem) : null);
}

/** Creates the section with the signing secret, which is visible from a click until it is hidden or the view is left. @param {Parameters<typeof scheduleForm>[0]} host */
function secretSection({ service, words, partnerZone, showError }) {
  const say = (/** @type {string} */ key) => words.say(key);
  const shown = h("div", { class: "secret" });
  const message = h("p", { role: "status" });
  const trouble = h("div", { role: "alert" });
  const button = (/** @type {string} */ key, /** @type {() => void} */ onclick, kind = "") => h("button", { type: "button", class: kind, onclick }, say(key));
  const showButtons = () => {
    const reveal = button("showSecret", () => requestSecret(() => service.secret(), "secretShown"));
    shown.replaceChildren(h("div", { class: "bar" }, reveal, button("replaceSecret", confirm)));
    return reveal;
  };
  function confirm() {
    const question = h("p", {}, say("replaceSecretWarning"));
    shown.replaceChildren(question, h("div", { class: "bar" }, button("replaceSecretNow", () => requestSecret(() => service.replaceSecret(), "secretReplaced"), "primary"),
      button("cancel", () => showButtons().focus())));
    moveFocusTo(question);
  }
  /** @param {() => ReturnType<import("./service.js").Service["secret"]>} call @param {string} outcome */
  async function requestSecret(call, outcome) {
    if (isBusy(shown)) return;
    setBusy(shown, true);
    trouble.replaceChildren();
    message.textContent = say("loading");
    try {
      const { secret, previous_valid_until: until } = await call();
      const text = h("code", { class: "code" }, secret);
      const copy = async () => {
        try {
          await navigator.clipboard.writeText(secret);
          message.textContent = say("copied");
        } catch {
          message.textContent = say("copyFailed");
        }
      };
      shown.replaceChildren(text, until ? h("p", { class: "quiet" }, words.say("secretBefore", { time: words.time(until, partnerZone) })) : "",
        h("div", { class: "bar" }, button("copySecret", copy), button("hide", () => { message.textContent = ""; showButtons().focus(); })));
      message.textContent = say(outcome);
      moveFocusTo(text);
    } catch (error) {
      if (service.signal.aborted) return;
      message.textContent = "";
      showError(trouble, error, () => requestSecret(call, outcome));
    } finally {
      setBusy(shown, false);
    }
  }
  showButtons();
  return h("section", { "aria-labelledby": "secret-title" }, h("h3", { id: "secret-title" }, say("secretTitle")), h("p", { class: "quiet" }, say("secretIntro")), shown, message, trouble);
}
