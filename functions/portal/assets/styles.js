// The component's style sheet: one for all components of a document.

const sheet = new CSSStyleSheet();

/** The constructed style sheet, empty until it is loaded. */
export const sheets = [sheet];

let loaded = /** @type {Promise<void> | null} */ (null);

/** Loads the style sheet once for all components of the document. A later call tries again after a failure. */
export function loadStyles() {
  loaded ??= load().catch((error) => { loaded = null; throw error; });
  return loaded;
}

async function load() {
  const response = await fetch(new URL("./styles.css", import.meta.url));
  if (!response.ok) throw new Error(`${response.url}: ${response.status}`);
  sheet.replaceSync(await response.text());
}
