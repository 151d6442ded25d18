// The language of the search field: `client:Fabrikam`, `!status:failed`, `user:"Ana Trujillo"`, and free text. Keywords of all
// languages are understood, whatever the page's language, so that a colleague's text works.

/** A part of what somebody typed. Without a filter it is free text. @typedef {{filter: string | null, value: string, excluded: boolean, start: number}} Term */

/** The keywords of each filter, by language. `kind` filters actions by their first word. @type {Record<string, Record<string, string>>} */
export const KEYWORDS = {
  customer: { en: "customer", fr: "client" },
  actor: { en: "user", fr: "utilisateur" },
  kind: { en: "kind", fr: "nature" },
  action: { en: "action", fr: "action" },
  status: { en: "status", fr: "statut" },
  target_type: { en: "type", fr: "type" },
  target: { en: "target", fr: "cible" },
  correlation: { en: "correlation", fr: "corrélation" },
  source: { en: "source", fr: "source" },
};

/** Letters that Unicode does not decompose, apostrophes and hyphens, with their plain forms. @type {Record<string, string>} */
const PLAIN = {
  ß: "ss", æ: "ae", œ: "oe", ø: "o", ł: "l", đ: "d", ħ: "h", ı: "i", ς: "σ",
  "´": "'", "ʹ": "'", "ʻ": "'", "ʼ": "'", "‘": "'", "’": "'", "‛": "'", "′": "'", "‐": "-", "‑": "-",
};

/** Folds a text for comparison as the service does: without case, accents, and kinds of apostrophes and hyphens. @param {string} text */
export const fold = (text) => text.replaceAll("´", "'").normalize("NFKD").replace(/[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]/g, "")
  .toLowerCase().replace(/[ßæœøłđħıςʹʻʼ‘’‛′‐‑]/g, (letter) => PLAIN[letter]);

/** Says whether a text contains each of the words. @param {string} text @param {string} words */
export function containsWords(text, words) {
  const folded = fold(text);
  return fold(words).split(/\s+/).every((word) => folded.includes(word));
}

/** The filter of each keyword, folded. @type {Map<string, string>} */
const FILTER_OF = new Map(Object.entries(KEYWORDS).flatMap(([filter, words]) => [filter, ...Object.values(words)].map((word) => [fold(word), filter])));

/** Splits a text into terms. A value ends at a closing quotation mark or before the next keyword. @param {string} text @returns {Term[]} */
export function parseTerms(text) {
  /** @type {{start: number, end: number, filter: string, excluded: boolean}[]} */ const marks = [];
  // French puts a space before a colon, also a narrow one.
  for (const match of text.matchAll(/(?<![^\s])(!?)([\p{L}_]+)[ \u00a0\u202f]?:/gu)) {
    const filter = FILTER_OF.get(fold(match[2]));
    if (filter) marks.push({ start: match.index, end: match.index + match[0].length, filter, excluded: match[1] === "!" });
  }
  /** @type {Term[]} */ const terms = [];
  const free = (/** @type {number} */ from, /** @type {number} */ to) => {
    const piece = text.slice(from, to);
    const excluded = piece.trim().startsWith("!");
    const value = piece.trim().replace(/^!\s*/, "");
    if (value || excluded) terms.push({ filter: null, value, excluded, start: from + piece.length - piece.trimStart().length });
  };
  free(0, marks[0]?.start ?? text.length);
  marks.forEach((mark, index) => {
    const end = marks[index + 1]?.start ?? text.length;
    const piece = text.slice(mark.end, end);
    const quoted = /^\s*!?\s*["“«]([^"”»]*)["”»]/.exec(piece);
    const excluded = mark.excluded || piece.trimStart().startsWith("!");
    const value = quoted?.[1] ?? piece.replace(/^\s*!?\s*["“«]?/, "");
    terms.push({ filter: mark.filter, value: value.trim(), excluded, start: mark.start });
    if (quoted) free(mark.end + quoted[0].length, end);
  });
  return terms;
}
