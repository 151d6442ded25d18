// Signs people in by OpenID Connect: authorization code with PKCE (RFC 7636).
// Tokens stay in memory. Session storage keeps verifier, state and query during the redirect to the sign-in.
// A reload loses the session and gets a new one from the issuer by a redirect, because browsers withhold the issuer's cookies
// in a hidden frame of another site.

const PENDING = "daybook.sign-in";
/** Storage key that says that somebody signed in with this browser and did not sign out. */
const SIGNED_IN = "daybook.signed-in";

/** @typedef {{issuer: string, client_id: string, api: string, authorization_endpoint: string, token_endpoint: string,
 *   end_session_endpoint: string, scope: string, subscriptions_url: string, time_zone: string}} Config */
/** @typedef {{token: string, claims: Record<string, any>, ends: number, refresh: string}} Session `ends` is a time of this machine's clock */

/** How long before its end a token is renewed, so that none expires during a request. */
const RENEW_BEFORE_MS = 60_000;
/** A running renewal, shared by simultaneous requests. @type {Promise<Session | null> | null} */
let renewing = null;

/** The page's address as registered at the sign-in. */
const pageAddress = () => location.origin + location.pathname;

/** @param {Uint8Array} bytes */
const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

/** A failed sign-in: the key of the text to show, and the issuer's reason. */
export class SignInFailure extends Error {
  /** @param {string} key @param {string} [reason] @param {unknown} [cause] */
  constructor(key, reason = "", cause = undefined) {
    super(reason, { cause });
    this.key = key;
  }
}

/** Stores or removes the mark that somebody signed in here. @param {boolean} [signedIn] @returns {boolean} whether the mark was set before */
function markSignedIn(signedIn) {
  try {
    const known = localStorage.getItem(SIGNED_IN) !== null;
    if (signedIn === true) localStorage.setItem(SIGNED_IN, "yes");
    else if (signedIn === false) localStorage.removeItem(SIGNED_IN);
    return known;
  } catch {
    return false;
  }
}

/**
 * Redirects to the sign-in without a prompt if somebody signed in here before. An issuer with a live session answers with a new
 * token. Returns whether it redirects.
 * @param {Config} config
 */
export async function signInAgain(config) {
  // Removed until the sign-in has succeeded, so that a failure does not redirect again and again.
  if (!markSignedIn(false)) return false;
  await redirectToSignIn(config, true);
  return true;
}

/** Redirects to the sign-in. @param {Config} config */
export const signIn = (config) => redirectToSignIn(config, false);

/** @param {Config} config @param {boolean} isSilent whether the issuer must not prompt */
async function redirectToSignIn(config, isSilent) {
  const verifier = random();
  const state = random();
  sessionStorage.setItem(PENDING, JSON.stringify({ verifier, state, isSilent, query: location.search }));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  const query = new URLSearchParams({
    response_type: "code", client_id: config.client_id, redirect_uri: pageAddress(), scope: config.scope, state,
    code_challenge: base64url(new Uint8Array(digest)), code_challenge_method: "S256", ...(isSilent ? { prompt: "none" } : {}),
  });
  location.assign(`${config.authorization_endpoint}?${query}`);
}

/**
 * Completes a sign-in after the redirect back, or returns null. Restores the query in the address.
 * @param {Config} config @returns {Promise<Session | null>} or a SignInFailure
 */
export async function finishSignIn(config) {
  const answer = new URLSearchParams(location.search);
  const isAnswer = answer.has("state") && (answer.has("code") || answer.has("error"));
  if (!isAnswer) return null;
  const pending = JSON.parse(sessionStorage.getItem(PENDING) ?? "null");
  sessionStorage.removeItem(PENDING);
  history.replaceState(null, "", pageAddress() + (pending?.query ?? ""));
  if (!pending || pending.state !== answer.get("state")) throw new SignInFailure("signInStale");
  // No failure is shown, because nobody asked for this sign-in.
  if (answer.has("error") && pending.isSilent) throw new SignInFailure("sessionOver");
  if (answer.has("error")) throw new SignInFailure("signInFailed", answer.get("error_description") ?? answer.get("error") ?? "");
  const requestedAt = Date.now();
  let response;
  try {
    response = await fetch(config.token_endpoint, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "authorization_code", client_id: config.client_id, redirect_uri: pageAddress(),
        code: answer.get("code") ?? "", code_verifier: pending.verifier,
      }),
    });
  } catch (error) {
    throw new SignInFailure("offline", "", error);
  }
  if (!response.ok) throw new SignInFailure("signInFailed", String(response.status));
  const session = sessionOf(await response.json(), requestedAt);
  markSignedIn(true);
  return session;
}

/** @param {{id_token: string, refresh_token?: string}} answer @param {number} requestedAt @param {string} [refresh] the token to renew with, where there is no newer one @returns {Session} */
function sessionOf({ id_token: token, refresh_token }, requestedAt, refresh = "") {
  const claims = claimsOf(token);
  // From the token's lifetime, because this machine's clock may be wrong.
  return { token, claims, ends: requestedAt + (claims.exp - claims.iat) * 1000, refresh: refresh_token ?? refresh };
}

/** Returns the session, renewed if it ends soon, or null after its end. @param {Config} config @param {Session} session @returns {Promise<Session | null>} */
export async function renew(config, session) {
  const unlessEnded = () => (Date.now() < session.ends ? session : null);
  if (Date.now() < session.ends - RENEW_BEFORE_MS) return session;
  if (!session.refresh) return unlessEnded();
  renewing ??= (async () => {
    const requestedAt = Date.now();
    try {
      const response = await fetch(config.token_endpoint, {
        method: "POST",
        body: new URLSearchParams({ grant_type: "refresh_token", client_id: config.client_id, refresh_token: session.refresh }),
      });
      return response.ok ? sessionOf(await response.json(), requestedAt, session.refresh) : unlessEnded();
    } catch {
      return unlessEnded();
    }
  })().finally(() => { renewing = null; });
  return renewing;
}

/** Signs out here and at the issuer. @param {Config} config */
export function signOut(config) {
  markSignedIn(false);
  location.assign(`${config.end_session_endpoint}?${new URLSearchParams({ client_id: config.client_id, logout_uri: pageAddress() })}`);
}

/** Reads the token's claims for display; the service verifies the token. @param {string} token */
function claimsOf(token) {
  const bytes = Uint8Array.from(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}
