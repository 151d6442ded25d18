// The part of oauth4webapi that the page uses.

export {
  allowInsecureRequests, authorizationCodeGrantRequest, AuthorizationResponseError, calculatePKCECodeChallenge, clockTolerance, customFetch,
  discoveryRequest, generateRandomCodeVerifier, generateRandomNonce, generateRandomState, getValidatedIdTokenClaims, None,
  processAuthorizationCodeResponse, processDiscoveryResponse, processRefreshTokenResponse, refreshTokenGrantRequest, ResponseBodyError, validateAuthResponse,
} from "oauth4webapi";
export type { AuthorizationServer, TokenEndpointResponse } from "oauth4webapi";
