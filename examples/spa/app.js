// A single-page application that signs people in, without a library.
// docs/quickstart/single-page-app.md goes through it.

const issuer = new URLSearchParams(location.search).get('issuer') ?? sessionStorage.getItem('issuer') ?? 'http://127.0.0.1:8420'
const client = 'spa'
const redirect = location.origin + '/'
sessionStorage.setItem('issuer', issuer)

const base64url = bytes => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)))
const digest = async text => base64url(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))

const discovery = await (await fetch(issuer + '/.well-known/openid-configuration')).json()
if (discovery.issuer !== issuer) throw new Error('this is the description of another server')

// Tokens are kept in this variable and nowhere else: what is in storage, every script
// that gets into the page can read later. After a reload signing in again gives new
// ones, and shows no page while the browser's session at the server lives.
let tokens = null

async function signIn() {
  const flow = { state: random(), nonce: random(), verifier: random() }
  sessionStorage.setItem('flow', JSON.stringify(flow))
  const q = new URLSearchParams({
    response_type: 'code', client_id: client, redirect_uri: redirect, scope: 'openid profile email', state: flow.state, nonce: flow.nonce,
    code_challenge: await digest(flow.verifier), code_challenge_method: 'S256',
  })
  location.assign(discovery.authorization_endpoint + '?' + q)
}

// One request to the token endpoint. A public client has no secret: PKCE and the
// redirect URI are what binds the code to this page.
async function token(parameters) {
  const answer = await fetch(discovery.token_endpoint, { method: 'POST', body: new URLSearchParams({ client_id: client, ...parameters }) })
  const body = await answer.json()
  if (!answer.ok) throw new Error(body.error)
  return body
}

async function comeBack(q) {
  const flow = JSON.parse(sessionStorage.getItem('flow') ?? '{}')
  sessionStorage.removeItem('flow')
  history.replaceState(null, '', redirect) // the code is used up; it need not stand in the address
  if (q.get('state') !== flow.state || q.get('iss') !== issuer) throw new Error('an answer nobody here asked for')
  if (q.has('error')) return q.get('error')
  tokens = await token({ grant_type: 'authorization_code', code: q.get('code'), redirect_uri: redirect, code_verifier: flow.verifier })
  const claims = JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(tokens.id_token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')), c => c.charCodeAt(0))))
  if (claims.nonce !== flow.nonce) throw new Error('an ID token nobody here asked for')
}

// Every refresh gives a new refresh token and ends the old one, so only one may run.
const refresh = () => navigator.locks.request('refresh', async () => {
  tokens = { ...tokens, ...await token({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token }) }
})

async function show(problem) {
  const text = document.getElementById('who')
  for (const id of ['in', 'again', 'out']) document.getElementById(id).hidden = (id === 'in') === (tokens !== null)
  if (tokens === null) return text.textContent = problem ? 'Not signed in: ' + problem : 'Not signed in'
  const person = await (await fetch(discovery.userinfo_endpoint, { headers: { Authorization: 'Bearer ' + tokens.access_token } })).json()
  text.textContent = 'Signed in as ' + person.email
}

const on = (id, what) => document.getElementById(id).addEventListener('click', () => what().catch(e => show(e.message)))
on('in', () => signIn())
on('again', async () => { await refresh(); await show(); document.getElementById('who').textContent += ', refreshed' })
on('out', async () => location.assign(discovery.end_session_endpoint + '?' + new URLSearchParams({ id_token_hint: tokens.id_token, post_logout_redirect_uri: redirect })))

const q = new URLSearchParams(location.search)
let problem = null
try { if (q.has('state')) problem = await comeBack(q) } catch (e) { problem = e.message }
await show(problem)
