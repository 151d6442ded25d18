// The part of oauth4webapi that the page uses.

export {
  allowInsecureRequests, authorizationCodeGrantRequest, AuthorizationResponseError, calculatePKCECodeChallenge, clockTolerance, discoveryRequest,
  generateRandomCodeVerifier, generateRandomNonce, generateRandomState, getValidatedIdTokenClaims, None, processAuthorizationCodeResponse,
  processDiscoveryResponse, processRefreshTokenResponse, refreshTokenGrantRequest, ResponseBodyError, validateAuthResponse,
} from "oauth4webapi";
