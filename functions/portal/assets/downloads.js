// Downloads of an export's files. A link is requested when it is needed, because it expires after minutes.

import { h, isBusy, setBusy } from "./elements.js";
import { ApiError } from "./service.js";

/** @typedef {import("./context.js").Context} Context */
/** @typedef {{name: string, rows: number, bytes: number}} File */

/** The time between two downloads, because a browser drops a download that has not begun when the next one starts. */
const PAUSE_MS = 1_500;

/** @param {Context} context @param {string} id the export @param {File} file */
async function save({ service }, id, file) {
  const { url } = await service.file(id, file.name);
  if (!/^https?:/.test(url)) throw new ApiError(502, null);
  // The page stays, because the browser saves an attachment.
  location.assign(url);
}

/** Creates a download button. @param {Context} context @param {string} id the export @param {File} file */
export function downloadButton(context, id, file) {
  const { words, service } = context;
  const trouble = h("span", { role: "alert" });
  const button = h("button", { type: "button", onclick: () => download() }, words.say("download", { name: file.name }));
  const download = async () => {
    if (isBusy(button)) return;
    setBusy(button, true);
    trouble.replaceChildren();
    try {
      await save(context, id, file);
    } catch (error) {
      if (!service.signal.aborted) context.showError(trouble, error, download);
    } finally {
      setBusy(button, false);
    }
  };
  return h("div", { class: "file" }, button, trouble);
}

/**
 * Downloads files without a click, and says whether all links were there. The browser may still refuse, so the buttons stay.
 * @param {Context} context @param {string} id the export @param {File[]} files
 */
export async function downloadAll(context, id, files) {
  const { signal } = context.service;
  try {
    for (const [index, file] of files.entries()) {
      if (index > 0) await new Promise((done) => setTimeout(done, PAUSE_MS));
      if (signal.aborted) return false;
      await save(context, id, file);
    }
    return true;
  } catch {
    // The person has the buttons, which show errors.
    return false;
  }
}
