// Controls with their labels, and forms that say what is wrong with a field.

import { h, isBusy, moveFocusTo, setBusy } from "./elements.js";
import { ApiError } from "./service.js";

/** @typedef {import("./context.js").Context} Context */

/** Statuses of refusals whose reason the service explains to people. */
const EXPLAINED = [400, 409, 422];
let fields = 0;

/** @param {string} name @param {string} chosen @param {[string, string][]} options @param {Record<string, any>} [properties] */
export function choice(name, chosen, options, properties = {}) {
  return h("select", { ...properties, name }, ...options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)));
}

/** Creates a labelled control. @param {string} label @param {Node} control @param {string} [kind] */
export const field = (label, control, kind = "") => h("label", { class: `field ${kind}` }, h("span", {}, label), control);

/** Creates a labelled check box. @param {string} name @param {string} label @param {boolean} checked @param {string} [value] */
export const checkBox = (name, label, checked, value) => h("label", { class: "check" }, h("input", { type: "checkbox", name, checked, value }), label);

/** Creates a place that says what is wrong with the controls of a name. @param {string} name @param {any} control the element that it describes */
export function faultOf(name, control) {
  const id = `fault-${fields += 1}`;
  control.setAttribute("aria-describedby", [control.getAttribute("aria-describedby"), id].filter(Boolean).join(" "));
  return h("p", { class: "fault", id, "data-fault": name });
}

/** Creates a labelled control, a hint below it, and a place that says what is wrong with it. @param {string} label @param {any} control @param {string} [hint] @returns {Node[]} */
export function described(label, control, hint) {
  const id = `hint-${fields += 1}`;
  if (hint) control.setAttribute("aria-describedby", id);
  return [field(label, control, "wide"), ...(hint ? [h("p", { class: "quiet", id }, hint)] : []), faultOf(control.name, control)];
}

/**
 * Creates a form. Its main button sends it, and below it stands what came of that.
 * @param {string} title @param {string} button the button's text @param {() => void} send @param {...Node} content
 */
export function formOf(title, button, send, ...content) {
  const main = h("button", { class: "primary" }, button);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!isBusy(main)) send();
  };
  return h("form", { novalidate: true, "aria-label": title, onsubmit: submit }, ...content, h("div", { class: "buttons" }, main, h("p", { role: "status" })), h("div", { role: "alert" }));
}

/** Says what is wrong with a field, and moves the focus there. @param {any} form @param {string} name @param {string} text @param {string | null} [lang] the text's language, if it is not the page's */
export function refuse(form, name, text, lang = null) {
  const found = form.elements.namedItem(name);
  const control = found instanceof Element ? /** @type {any} */ (found) : found[0];
  control.setAttribute("aria-invalid", "true");
  form.querySelector(`[data-fault="${name}"]`).replaceChildren(h("span", { lang }, text));
  control.focus();
  control.scrollIntoView({ block: "center" });
}

/** Refuses an empty field, and says whether it did. @param {Context} context @param {any} form @param {string} name */
export function isMissing({ words }, form, name) {
  const isEmpty = form.elements.namedItem(name).value.trim() === "";
  if (isEmpty) refuse(form, name, words.say("fieldMissing"));
  return isEmpty;
}

/** Removes what a form says about an earlier attempt. @param {any} form */
export function clearFaults(form) {
  for (const each of form.elements) each.removeAttribute("aria-invalid");
  for (const each of form.querySelectorAll("[data-fault], [role=status], [role=alert]")) each.replaceChildren();
}

/**
 * Sends a form, and shows a refusal at its field.
 * @template T
 * @param {Context} context @param {any} form @param {() => Promise<T>} call
 * @param {{doing?: string, fields?: Record<string, string>, explain?: (error: ApiError) => boolean}} [options] `doing` is the key of the
 *   text until the answer; `fields` has the form's names of members of the request; `explain` shows a refusal in another way, and says whether it did
 * @returns {Promise<T | undefined>} nothing after a refusal
 */
export async function send(context, form, call, { doing = "saving", fields = {}, explain = () => false } = {}) {
  const { service, words } = context;
  const [button, status, trouble] = [".primary", "[role=status]", "[role=alert]"].map((each) => form.querySelector(each));
  clearFaults(form);
  setBusy(button, true);
  status.textContent = words.say(doing);
  try {
    return await call();
  } catch (error) {
    if (service.signal.aborted) return undefined;
    if (error instanceof ApiError) {
      if (explain(error)) return undefined;
      const faults = error.errors.map(({ pointer, detail }) => ({ name: fields[pointer.split("/")[1]] ?? pointer.split("/")[1], detail }));
      const fault = faults.find(({ name }) => form.querySelector(`[data-fault="${CSS.escape(name ?? "")}"]`));
      if (fault) {
        refuse(form, fault.name, fault.detail, "en");
        return undefined;
      }
    }
    showRefusal(context, trouble, error, () => form.requestSubmit());
    return undefined;
  } finally {
    setBusy(button, false);
    status.textContent = "";
  }
}

/** Shows the service's own explanation of a refusal, or another error. @param {Context} context @param {HTMLElement} place @param {unknown} error @param {() => void} again */
function showRefusal({ showError, showMessage }, place, error, again) {
  const isExplained = error instanceof ApiError && error.message && EXPLAINED.includes(error.status);
  if (isExplained) showMessage(place, [h("p", { lang: "en" }, error.message)], null);
  else showError(place, error, again);
}

/**
 * Asks before something that cannot be taken back. After a "cancel" everything is as before.
 * @param {Context} context @param {any} place what the question replaces @param {(Node | null)[]} question @param {string} label of the button that does it
 * @param {() => Promise<any>} run @param {any} [back] what gets the focus after a "cancel" if there was no button in the place
 */
export function ask(context, place, question, label, run, back) {
  const { words, service } = context;
  const before = [...place.childNodes];
  const trouble = h("div", { role: "alert" });
  const cancel = () => { place.replaceChildren(...before); (place.querySelector("button") ?? back)?.focus(); };
  const main = h("button", { class: "primary" }, label);
  const act = async () => {
    if (isBusy(main)) return;
    setBusy(main, true);
    try {
      await run();
    } catch (error) {
      if (!service.signal.aborted) showRefusal(context, trouble, error, act);
    } finally {
      setBusy(main, false);
    }
  };
  const asked = h("form", { class: "question", novalidate: true, onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); act(); } },
    ...question, h("div", { class: "buttons" }, main, h("button", { type: "button", onclick: cancel }, words.say("cancel"))), trouble);
  place.replaceChildren(asked);
  moveFocusTo(asked);
}
