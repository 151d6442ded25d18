// The secret that signs the webhooks of the schedule, or the requests of a stream.

import { copyText, h, isBusy, moveFocusTo, setBusy } from "./elements.js";

/**
 * Creates what shows the secret, which is visible from a click until it is hidden or the view is left.
 * @param {import("./context.js").Context} context @param {string} path of the secret below the partner @returns {Node[]}
 */
export function secretNodes({ service, words, zone, showError }, path) {
  const say = (/** @type {string} */ key) => words.say(key);
  const shown = h("div", { class: "secret" });
  const message = h("p", { role: "status" });
  const trouble = h("div", { role: "alert" });
  const button = (/** @type {string} */ key, /** @type {() => void} */ onclick, kind = "") => h("button", { type: "button", class: kind, onclick }, say(key));
  const showButtons = () => {
    const reveal = button("showSecret", () => requestSecret(() => service.read(path), "secretShown"));
    shown.replaceChildren(h("div", { class: "bar" }, reveal, button("replaceSecret", confirm)));
    return reveal;
  };
  function confirm() {
    const question = h("p", {}, say("replaceSecretWarning"));
    shown.replaceChildren(question, h("div", { class: "bar" }, button("replaceSecretNow", () => requestSecret(() => service.write("POST", path), "secretReplaced"), "primary"),
      button("cancel", () => showButtons().focus())));
    moveFocusTo(question);
  }
  /** @param {() => Promise<{secret: string, previous_valid_until?: string | null}>} call @param {string} outcome */
  async function requestSecret(call, outcome) {
    if (isBusy(shown)) return;
    setBusy(shown, true);
    trouble.replaceChildren();
    message.textContent = say("loading");
    try {
      const { secret, previous_valid_until: until } = await call();
      const text = h("code", { class: "code" }, secret);
      const copy = async () => { message.textContent = say(await copyText(secret) ? "copied" : "copyFailed"); };
      shown.replaceChildren(text, until ? h("p", { class: "quiet" }, words.say("secretBefore", { time: words.time(until, zone) })) : "",
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
  return [h("p", { class: "quiet" }, say("secretIntro")), shown, message, trouble];
}
