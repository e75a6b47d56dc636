// The web site's part that openid-client does.
import { jose, logoutToken, openid } from './libs.mjs'

export async function client(o) {
  const metadata = { id_token_signed_response_alg: o.alg, userinfo_signed_response_alg: o.userinfoAlg || undefined }
  const config = await openid.discovery(new URL(o.issuer), o.id, metadata, openid.ClientSecretBasic(o.secret), { execute: [openid.allowInsecureRequests] })
  openid.enableNonRepudiationChecks(config) // verify signatures, TLS or not
  const keys = jose.createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri))

  const user = async (tokens, before) => {
    const claims = tokens.claims() ?? before.claims
    const info = await openid.fetchUserInfo(config, tokens.access_token, claims.sub)
    const id = tokens.id_token ?? before.id
    return { claims, info, id, token: tokens.access_token, refresh: tokens.refresh_token, header: jose.decodeProtectedHeader(id) }
  }
  return {
    async begin(more) {
      const checks = { pkceCodeVerifier: openid.randomPKCECodeVerifier(), expectedState: openid.randomState(), expectedNonce: openid.randomNonce() }
      if (more.max_age !== undefined) checks.maxAge = Number(more.max_age)
      const to = openid.buildAuthorizationUrl(config, {
        redirect_uri: o.redirect, scope: o.scope, state: checks.expectedState, nonce: checks.expectedNonce,
        code_challenge: await openid.calculatePKCECodeChallenge(checks.pkceCodeVerifier), code_challenge_method: 'S256', ...more,
      })
      return { to, checks }
    },
    finish: async (request, checks) => user(await openid.authorizationCodeGrant(config, request, { idTokenExpected: true, ...checks })),
    refresh: async was => user(await openid.refreshTokenGrant(config, was.refresh), was),
    end: (was, state) => openid.buildEndSessionUrl(config, { id_token_hint: was.id, post_logout_redirect_uri: o.bye, state }),
    loggedOut: async token => logoutToken(await jose.jwtVerify(token, keys, { issuer: o.issuer, audience: o.id, typ: 'logout+jwt' })),
  }
}
