// A relying party: a web site on loopback that sends people to the server and that
// they are sent back to. It keeps what it was called back with.

import { createServer } from 'node:http'

const escape = text => String(text).replace(/[&<>"']/g, c => `&#${c.charCodeAt(0)};`)

const html = (title, main) => `<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>body { color: #111; background: #fff } a { color: #00c } @media (prefers-color-scheme: dark) { body { color: #eee; background: #111 } a { color: #9cf } }</style></head><body><main><h1>${title}</h1>${main}</main></body></html>`

/** Its first page: a link, or a form, that leads to an address. */
function front({ to, how }) {
  if (how !== 'form') return html('Relying party', `<p><a href="${escape(to ?? '/')}">Sign in</a></p>`)
  const url = new URL(to)
  const fields = [...url.searchParams].map(([name, value]) => `<input type="hidden" name="${escape(name)}" value="${escape(value)}">`)
  return html('Relying party', `<form method="post" action="${escape(url.origin + url.pathname)}">${fields.join('')}<button>Sign in</button></form>`)
}

/**
 * Starts one, on a free port or at the socket that is open under a number (door). It
 * listens on 127.0.0.1, so that it is another site than a server reached at localhost.
 *   url, callback     its address, and the one to register
 *   front(to)         the address of its first page, whose link "Sign in" leads to an address
 *   form(to)          the same with a form that posts the parameters of the address
 *   home              where callback sends people on by itself, as most such sites do
 *   calls             {method, path, query, form, headers}, one for each call back
 *   next(state)       resolves to the next call (with that state) that was not handed out yet
 *   hold(state)       the next call with that state is not answered: its browser stays where it is
 *   close()
 */
export async function party(door) {
  const p = { calls: [], home: '' }
  const held = new Set()
  const server = createServer(async (req, res) => {
    const url = new URL(req.url, p.url)
    if (url.pathname === '/favicon.ico') return res.writeHead(204).end()
    res.setHeader('Content-Type', 'text/html; charset=utf-8')
    const query = Object.fromEntries(url.searchParams)
    if (url.pathname === '/') return res.end(front(query))
    if (url.pathname === p.home) return res.end(html('Signed in here', `<p><a href="/">Back</a></p>`))
    let body = ''
    for await (const chunk of req) body += chunk
    const form = Object.fromEntries(new URLSearchParams(body))
    if (held.delete(query.state ?? form.state)) return res.writeHead(204).end()
    p.calls.push({ method: req.method, path: url.pathname, query, form, headers: req.headers })
    if (p.home) return res.writeHead(303, { Location: p.home }).end()
    res.end(html('Called back', `<p><a href="/">Back</a></p>`))
  })
  await new Promise((up, down) => server.once('error', down).listen(door ? { fd: door } : { port: 0, host: '127.0.0.1' }, up))
  p.url = `http://127.0.0.1:${server.address().port}`
  p.callback = p.url + '/callback'
  p.front = to => p.url + '/?' + new URLSearchParams({ to })
  p.form = to => p.url + '/?' + new URLSearchParams({ to, how: 'form' })
  p.hold = state => held.add(state)
  const handed = new Set()
  p.next = async state => {
    for (const began = Date.now(); Date.now() - began < 10_000; await new Promise(soon => setTimeout(soon, 20))) {
      const call = p.calls.find(c => !handed.has(c) && (state === undefined || (c.query.state ?? c.form.state) === state))
      if (call) return handed.add(call), call
    }
    throw new Error('the relying party was not called back within 10 s')
  }
  p.close = () => new Promise(done => { server.close(done); server.closeAllConnections() })
  return p
}
