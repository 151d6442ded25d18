// The monthly schedule: shown and set by those who may; others are told who may.

import { h, isBusy, setBusy } from "./elements.js";
import { Refusal } from "./service.js";

/**
 * @param {{
 *   place: HTMLElement, service: import("./service.js").Service, words: import("./language.js").Words, partnerZone: string,
 *   alert: (place: HTMLElement, error: unknown, again: () => void) => void,
 * }} host `partnerZone` is what a new schedule begins with
 */
export async function scheduleForm(host) {
  const { place, service, words, alert } = host;
  place.replaceChildren(h("p", { role: "status" }, words.say("loading")));
  try {
    show(host, await service.schedule());
  } catch (error) {
    if (service.signal.aborted) return;
    if (error instanceof Refusal && error.status === 403) place.replaceChildren(h("p", {}, words.say("scheduleDenied")));
    else alert(place, error, () => scheduleForm(host));
  }
}

/** @param {Parameters<typeof scheduleForm>[0]} host @param {any} saved */
function show(host, saved) {
  const { place, service, words, partnerZone, alert } = host;
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
  const standing = saved?.enabled && saved.next_run_at
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
  place.replaceChildren(h("p", { class: "quiet" }, say("scheduleIntro")), h("p", { class: "standing" }, standing), form);

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
      // What this form does not show stays as it is.
      ...(saved ? { details: saved.details, rows: saved.rows } : {}),
      ...(value("from") ? { from: value("from") } : {}),
      ...(recipients.length > 0 || notify.length > 0 ? { notify: recipients } : {}),
    };
    try {
      show(host, await service.saveSchedule(wanted));
      const [said, next] = [place.querySelector("form [role=status]"), place.querySelector("form button")];
      if (said) said.textContent = say("saved");
      /** @type {HTMLElement | null} */ (next)?.focus();
    } catch (error) {
      if (service.signal.aborted) return;
      outcome.textContent = "";
      alert(trouble, error, () => save());
    } finally {
      setBusy(button, false);
    }
  }
}
