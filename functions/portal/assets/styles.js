// The component's style sheets. Each part has its own; one set serves all components of a page.

const SHEETS = [
  new URL("./activity-log.css", import.meta.url),
  new URL("./list.css", import.meta.url),
  new URL("./search.css", import.meta.url),
  new URL("./overview.css", import.meta.url),
  new URL("./details.css", import.meta.url),
  new URL("./exports.css", import.meta.url),
].map((address) => ({ address, sheet: new CSSStyleSheet() }));

/** Constructed style sheets, empty until they are loaded. */
export const sheets = SHEETS.map(({ sheet }) => sheet);

let loaded = /** @type {Promise<void> | null} */ (null);

/** Loads the style sheets once for all components of the page. A later call tries again after a failure. */
export function loadStyles() {
  loaded ??= Promise.all(SHEETS.map(async ({ address, sheet }) => {
    const response = await fetch(address);
    if (!response.ok) throw new Error(`${address.pathname}: ${response.status}`);
    sheet.replaceSync(await response.text());
  })).then(() => {}, (error) => { loaded = null; throw error; });
  return loaded;
}
