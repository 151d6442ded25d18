// The page around the activity log: sign-in, sign-out and language.

import { FluentResource } from "./vendor/fluent.js";
import { finishSignIn, renew, signIn, signInAgain, SignInFailure, signOut } from "./sign-in.js";
import { language, texts, Words } from "./activity-log.js";

/** @typedef {import("./sign-in.js").Config} Config */
/** @typedef {import("./sign-in.js").Session} Session */

const LANGUAGE = "daybook.language";
const $ = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));

/** Set before anything is shown. */
let words = /** @type {Words} */ (/** @type {any} */ (null));
/** @type {Config | null} */ let config = null;
/** @type {Session | null} */ let session = null;
/** Returns the welcome view's text; a function, so that a change of language translates the text. */
let welcomeText = () => "";

/** Stores the chosen language and returns the stored one. Without storage, the choice lasts as long as the page. @param {string} [chosen] */
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
  $("notice").textContent = welcomeText();
  $("who").textContent = personText();
}

function personText() {
  if (!session) return "";
  const { name, partner, roles } = session.person;
  const known = roles.map((role) => (words.has(`role_${role}`) ? words.say(`role_${role}`) : role));
  return [name, partner, ...known].filter(Boolean).join(" · ");
}

/** Shows why a sign-in failed. @param {unknown} error */
function showFailure(error) {
  if (!(error instanceof SignInFailure) || error.cause) console.error(error);
  if (error instanceof SignInFailure) showWelcome(() => words.say(error.key, { reason: error.message }));
  else showWelcome(() => words.say(config ? "signInBlocked" : "offline"));
}

/** Shows the welcome view with a message instead of the log. @param {() => string} message */
function showWelcome(message) {
  welcomeText = message;
  $("log").hidden = true;
  $("welcome").hidden = false;
  $("sign-out").hidden = !session;
  $("sign-in").hidden = Boolean(session);
  $("who").textContent = personText();
  $("notice").textContent = welcomeText();
}

/** @param {Config} settings @param {Session} newSession */
function showLog(settings, newSession) {
  session = newSession;
  const { partner, timeZone } = session.person;
  if (!partner) return showWelcome(() => words.say("noPartner"));
  $("welcome").hidden = true;
  $("sign-out").hidden = false;
  $("who").textContent = personText();
  const log = $("log");
  log.setAttribute("subscriptions-url", settings.subscriptions_url ?? "");
  log.setAttribute("customers-claim", settings.customers_claim ?? "");
  log.setAttribute("time-zone", timeZone || settings.time_zone);
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
    await signIn(config, words.language);
  } catch (error) {
    showFailure(error);
  }
});
$("sign-out").addEventListener("click", async () => {
  session = null;
  // Cleared, because another person may sign in next.
  try {
    sessionStorage.clear();
  } catch { /* Without storage there is nothing to clear. */ }
  try {
    if (config) await signOut(config);
  } catch (error) {
    showFailure(error);
  }
});
$("skip").addEventListener("click", (/** @type {Event} */ event) => {
  event.preventDefault();
  $($("log").hidden ? "main" : "log").focus();
});
addEventListener("keydown", (event) => {
  // The component acts on its own keys. On this page, nothing else is to be printed.
  if (event.defaultPrevented || $("log").hidden || event.key !== "p" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
  event.preventDefault();
  $("log").print();
});
$("language").addEventListener("change", () => translate(languageChoice($("language").value) ?? undefined));
$("log").addEventListener("daybook-unauthorized", () => {
  session = null;
  showWelcome(() => words.say("sessionOver"));
  $("sign-in").focus();
});

try {
  await translate();
  const response = await fetch("config.json");
  if (!response.ok) throw new Error(`config.json: ${response.status}`);
  config = /** @type {Config} */ (await response.json());
  const newSession = await finishSignIn(config);
  if (newSession) showLog(config, newSession);
  else if (!await signInAgain(config, words.language)) showWelcome(() => words.say("signInFirst"));
} catch (error) {
  // In English, because the texts may be what could not be loaded.
  words ??= new Words("en", new FluentResource("offline = No connection to the service. Check your network and try again."));
  showFailure(error);
}
