// The form that asks a stream to send a period again.

import { dayIn } from "./calendar.js";
import { DateField } from "./date-field.js";
import { formatDay } from "./dates.js";
import { h } from "./elements.js";
import { clearFaults, faultOf, formOf, isMissing, refuse, send } from "./forms.js";

/** @typedef {import("./context.js").Context} Context */

/**
 * Creates the form.
 * @param {Context} context @param {Record<string, any>} stream @param {(stream: Record<string, any>) => void} begun called with the stream once its replay has begun
 */
export function replayForm(context, { id }, begun) {
  const { words, zone, service } = context;
  const dates = ["from", "to"].map((name) => {
    const date = new DateField({ words, zone: () => zone, name, label: words.say(name), changed: () => {} });
    // Empty at first, with the present day as an example.
    date.show(dayIn(new Date(), zone));
    date.input.value = "";
    return date;
  });
  /** The form's values as a request, or null after a refusal. */
  const request = () => {
    const days = dates.map(({ typed }) => typed?.day);
    for (const [index, { input }] of dates.entries()) {
      if (days[index] || !input.value.trim()) continue;
      refuse(form, input.name, words.say("dateUnreadable", { name: words.say(input.name), example: formatDay(dayIn(new Date(), zone), words.locale) }));
      return null;
    }
    if (isMissing(context, form, "from")) return null;
    const [from, to] = days;
    if (from && to && to < from) {
      refuse(form, "to", words.say("rangeReversed"));
      return null;
    }
    return { from, ...(to && { to }), time_zone: zone };
  };
  const begin = async () => {
    clearFaults(form);
    const wanted = request();
    const stream = wanted && await send(context, form, () => service.write("POST", `streams/${id}/replay`, wanted), { doing: "replayAsked" });
    if (stream) begun(stream);
  };
  const form = formOf(words.say("streamReplay"), words.say("replayStart"), begin, h("p", { class: "quiet" }, words.say("replayIntro", { zone })),
    ...dates.map(({ element }) => element), ...dates.map(({ input }) => faultOf(input.name, input)));
  return form;
}
