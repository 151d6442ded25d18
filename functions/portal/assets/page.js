// The page around the activity log: sign-in by OpenID Connect (authorization code with PKCE, RFC 7636), language, sign-out.
// Tokens stay in memory; what must survive the way to the sign-in and back is the verifier, the state and the query.

import { language, messages } from "./activity-log.js";

const PENDING = "daybook.sign-in";
const LANGUAGE = "daybook.language";
const $ = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));

/** @type {{token: string, claims: Record<string, any>} | null} */
let session = null;
/** @type {Record<string, string>} */
let text = {};
/** @type {Record<string, string>} */
let config = {};

const here = () => location.origin + location.pathname;
const fill = (/** @type {string} */ key, /** @type {Record<string, string>} */ values = {}) =>
  (text[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");

/** @param {Uint8Array} bytes */
const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

async function signIn() {
  const verifier = random();
  const state = random();
  sessionStorage.setItem(PENDING, JSON.stringify({ verifier, state, query: location.search }));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  const query = new URLSearchParams({
    response_type: "code", client_id: config.client_id, redirect_uri: here(), scope: config.scope, state,
    code_challenge: base64url(new Uint8Array(digest)), code_challenge_method: "S256",
  });
  location.assign(`${config.authorization_endpoint}?${query}`);
}

/** Completes a sign-in that has come back; why it failed, if it did. */
async function finishSignIn() {
  const answer = new URLSearchParams(location.search);
  if (!answer.has("code") && !answer.has("error")) return null;
  const pending = JSON.parse(sessionStorage.getItem(PENDING) ?? "null");
  sessionStorage.removeItem(PENDING);
  history.replaceState(null, "", here() + (pending?.query ?? ""));
  if (answer.has("error")) return answer.get("error_description") ?? answer.get("error");
  if (!pending || pending.state !== answer.get("state")) return "state";
  const response = await fetch(config.token_endpoint, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "authorization_code", client_id: config.client_id, redirect_uri: here(),
      code: answer.get("code") ?? "", code_verifier: pending.verifier,
    }),
  });
  if (!response.ok) return String(response.status);
  const { id_token: token } = await response.json();
  session = { token, claims: claimsOf(token) };
  return null;
}

/** What the token says, for display: the service checks it. @param {string} token */
function claimsOf(token) {
  const bytes = Uint8Array.from(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

async function translate() {
  const locale = language(localStorage.getItem(LANGUAGE));
  text = await messages(locale);
  document.documentElement.lang = locale;
  document.title = `${text.title} · Daybook`;
  $("language").value = locale;
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = text[/** @type {HTMLElement} */ (element).dataset.text ?? ""];
  }
  $("log").setAttribute("locale", locale);
}

/** @param {string} message */
function welcome(message) {
  session = null;
  $("log").hidden = true;
  $("welcome").hidden = false;
  $("sign-out").hidden = true;
  $("who").textContent = "";
  $("welcome-text").textContent = message;
}

function open() {
  const { claims } = /** @type {NonNullable<typeof session>} */ (session);
  const name = claims.name ?? claims.email ?? claims["cognito:username"] ?? claims.sub;
  const partner = claims["custom:partner_id"] ?? "";
  $("welcome").hidden = true;
  $("sign-out").hidden = false;
  $("who").textContent = fill("signedInAs", { name, partner });
  const log = $("log");
  log.getToken = async () => {
    if (!session || session.claims.exp * 1000 < Date.now()) return null;
    return session.token;
  };
  log.setAttribute("subscriptions-url", config.subscriptions_url ?? "");
  log.setAttribute("api", config.api);
  log.setAttribute("partner", partner);
  log.hidden = false;
}

$("sign-in").addEventListener("click", signIn);
$("sign-out").addEventListener("click", () => {
  session = null;
  location.assign(`${config.end_session_endpoint}?${new URLSearchParams({ client_id: config.client_id, logout_uri: here() })}`);
});
$("language").addEventListener("change", async () => {
  localStorage.setItem(LANGUAGE, $("language").value);
  await translate();
});
$("log").addEventListener("daybook-unauthorized", () => {
  welcome(text.sessionOver);
  $("sign-in").focus();
});

await translate();
try {
  config = await (await fetch("config.json")).json();
  const failure = await finishSignIn();
  if (session) open();
  else welcome(failure ? fill("signInFailed", { reason: failure }) : text.signInFirst);
} catch {
  welcome(text.offline);
}
