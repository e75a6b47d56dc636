// The web site's part that oauth4webapi does: each step by hand, each response checked.
import { jose, logoutToken, oauth } from './libs.mjs'

const http = { [oauth.allowInsecureRequests]: true }

export async function client(o) {
  const issuer = new URL(o.issuer)
  const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, http))
  const me = { client_id: o.id, id_token_signed_response_alg: o.alg, userinfo_signed_response_alg: o.userinfoAlg || undefined }
  const auth = oauth.ClientSecretBasic(o.secret)
  const signed = response => oauth.validateApplicationLevelSignature(as, response, http)

  async function user(tokens, before, response) {
    if (tokens.id_token) await signed(response)
    const claims = oauth.getValidatedIdTokenClaims(tokens) ?? before.claims
    const answer = await oauth.userInfoRequest(as, me, tokens.access_token, http)
    const info = await oauth.processUserInfoResponse(as, me, claims.sub, answer)
    const id = tokens.id_token ?? before.id
    if (me.userinfo_signed_response_alg) await signed(answer)
    return { claims, info, id, token: tokens.access_token, refresh: tokens.refresh_token, header: jose.decodeProtectedHeader(id) }
  }
  return {
    async begin(more) {
      const checks = { verifier: oauth.generateRandomCodeVerifier(), state: oauth.generateRandomState(), nonce: oauth.generateRandomNonce(), age: more.max_age === undefined ? undefined : Number(more.max_age) }
      const to = new URL(as.authorization_endpoint)
      to.search = new URLSearchParams({
        client_id: o.id, response_type: 'code', redirect_uri: o.redirect, scope: o.scope, state: checks.state, nonce: checks.nonce,
        code_challenge: await oauth.calculatePKCECodeChallenge(checks.verifier), code_challenge_method: 'S256', ...more,
      })
      return { to, checks }
    },
    async finish(request, { verifier, state, nonce, age }) {
      const sent = request.method === 'POST' ? new URLSearchParams(await request.text()) : new URL(request.url)
      const answer = oauth.validateAuthResponse(as, me, sent, state) // the iss of RFC 9207 too
      const response = await oauth.authorizationCodeGrantRequest(as, me, auth, answer, o.redirect, verifier, http)
      return user(await oauth.processAuthorizationCodeResponse(as, me, response, { expectedNonce: nonce, maxAge: age, requireIdToken: true }), null, response)
    },
    async refresh(was) {
      const response = await oauth.refreshTokenGrantRequest(as, me, auth, was.refresh, http)
      return user(await oauth.processRefreshTokenResponse(as, me, response), was, response)
    },
    end(was, state) {
      const to = new URL(as.end_session_endpoint)
      to.search = new URLSearchParams({ id_token_hint: was.id, post_logout_redirect_uri: o.bye, state })
      return to
    },
    async loggedOut(token) {
      const keys = jose.createRemoteJWKSet(new URL(as.jwks_uri))
      return logoutToken(await jose.jwtVerify(token, keys, { issuer: o.issuer, audience: o.id, typ: 'logout+jwt' }))
    },
  }
}
