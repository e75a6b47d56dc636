// Runs certified client libraries against a server: openid-client, oauth4webapi,
// and jose on the tokens they get. Arguments: issuer, PEM of the client's key.
// Prints one line per step; any failure is an exception and a non-zero exit.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import * as oidc from 'openid-client'
import * as oauth from 'oauth4webapi'
import * as jose from 'jose'

const [issuer, keyFile] = process.argv.slice(2)
const key = await jose.importPKCS8(await readFile(keyFile, 'utf8'), 'RS256')
const http = { [oauth.allowInsecureRequests]: true }
const step = (name) => console.log('ok', name)

async function openidClient() {
  const discover = (id, auth) =>
    oidc.discovery(new URL(issuer), id, undefined, auth, { execute: [oidc.allowInsecureRequests] })

  for (const [id, auth] of [
    ['batch', oidc.ClientSecretBasic('demo-batch-secret')],
    ['poster', oidc.ClientSecretPost('poster-secret+%&=')],
    ['signer', oidc.PrivateKeyJwt(key)],
  ]) {
    const config = await discover(id, auth)
    const tokens = await oidc.clientCredentialsGrant(config, { scope: 'read' })
    assert.equal(tokens.token_type, 'bearer')
    assert.equal(tokens.expires_in, 900)
    const jwks = jose.createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri))
    const { payload, protectedHeader } = await jose.jwtVerify(tokens.access_token, jwks, { issuer, typ: 'at+jwt' })
    assert.equal(payload.sub, id)
    assert.equal(payload.client_id, id)
    step(`openid-client ${id}: client_credentials, ${protectedHeader.alg} token verified by jose`)
    const seen = await oidc.tokenIntrospection(config, tokens.access_token)
    assert.equal(seen.active, true)
    await oidc.tokenRevocation(config, tokens.access_token)
    assert.equal((await oidc.tokenIntrospection(config, tokens.access_token)).active, false)
    step(`openid-client ${id}: introspection, revocation`)
  }

  const legacy = await discover('legacy', oidc.ClientSecretBasic('legacy-secret'))
  const first = await oidc.genericGrantRequest(legacy, 'password', {
    username: 'sam', password: 'demo-sam', scope: 'openid profile email',
  })
  const info = await oidc.fetchUserInfo(legacy, first.access_token, oidc.skipSubjectCheck)
  assert.equal(info.preferred_username, 'sam')
  const second = await oidc.refreshTokenGrant(legacy, first.refresh_token)
  assert.notEqual(second.refresh_token, first.refresh_token)
  step('openid-client legacy: password grant, userinfo, refresh')

  const wrong = await discover('batch', oidc.ClientSecretBasic('wrong'))
  await assert.rejects(oidc.clientCredentialsGrant(wrong), (e) => e.status === 401 && e.cause[0].scheme === 'basic')
  step('openid-client: a wrong secret is answered with a Basic challenge')
}

async function oauth4webapi() {
  const url = new URL(issuer)
  const as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { ...http, algorithm: 'oauth2' }))
  const client = { client_id: 'batch' }
  const auth = oauth.ClientSecretBasic('demo-batch-secret')
  const params = new URLSearchParams({ scope: 'read write', resource: 'https://api.example.com' })
  const tokens = await oauth.processClientCredentialsResponse(
    as, client, await oauth.clientCredentialsGrantRequest(as, client, auth, params, http))
  const request = new Request('https://api.example.com/', { headers: { authorization: `Bearer ${tokens.access_token}` } })
  const claims = await oauth.validateJwtAccessToken(as, request, 'https://api.example.com', http)
  assert.equal(claims.scope, 'read write')
  step('oauth4webapi: RFC 8414 discovery, client_credentials with a resource, RFC 9068 token validated')

  const api = { client_id: 'api' }
  const seen = await oauth.processIntrospectionResponse(
    as, api, await oauth.introspectionRequest(as, api, oauth.ClientSecretBasic('demo-api-secret'), tokens.access_token, http))
  assert.equal(seen.active, true)
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, tokens.access_token, http))
  step('oauth4webapi: introspection, revocation')

  const signed = await new jose.SignJWT({})
    .setProtectedHeader({ alg: 'RS256' }).setIssuer('signer').setSubject('ada').setAudience(issuer)
    .setIssuedAt().setExpirationTime('5m').setJti(crypto.randomUUID()).sign(key)
  const signer = { client_id: 'signer' }
  const grant = await oauth.processGenericTokenEndpointResponse(as, signer, await oauth.genericTokenEndpointRequest(
    as, signer, oauth.PrivateKeyJwt(key), 'urn:ietf:params:oauth:grant-type:jwt-bearer', new URLSearchParams({ assertion: signed }), http))
  assert.ok(grant.access_token)
  step('oauth4webapi: jwt-bearer with private_key_jwt')
}

async function everyAlgorithm() {
  const jwks = jose.createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`))
  for (const alg of ['ES256', 'RS256', 'PS256', 'ES384', 'EdDSA']) {
    const id = `alg-${alg}`
    const resp = await fetch(`${issuer}/oauth2/token`, {
      method: 'POST',
      headers: { authorization: 'Basic ' + Buffer.from(`${id}:alg-secret`).toString('base64') },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    })
    assert.equal(resp.status, 200)
    const { access_token } = await resp.json()
    await jwks.reload() // a key made a moment ago
    const { protectedHeader } = await jose.jwtVerify(access_token, jwks, { issuer, typ: 'at+jwt', algorithms: [alg] })
    assert.equal(protectedHeader.alg, alg)
    step(`jose: ${alg}`)
  }
}

await openidClient()
await oauth4webapi()
await everyAlgorithm()
