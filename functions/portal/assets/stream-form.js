// The form of a stream. Each kind of destination has fields of its own. Values of headers are written only: the service names the
// headers that it keeps, and never shows what they say.

import { h } from "./elements.js";
import { FilterChoice } from "./filter-choice.js";
import { checkBox, choice, clearFaults, described, faultOf, field, formOf, isMissing, refuse, send } from "./forms.js";
import { isChat, maskNames } from "./stream-words.js";

/** @typedef {import("./context.js").Context} Context */
/** @typedef {import("./service.js").ApiError} ApiError */
/** A stream as the API answers it. @typedef {Record<string, any>} Stream */

const KINDS = ["https", "eventbridge", "s3"];
const FRAMINGS = ["array", "lines", "splunk_hec", "slack", "teams"];
const FORMATS = ["daybook", "ocsf"];
/** The fields of each kind of destination, by their names in the API, and those that may not be empty. @type {Record<string, {members: string[], required: string[]}>} */
const FIELDS = {
  https: { members: ["url", "framing"], required: ["url"] },
  eventbridge: { members: ["bus_arn", "role_arn"], required: ["bus_arn", "role_arn"] },
  s3: { members: ["bucket", "prefix", "role_arn"], required: ["bucket", "role_arn"] },
};
/** The longest name, in characters. */
const MAX_NAME = 100;
/** The most headers. */
const MAX_HEADERS = 10;

/** Reads headers, one from each line. @param {string} text @returns {{headers: Record<string, string>, wrong: number | null}} `wrong` is the number of the first line that has none */
function readHeaders(text) {
  const lines = text.split("\n").map((line) => /^\s*(?:([^:\s]+):\s*(.*\S))?\s*$/.exec(line));
  const wrong = lines.indexOf(null) + 1 || null;
  return { headers: Object.fromEntries(lines.flatMap((found) => (found?.[1] ? [[found[1], found[2]]] : []))), wrong };
}

export class StreamForm {
  /** @type {any} */ element;
  #context;
  #stream;
  #saved;
  #filters;
  /** The nodes that only some kinds of destination have. @type {[Node[], string[]][]} */ #parts = [];

  /** @param {Context} context @param {Stream | null} stream null for a new one @param {(stream: Stream) => void} saved called with what was saved */
  constructor(context, stream, saved) {
    this.#context = context;
    this.#stream = stream;
    this.#saved = saved;
    this.#filters = new FilterChoice(context, stream?.filters);
    const { words } = context;
    const say = (/** @type {string} */ key) => words.say(key);
    const options = (/** @type {string} */ start, /** @type {string[]} */ values) => values.map((value) => /** @type {[string, string]} */ ([value, say(start + value)]));
    const destination = stream?.destination ?? { kind: "https", framing: "array" };
    const text = (/** @type {string} */ name, /** @type {string} */ label, /** @type {string} */ hint, kinds = KINDS, value = destination[name] ?? "", most = 2_048) =>
      this.#only(kinds, described(say(label), h("input", { name, value, maxlength: most, autocomplete: "off", autocapitalize: "off", spellcheck: "false" }), hint && say(hint)));
    const masks = h("fieldset", { class: "wide" }, h("legend", {}, say("streamMask")),
      ...maskNames(words).map(([name, label]) => checkBox("mask", label, stream?.mask.includes(name) ?? false, name)));
    this.element = formOf(say(stream ? "streamChange" : "streamNew"), say("save"), () => this.#save(),
      ...text("name", "viewName", "", KINDS, stream?.name ?? "", MAX_NAME),
      field(say("destination"), choice("kind", destination.kind, options("kind_", KINDS))),
      ...this.#only(["https"], [field(say("streamFraming"), choice("framing", destination.framing, options("framing_", FRAMINGS)))]),
      field(say("streamFormat"), choice("format", stream?.format ?? "daybook", options("streamFormat_", FORMATS))),
      ...text("url", "streamUrl", "", ["https"]), ...this.#only(["https"], this.#headers(destination.header_names ?? [])),
      ...text("bus_arn", "busArn", "", ["eventbridge"]), ...text("bucket", "bucket", "", ["s3"]), ...text("prefix", "prefix", "prefixHint", ["s3"]),
      ...text("role_arn", "roleArn", "roleHint", ["eventbridge", "s3"]),
      ...described(say("streamFilters"), this.#filters.element), masks, faultOf("mask", masks),
      checkBox("details", say("withDetails"), stream?.details ?? false), checkBox("paused", say("stream_paused"), stream?.paused ?? false));
    this.element.addEventListener("change", () => this.#adapt());
    this.#adapt();
  }

  /** Notes that only some kinds of destination have these nodes. @param {string[]} kinds @param {Node[]} nodes */
  #only(kinds, nodes) {
    this.#parts.push([nodes, kinds]);
    return nodes;
  }

  /** Shows the fields of the chosen destination. */
  #adapt() {
    const { kind, framing, format } = this.element.elements;
    for (const [nodes, kinds] of this.#parts) for (const each of nodes) /** @type {HTMLElement} */ (each).hidden = !kinds.includes(kind.value);
    format.closest("label").hidden = kind.value === "https" && isChat({ framing: framing.value });
  }

  /** @param {string[]} kept the names of the headers that the service keeps */
  #headers(kept) {
    const { words } = this.#context;
    const control = h("textarea", { name: "headers", rows: "2", autocomplete: "off", autocapitalize: "off", spellcheck: "false" });
    const [label, hint, fault] = described(words.say("streamHeaders"), control, words.say("streamHeadersHint"));
    if (kept.length === 0) return [label, hint, fault];
    return [label, hint, h("p", { class: "quiet" }, words.say("streamHeadersKept", { names: kept.join(", ") })), fault, checkBox("dropped", words.say("streamHeadersDrop"), false)];
  }

  /** The destination as a request has it, or null after a refusal. @returns {Record<string, any> | null} */
  #destination() {
    const { words } = this.#context;
    const { elements } = this.element;
    const kind = elements.kind.value;
    const { members, required } = FIELDS[kind];
    for (const name of ["name", ...required]) if (isMissing(this.#context, this.element, name)) return null;
    const destination = { kind, ...Object.fromEntries(members.map((name) => [name, elements[name].value.trim()])) };
    if (kind !== "https") return destination;
    const { headers, wrong } = readHeaders(elements.headers.value);
    const count = Object.keys(headers).length;
    if (wrong) refuse(this.element, "headers", words.say("streamHeaderLine", { line: wrong }));
    else if (count > MAX_HEADERS) refuse(this.element, "headers", words.say("streamHeadersMany"));
    else return { ...destination, ...(count > 0 ? { headers } : elements.dropped?.checked ? { headers: null } : {}) };
    return null;
  }

  /** The form's values as a request, or null after a refusal. Of a stream that exists, only what is changed, so that a change elsewhere in the meantime stays. */
  #request() {
    const { name, format, mask, details, paused } = this.element.elements;
    const destination = this.#destination();
    if (!destination) return null;
    const chosen = {
      name: name.value.trim(), destination, format: format.value, details: details.checked, paused: paused.checked,
      mask: [...mask].filter((each) => each.checked).map((each) => each.value),
    };
    const { header_names: _, ...before } = this.#stream?.destination ?? {};
    const saved = /** @type {Record<string, any>} */ ({ ...this.#stream, destination: before });
    const changed = Object.entries(chosen).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(saved[key]));
    return { ...Object.fromEntries(changed), ...this.#filters.request };
  }

  async #save() {
    const { service } = this.#context;
    clearFaults(this.element);
    const wanted = this.#request();
    if (!wanted) return;
    const call = () => (this.#stream ? service.write("PATCH", `streams/${this.#stream.id}`, wanted) : service.write("POST", "streams", wanted));
    const saved = await send(this.#context, this.element, call, { explain: (error) => this.#explain(error) });
    if (saved) this.#saved(saved);
  }

  /** Shows what the service refuses of a destination at the fields, and says whether there is such a field. The first one gets the focus. @param {ApiError} error */
  #explain({ errors }) {
    const { words } = this.#context;
    const refused = errors.flatMap(({ pointer }) => {
      const [, member, name, header] = pointer.split("/");
      if (member !== "destination") return [];
      if (name === "headers") {
        const text = header ? words.say("streamHeaderRefused", { name: header.replaceAll("~1", "/").replaceAll("~0", "~") }) : words.say("streamHeadersMoved");
        return [{ name, text }];
      }
      return words.has(`refused_${name}`) ? [{ name, text: words.say(`refused_${name}`) }] : [];
    });
    for (const { name, text } of refused.reverse()) refuse(this.element, name, text);
    return refused.length > 0;
  }
}
