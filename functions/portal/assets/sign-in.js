// Signs people in by OpenID Connect: authorization code with PKCE, state and nonce. `oauth4webapi` makes the requests and checks
// the answers: `iss`, `aud`, `nonce` and `state`.
// Tokens stay in memory. Session storage keeps verifier, state, nonce and query during the redirect to the sign-in.
// A reload loses the session and gets a new one from the issuer by a redirect, because browsers withhold the issuer's cookies
// in a hidden frame of another site.

import * as oauth from "./vendor/oauth.js";
import { claimsOf } from "./activity-log.js";

const PENDING = "daybook.sign-in";
/** Storage key that says that somebody signed in with this browser and did not sign out. */
const SIGNED_IN = "daybook.signed-in";

/** @typedef {{issuer: string, discovery_url: string, client_id: string, api: string, scope: string, partner_claim: string, roles_claim: string,
 *   customers_claim?: string, subscriptions_url: string, time_zone: string}} Config */
/** The person who signed in, as the token says. @typedef {{name: string, partner: string, roles: string[], timeZone: string}} Person */
/** @typedef {{token: string, person: Person, identity: Record<string, any>, ends: number, refresh: string}} Session `token` is for the API; `ends` is a time of this machine's clock */

/** How long before its end a token is renewed, so that none expires during a request. */
const RENEW_BEFORE_MS = 60_000;
/** Ten years: this machine's clock may be wrong, and the service verifies the times of tokens. */
const CLOCK_TOLERANCE_S = 315_360_000;
/** A running renewal, shared by simultaneous requests. @type {Promise<Session | null> | null} */
let renewing = null;
/** The issuer's endpoints, loaded once. @type {Promise<oauth.AuthorizationServer> | null} */
let issuer = null;

/** The page's address as registered at the sign-in. */
const pageAddress = () => location.origin + location.pathname;

/** A failed sign-in: the key of the text to show, and the issuer's reason. */
export class SignInFailure extends Error {
  /** @param {string} key @param {string} [reason] @param {unknown} [cause] */
  constructor(key, reason = "", cause = undefined) {
    super(reason, { cause });
    this.key = key;
  }
}

const OPTIONS = {
  /** @param {string} url @param {RequestInit} options */
  [oauth.customFetch]: async (url, options) => {
    try {
      return await fetch(url, options);
    } catch (error) {
      throw new SignInFailure("offline", "", error);
    }
  },
  // A page that came by https is not let down: browsers block its requests to http.
  [oauth.allowInsecureRequests]: location.protocol === "http:",
};

/** Returns what to tell the person about an error of the sign-in. @param {any} error @returns {SignInFailure} */
function failure(error) {
  if (error instanceof SignInFailure) return error;
  const isAnswer = error instanceof oauth.AuthorizationResponseError || error instanceof oauth.ResponseBodyError;
  return isAnswer ? new SignInFailure("signInFailed", error.error_description ?? error.error) : new SignInFailure("signInFailed", error.message, error);
}

/** Loads the issuer's endpoints. @param {Config} config @returns {Promise<oauth.AuthorizationServer>} or a SignInFailure */
async function discover(config) {
  issuer ??= oauth.discoveryRequest(new URL(config.discovery_url || config.issuer), OPTIONS)
    .then((response) => oauth.processDiscoveryResponse(new URL(config.issuer), response));
  try {
    return await issuer;
  } catch (error) {
    issuer = null;
    throw failure(error);
  }
}

/** @param {Config} config */
const client = (config) => ({ client_id: config.client_id, [oauth.clockTolerance]: CLOCK_TOLERANCE_S });

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
 * @param {Config} config @param {string} language
 */
export async function signInAgain(config, language) {
  if (!markSignedIn()) return false;
  await discover(config);
  // Removed until the sign-in has succeeded, so that a failure does not redirect again and again.
  markSignedIn(false);
  await redirectToSignIn(config, language, true);
  return true;
}

/** Redirects to the sign-in. @param {Config} config @param {string} language the language of the sign-in's pages */
export const signIn = (config, language) => redirectToSignIn(config, language, false);

/** @param {Config} config @param {string} language @param {boolean} isSilent whether the issuer must not prompt */
async function redirectToSignIn(config, language, isSilent) {
  const { authorization_endpoint: endpoint } = await discover(config);
  const [verifier, state, nonce] = [oauth.generateRandomCodeVerifier(), oauth.generateRandomState(), oauth.generateRandomNonce()];
  sessionStorage.setItem(PENDING, JSON.stringify({ verifier, state, nonce, isSilent, query: location.search }));
  const address = new URL(/** @type {string} */ (endpoint));
  const parameters = {
    response_type: "code", client_id: config.client_id, redirect_uri: pageAddress(), scope: config.scope, state, nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
    // `lang` is the name that Cognito gives to `ui_locales`.
    ui_locales: language, lang: language, ...(isSilent ? { prompt: "none" } : {}),
  };
  for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value);
  location.assign(address);
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
  const server = await discover(config);
  try {
    const parameters = oauth.validateAuthResponse(server, client(config), answer, pending.state);
    const requestedAt = Date.now();
    const response = await oauth.authorizationCodeGrantRequest(server, client(config), oauth.None(), parameters, pageAddress(), pending.verifier, OPTIONS);
    const tokens = await oauth.processAuthorizationCodeResponse(server, client(config), response, { expectedNonce: pending.nonce, requireIdToken: true });
    const session = sessionOf(config, tokens, requestedAt);
    markSignedIn(true);
    return session;
  } catch (error) {
    // No failure is shown, because nobody asked for this sign-in.
    if (error instanceof oauth.AuthorizationResponseError && pending.isSilent) throw new SignInFailure("sessionOver");
    throw failure(error);
  }
}

/**
 * Returns the session of new tokens. The access token is sent where it carries the claims that the service reads, as it is made
 * for that; else the ID token, since Cognito puts a person's attributes there only.
 * @param {Config} config @param {oauth.TokenEndpointResponse} tokens @param {number} requestedAt @param {Session} [previous] @returns {Session}
 */
function sessionOf(config, tokens, requestedAt, previous) {
  const identity = oauth.getValidatedIdTokenClaims(tokens) ?? previous?.identity ?? {};
  const access = claimsOf(tokens.access_token);
  // Without the claim of the customers, where there is one, the service would show nothing.
  const { customers_claim: customers } = config;
  const carriesClaims = access[config.partner_claim] && access[config.roles_claim] && !(customers && identity[customers] && !access[customers]);
  const [token, claims] = carriesClaims ? [tokens.access_token, access] : [tokens.id_token, identity];
  if (!token) throw new SignInFailure("sessionOver");
  const { [config.partner_claim]: partner, [config.roles_claim]: roles = [], exp, iat } = claims;
  return {
    token, identity,
    person: {
      name: identity.name ?? identity.email ?? identity["cognito:username"] ?? identity.sub, partner: partner ?? "",
      roles: Array.isArray(roles) ? roles : String(roles).split(/[\s,]+/).filter(Boolean), timeZone: identity.zoneinfo ?? "",
    },
    // From the token's lifetime, because this machine's clock may be wrong.
    ends: requestedAt + (exp - iat) * 1000,
    refresh: tokens.refresh_token ?? previous?.refresh ?? "",
  };
}

/** Returns the session, renewed if it ends soon, or null after its end. @param {Config} config @param {Session} session @returns {Promise<Session | null>} */
export async function renew(config, session) {
  if (Date.now() < session.ends - RENEW_BEFORE_MS) return session;
  renewing ??= (async () => {
    try {
      const server = await discover(config);
      const requestedAt = Date.now();
      const response = await oauth.refreshTokenGrantRequest(server, client(config), oauth.None(), session.refresh, OPTIONS);
      return sessionOf(config, await oauth.processRefreshTokenResponse(server, client(config), response), requestedAt, session);
    } catch {
      return Date.now() < session.ends ? session : null;
    }
  })().finally(() => { renewing = null; });
  return renewing;
}

/** Signs out here and at the issuer. @param {Config} config */
export async function signOut(config) {
  markSignedIn(false);
  const { end_session_endpoint: endpoint } = await discover(config);
  if (!endpoint) return location.assign(pageAddress());
  const address = new URL(endpoint);
  // `logout_uri` is the name that Cognito gives to `post_logout_redirect_uri`.
  const parameters = { client_id: config.client_id, post_logout_redirect_uri: pageAddress(), logout_uri: pageAddress() };
  for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value);
  location.assign(address);
}
