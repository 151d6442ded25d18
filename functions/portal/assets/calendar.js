// Days as date inputs write them (YYYY-MM-DD), and the quick periods.

/** The calendar day of an instant in a zone. @param {Date} instant @param {string} zone */
export function dayIn(instant, zone) {
  const parts = new Intl.DateTimeFormat("en", { timeZone: zone, calendar: "iso8601", year: "numeric", month: "2-digit", day: "2-digit" }).formatToParts(instant);
  const part = (/** @type {string} */ type) => parts.find((each) => each.type === type)?.value ?? "";
  return `${part("year").padStart(4, "0")}-${part("month")}-${part("day")}`;
}

/** The same day some calendar months earlier, or the last day of a shorter month. @param {string} day @param {number} months */
export function monthsBefore(day, months) {
  const [year, month, date] = day.split("-").map(Number);
  const last = new Date(Date.UTC(year, month - months, 0)).getUTCDate();
  return new Date(Date.UTC(year, month - 1 - months, Math.min(date, last))).toISOString().slice(0, 10);
}

/** @param {string} day @param {number} days */
export const daysAfter = (day, days) => new Date(Date.parse(`${day}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);

/** Returns the text if it is a day, else null. @param {string | null} text */
export function parseDay(text) {
  if (!/^\d{4}-\d\d-\d\d$/.test(text ?? "")) return null;
  const date = new Date(`${text}T00:00:00Z`);
  return Number.isNaN(date.getTime()) || date.toISOString().slice(0, 10) !== text ? null : text;
}

/** The number of days from one day to another, both included. @param {string} from @param {string} to */
export const countDays = (from, to) => (Date.parse(to) - Date.parse(from)) / 86_400_000 + 1;

/**
 * First and last day of each quick period. The keys are the names of the periods in links.
 * @type {Record<string, (today: string) => [string, string]>}
 */
export const PERIODS = {
  recent: (today) => [monthsBefore(today, 1), today],
  today: (today) => [today, today],
  last7: (today) => [daysAfter(today, -6), today],
  thisMonth: (today) => [`${today.slice(0, 7)}-01`, today],
  lastMonth: (today) => {
    const last = daysAfter(`${today.slice(0, 7)}-01`, -1);
    return [`${last.slice(0, 7)}-01`, last];
  },
  last3Months: (today) => [daysAfter(monthsBefore(today, 3), 1), today],
  last12Months: (today) => [daysAfter(monthsBefore(today, 12), 1), today],
};
