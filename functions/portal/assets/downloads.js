// Downloads of an export's files. A link is requested when it is needed, because it expires after minutes.

import { h, isBusy, setBusy } from "./elements.js";
import { ApiError } from "./service.js";

/** @typedef {import("./context.js").Context} Context */
/** @typedef {{name: string, rows: number, bytes: number}} File */

/** The time between two downloads, because a browser drops a download that has not begun when the next one starts. */
const PAUSE_MS = 1_500;

/** Follows a link to a file. @param {{url: string}} link */
function follow({ url }) {
  if (!/^https?:/.test(url)) throw new ApiError(502, null);
  // The page stays, because the browser saves an attachment.
  location.assign(url);
}

/** Creates a button that requests a link and downloads its file. @param {Context} context @param {string} kind @param {string} text @param {() => Promise<{url: string}>} request */
export function linkButton(context, kind, text, request) {
  const trouble = h("span", { role: "alert" });
  const button = h("button", { type: "button", onclick: () => download() }, text);
  const download = async () => {
    if (isBusy(button)) return;
    setBusy(button, true);
    trouble.replaceChildren();
    try {
      follow(await request());
    } catch (error) {
      if (!context.service.signal.aborted) context.showError(trouble, error, download);
    } finally {
      setBusy(button, false);
    }
  };
  return h("div", { class: kind }, button, trouble);
}

/** Creates a download button. @param {Context} context @param {string} id the export @param {File} file */
export const downloadButton = (context, id, { name }) => linkButton(context, "file", context.words.say("download", { name }), () => context.service.file(id, name));

/**
 * Downloads files without a click, and says whether all links were there. The browser may still refuse, so the buttons stay.
 * @param {Context} context @param {string} id the export @param {File[]} files
 */
export async function downloadAll({ service }, id, files) {
  try {
    for (const [index, file] of files.entries()) {
      if (index > 0) await new Promise((done) => setTimeout(done, PAUSE_MS));
      if (service.signal.aborted) return false;
      follow(await service.file(id, file.name));
    }
    return true;
  } catch {
    // The person has the buttons, which show errors.
    return false;
  }
}
