// The recipients of notifications, as people write them: one on each line, webhooks as https://… and plain e-mail addresses.

const MAX_RECIPIENTS = 10;
const MAIL = "mailto:";

/** A recipient as people read it: an e-mail address stands without its scheme. @param {string} recipient as the API has it */
export const shownRecipient = (recipient) => (recipient.startsWith(MAIL) ? recipient.slice(MAIL.length) : recipient);

/** A recipient as the API takes it, or null if the text is none. @param {string} text */
function recipientOf(text) {
  if (/^https?:\/\//i.test(text)) return URL.canParse(text) ? text : null;
  const address = text.replace(/^mailto:/i, "");
  return /^[^\s@:/]+@[^\s@:/]+\.[^\s@:/]+$/.test(address) ? MAIL + address : null;
}

/**
 * Reads the recipients of a text.
 * @param {string} text @returns {{recipients: string[], wrong: string | null, isTooMany: boolean}} `wrong` is the first that is none
 */
export function readRecipients(text) {
  // Lists of addresses are often copied with commas or semicolons between them.
  const written = text.split(/\s+/).map((each) => each.replace(/[,;]+$/, "").replace(/^<(.*)>$/, "$1")).filter(Boolean);
  const recipients = [...new Set(written.map(recipientOf).filter((each) => each !== null))];
  return { recipients, wrong: written.find((each) => recipientOf(each) === null) ?? null, isTooMany: recipients.length > MAX_RECIPIENTS };
}
