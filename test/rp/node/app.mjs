// A web site that people sign in to, in a few lines over a client library. The first
// argument names the library's part (openid-client, oauth4webapi), the second is JSON:
// {issuer, id, secret, scope, alg, userinfoAlg}. It prints its address when it listens and
// ends with a signal.
//   GET  /                 what is known of whoever is signed in, as JSON
//   GET  /login?prompt=…   begins; what stands in the query is sent along
//   *    /callback         where the server sends people back to
//   GET  /refresh          new tokens for the refresh token, and userinfo with them
//   GET  /logout           ends the session here, then at the server
//   GET  /bye?state        where the server sends people after that
//   POST /backchannel      a logout token (OpenID Connect Back-Channel Logout §2.4)
// What a library throws is shown with status 502.

import { createServer } from 'node:http'
import { randomUUID } from 'node:crypto'

const [library, settings] = process.argv.slice(2)
const sessions = new Map() // by cookie: {checks, user}

const server = createServer((req, res) => answer(req, res).catch(e => {
  show(res, 502, { error: e.error ?? e.code ?? e.name, message: e.message, cause: String(e.cause?.message ?? e.cause ?? '') })
}))
await new Promise(up => server.listen(0, '127.0.0.1', up))
const own = `http://127.0.0.1:${server.address().port}`
const { client } = await import(`./${library}.mjs`)
const party = await client({ ...JSON.parse(settings), redirect: own + '/callback', bye: own + '/bye' })
process.stdout.write(own + '\n')

async function answer(req, res) {
  const url = new URL(req.url, own)
  switch (url.pathname) {
    case '/bye':
      return show(res, 200, { signedOut: true, state: url.searchParams.get('state') })
    case '/backchannel':
      return backchannel(req, res)
  }
  const s = session(req, res)
  switch (url.pathname) {
    case '/':
      return show(res, 200, { ...s.user })
    case '/login': {
      const { to, checks } = await party.begin(Object.fromEntries(url.searchParams))
      s.checks = checks
      return go(res, to)
    }
    case '/callback': {
      const { checks } = s
      delete s.checks
      s.user = await party.finish(new Request(url, { method: req.method, headers: { 'content-type': req.headers['content-type'] ?? '' }, body: await body(req) }), checks)
      return go(res, '/')
    }
    case '/refresh':
      s.user = await party.refresh(s.user)
      return go(res, '/')
    case '/logout': {
      const to = party.end(s.user, 'bye & <state>')
      delete s.user
      return go(res, to)
    }
  }
  res.writeHead(404).end()
}

/**
 * The session of this browser. A form from the server's site must bring its cookie
 * (response_mode form_post), so it is SameSite=None; browsers take Secure from loopback.
 */
function session(req, res) {
  const id = /(?:^|; )app=([^;]+)/.exec(req.headers.cookie ?? '')?.[1] ?? randomUUID()
  if (!sessions.has(id)) {
    sessions.set(id, {})
    res.setHeader('Set-Cookie', `app=${id}; Path=/; HttpOnly; Secure; SameSite=None`)
  }
  return sessions.get(id)
}

/** Ends the sessions a logout token names. */
async function backchannel(req, res) {
  const { sid, sub } = await party.loggedOut(new URLSearchParams(await body(req)).get('logout_token') ?? '')
  for (const s of sessions.values()) {
    if (s.user && (sid ? s.user.claims.sid === sid : s.user.claims.sub === sub)) delete s.user
  }
  res.writeHead(200, { 'Cache-Control': 'no-store' }).end()
}

async function body(req) {
  let text = ''
  for await (const chunk of req) text += chunk
  return text || undefined
}

function go(res, to) { res.writeHead(302, { Location: String(to) }).end() }

function show(res, status, what) {
  res.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-store' })
  const text = JSON.stringify(what).replace(/[&<>]/g, c => `&#${c.charCodeAt(0)};`)
  res.end(`<!doctype html><html lang="en"><head><title>Site</title><link rel="icon" href="data:,"></head><body>${text}</body></html>`)
}
