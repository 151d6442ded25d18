// The page around the activity log: sign-in, language, sign-out.

import { language, texts, Words } from "./language.js";
import { finishSignIn, renew, signIn, signInAgain, SignInFailure, signOut } from "./sign-in.js";
import "./activity-log.js";

/** @typedef {import("./sign-in.js").Config} Config */
/** @typedef {import("./sign-in.js").Session} Session */

const LANGUAGE = "daybook.language";
const $ = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));

/** @type {Words} */ let words;
/** @type {Config | null} */ let config = null;
/** @type {Session | null} */ let session = null;
/** What the page tells who is not signed in: again, in the other language, when that is chosen. */
let notice = () => "";

/** Where storage is forbidden, the choice lasts as long as the page. @param {string} [chosen] */
function languageChoice(chosen) {
  try {
    if (chosen) localStorage.setItem(LANGUAGE, chosen);
    return localStorage.getItem(LANGUAGE);
  } catch {
    return chosen ?? null;
  }
}

/** @param {string} [chosen] */
async function translate(chosen) {
  const locale = language(chosen ?? languageChoice());
  words = new Words(locale, await texts(locale));
  document.documentElement.lang = locale;
  document.title = `${words.say("title")} · Daybook`;
  $("language").value = locale;
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = words.say(/** @type {HTMLElement} */ (element).dataset.text ?? "");
  }
  $("log").setAttribute("locale", locale);
  $("notice").textContent = notice();
  $("who").textContent = who();
}

function who() {
  if (!session) return "";
  const { claims } = session;
  const roles = [claims["cognito:groups"] ?? []].flat().map((role) => (words.has(`role_${role}`) ? words.say(`role_${role}`) : role));
  const person = claims.name ?? claims.email ?? claims["cognito:username"] ?? claims.sub;
  return [person, claims["custom:partner_id"], ...roles].filter(Boolean).join(" · ");
}

/** Shows what there is for who may not see the log. @param {() => string} message */
function welcome(message) {
  notice = message;
  $("log").hidden = true;
  $("welcome").hidden = false;
  $("sign-out").hidden = !session;
  $("sign-in").hidden = Boolean(session);
  $("who").textContent = who();
  $("notice").textContent = notice();
}

/** @param {Config} settings @param {Session} opened */
function open(settings, opened) {
  session = opened;
  const partner = session.claims["custom:partner_id"];
  if (!partner) return welcome(() => words.say("noPartner"));
  $("welcome").hidden = true;
  $("sign-out").hidden = false;
  $("who").textContent = who();
  const log = $("log");
  log.setAttribute("subscriptions-url", settings.subscriptions_url ?? "");
  log.setAttribute("time-zone", session.claims.zoneinfo ?? settings.time_zone ?? "");
  log.setAttribute("api", settings.api);
  log.setAttribute("partner", partner);
  log.getToken = async () => {
    if (session) session = await renew(settings, session);
    return session?.token ?? null;
  };
  log.hidden = false;
}

$("sign-in").addEventListener("click", async () => {
  if (!config) return location.reload();
  try {
    await signIn(config);
  } catch (error) {
    console.error(error);
    welcome(() => words.say("signInBlocked"));
  }
});
$("sign-out").addEventListener("click", () => {
  session = null;
  // What this tab remembers is nobody else's: whoever signs in next begins anew.
  try {
    sessionStorage.clear();
  } catch { /* Where storage is forbidden, it remembers nothing. */ }
  if (config) signOut(config);
});
$("language").addEventListener("change", () => translate(languageChoice($("language").value) ?? undefined));
$("log").addEventListener("daybook-unauthorized", () => {
  session = null;
  welcome(() => words.say("sessionOver"));
  $("sign-in").focus();
});

try {
  await translate();
  const response = await fetch("config.json");
  if (!response.ok) throw new Error(`config.json: ${response.status}`);
  config = /** @type {Config} */ (await response.json());
  const opened = await finishSignIn(config);
  if (opened) open(config, opened);
  else if (!await signInAgain(config)) welcome(() => words.say("signInFirst"));
} catch (error) {
  if (!(error instanceof SignInFailure) || error.cause) console.error(error);
  // The texts may be what did not come.
  words ??= new Words("en", new Map([["offline", ["No connection to the service. Check your network and try again."]]]));
  if (error instanceof SignInFailure) welcome(() => words.say(error.key, { reason: error.message }));
  else welcome(() => words.say(config ? "signInBlocked" : "offline"));
}
