// A relying party: a web site on a free port of loopback that people are sent back
// to. It keeps what it was called back with.

import { createServer } from 'node:http'

const escape = text => String(text).replace(/[&<>"']/g, c => `&#${c.charCodeAt(0)};`)

const html = (title, main) => `<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>body { color: #111; background: #fff } a { color: #00c } @media (prefers-color-scheme: dark) { body { color: #eee; background: #111 } a { color: #9cf } }</style></head><body><main><h1>${title}</h1>${main}</main></body></html>`

/**
 * Starts one. It listens on 127.0.0.1, so that it is another site than a server
 * reached at localhost.
 *   url, callback     its address, and the one to register
 *   calls             {method, path, query, form, headers}, one for each call back
 *   link              where the link on its first page, "Sign in", leads
 *   next()            resolves to the next call that was not handed out yet
 *   close()
 */
export async function party() {
  const p = { calls: [], link: '/', page: html }
  let taken = 0
  const waiting = []
  const hand = () => { while (waiting.length && taken < p.calls.length) waiting.shift()(p.calls[taken++]) }
  const server = createServer(async (req, res) => {
    const url = new URL(req.url, p.url)
    if (url.pathname === '/favicon.ico') return res.writeHead(204).end()
    res.setHeader('Content-Type', 'text/html; charset=utf-8')
    if (url.pathname === '/') return res.end(html('Relying party', `<p><a href="${escape(p.link)}">Sign in</a></p>`))
    let body = ''
    for await (const chunk of req) body += chunk
    p.calls.push({
      method: req.method, path: url.pathname, query: Object.fromEntries(url.searchParams),
      form: Object.fromEntries(new URLSearchParams(body)), headers: req.headers,
    })
    hand()
    res.end(html('Called back', `<p><a href="/">Back</a></p>`))
  })
  await new Promise((up, down) => server.once('error', down).listen(0, '127.0.0.1', up))
  p.url = `http://127.0.0.1:${server.address().port}`
  p.callback = p.url + '/callback'
  p.next = () => new Promise((found, late) => {
    waiting.push(found)
    setTimeout(() => late(new Error('the relying party was not called back within 10 s')), 10_000).unref()
    hand()
  })
  p.close = () => new Promise(done => { server.close(done); server.closeAllConnections() })
  return p
}
