// Signs people in by OpenID Connect: authorization code with PKCE (RFC 7636).
// Tokens stay in memory; what must survive the way to the sign-in and back is the verifier, the state and the query.
// A reload therefore loses the session, and gets one anew from the issuer's own: by a redirect, since browsers keep the
// issuer's cookies from a hidden frame of another site.

const PENDING = "daybook.sign-in";
/** That somebody signed in with this browser, and did not leave: worth asking the issuer. */
const SIGNED_IN = "daybook.signed-in";

/** @typedef {{issuer: string, client_id: string, api: string, authorization_endpoint: string, token_endpoint: string,
 *   end_session_endpoint: string, scope: string, subscriptions_url: string, time_zone: string}} Config */
/** @typedef {{token: string, claims: Record<string, any>, ends: number, refresh: string}} Session `ends` on this machine's clock */

/** A token is renewed so long before its end, so that none ends on its way. */
const AHEAD_MS = 60_000;
/** A renewal that is on its way: whoever asks meanwhile waits for it. @type {Promise<Session | null> | null} */
let renewing = null;

/** The page's own address, as the sign-in knows it. */
const here = () => location.origin + location.pathname;

/** @param {Uint8Array} bytes */
const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

/** What failed, by the key of its text, and what the sign-in said about it. */
export class SignInFailure extends Error {
  /** @param {string} key @param {string} [reason] @param {unknown} [cause] */
  constructor(key, reason = "", cause = undefined) {
    super(reason, { cause });
    this.key = key;
  }
}

/** @param {boolean} [signedIn] to remember it or to forget it @returns {boolean} whether it was remembered */
function signedInHere(signedIn) {
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
 * Leaves for the sign-in without asking anybody, where somebody signed in before: an issuer that still has their session
 * sends the browser back with it. Says whether it leaves.
 * @param {Config} config
 */
export async function signInAgain(config) {
  // Forgotten until it has worked, so that the way back from the issuer leads to the page and not to the issuer again.
  if (!signedInHere(false)) return false;
  await leave(config, true);
  return true;
}

/** Leaves for the sign-in. @param {Config} config */
export const signIn = (config) => leave(config, false);

/** @param {Config} config @param {boolean} isSilent whether the issuer may ask for nothing */
async function leave(config, isSilent) {
  const verifier = random();
  const state = random();
  sessionStorage.setItem(PENDING, JSON.stringify({ verifier, state, isSilent, query: location.search }));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  const query = new URLSearchParams({
    response_type: "code", client_id: config.client_id, redirect_uri: here(), scope: config.scope, state,
    code_challenge: base64url(new Uint8Array(digest)), code_challenge_method: "S256", ...(isSilent ? { prompt: "none" } : {}),
  });
  location.assign(`${config.authorization_endpoint}?${query}`);
}

/**
 * Completes a sign-in that has come back; null where none has. The query that was left is in the address again.
 * @param {Config} config @returns {Promise<Session | null>} or a SignInFailure
 */
export async function finishSignIn(config) {
  const answer = new URLSearchParams(location.search);
  const isAnswer = answer.has("state") && (answer.has("code") || answer.has("error"));
  if (!isAnswer) return null;
  const pending = JSON.parse(sessionStorage.getItem(PENDING) ?? "null");
  sessionStorage.removeItem(PENDING);
  history.replaceState(null, "", here() + (pending?.query ?? ""));
  if (!pending || pending.state !== answer.get("state")) throw new SignInFailure("signInStale");
  // Whoever did not ask to sign in is not told that it failed.
  if (answer.has("error") && pending.isSilent) throw new SignInFailure("sessionOver");
  if (answer.has("error")) throw new SignInFailure("signInFailed", answer.get("error_description") ?? answer.get("error") ?? "");
  const asked = Date.now();
  let response;
  try {
    response = await fetch(config.token_endpoint, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "authorization_code", client_id: config.client_id, redirect_uri: here(),
        code: answer.get("code") ?? "", code_verifier: pending.verifier,
      }),
    });
  } catch (error) {
    throw new SignInFailure("offline", "", error);
  }
  if (!response.ok) throw new SignInFailure("signInFailed", String(response.status));
  const session = sessionOf(await response.json(), asked);
  signedInHere(true);
  return session;
}

/** @param {{id_token: string, refresh_token?: string}} answer @param {number} asked @param {string} [refresh] the token to renew with, where there is no newer one @returns {Session} */
function sessionOf({ id_token: token, refresh_token }, asked, refresh = "") {
  const claims = claimsOf(token);
  // The lifetime, not the end: the clock of this machine may be wrong.
  return { token, claims, ends: asked + (claims.exp - claims.iat) * 1000, refresh: refresh_token ?? refresh };
}

/** The session, renewed when it ends soon; null when it has ended for good. @param {Config} config @param {Session} session @returns {Promise<Session | null>} */
export async function renew(config, session) {
  const standing = () => (Date.now() < session.ends ? session : null);
  if (Date.now() < session.ends - AHEAD_MS) return session;
  if (!session.refresh) return standing();
  renewing ??= (async () => {
    const asked = Date.now();
    try {
      const response = await fetch(config.token_endpoint, {
        method: "POST",
        body: new URLSearchParams({ grant_type: "refresh_token", client_id: config.client_id, refresh_token: session.refresh }),
      });
      return response.ok ? sessionOf(await response.json(), asked, session.refresh) : standing();
    } catch {
      return standing();
    }
  })().finally(() => { renewing = null; });
  return renewing;
}

/** Leaves through the sign-in, which forgets the person too. @param {Config} config */
export function signOut(config) {
  signedInHere(false);
  location.assign(`${config.end_session_endpoint}?${new URLSearchParams({ client_id: config.client_id, logout_uri: here() })}`);
}

/** What the token says, for display: the service checks it. @param {string} token */
function claimsOf(token) {
  const bytes = Uint8Array.from(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}
