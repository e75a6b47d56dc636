// A page with one fault of every kind the harness looks for, and a relying party that
// is called back: so that the harness itself is tested.

import { createServer } from 'node:http'
import { journey } from '../lib.mjs'

const strict = "default-src 'none'; script-src 'self'; style-src 'self'; img-src *; form-action *; require-trusted-types-for 'script'; trusted-types 'none'"
const document = (title, main) => `<!doctype html><html lang="en"><head><title>${title}</title><meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="/style.css"></head><body><main><h1>${title}</h1>${main}</main></body></html>`

const pages = {
  '/style.css': ['text/css', '.wide { width: 2000px }'],
  '/broken.js': ['text/javascript', "console.error('an error on the console'); throw new Error('an error nobody caught')"],
  '/markup.js': ['text/javascript', "document.querySelector('h1').innerHTML = '<b>markup</b>'"],
  '/inline': ['text/html', document('Inline', '<script>document.title = "ran"</script>')],
  '/markup': ['text/html', document('Markup', '<script src="/markup.js"></script>')],
  '/styled': ['text/html', document('Styled', '<p style="color: red">red</p>')],
  '/image': ['text/html', document('Image', '<img src="/style.css">')],
  '/noscript': ['text/html', document('No script', '<noscript><img src="/style.css"></noscript>')],
  '/wide': ['text/html', document('Wide', '<p class="wide">wide</p>')],
  '/host': ['text/html', document('Host', '<img alt="" src="http://127.0.0.2:8420/spy.png">')],
  '/broken': ['text/html', document('Broken', '<script src="/broken.js"></script>')],
  '/good': ['text/html', document('Good', '<p>Nothing is wrong here.</p>')],
  '/silent': ['text/html', document('Silent', '<button>Nothing happens</button>')],
}

await journey(async j => {
  const server = createServer((req, res) => {
    const [kind, text] = pages[req.url] ?? []
    res.writeHead(kind ? 200 : 404, { 'Content-Type': kind ?? 'text/html', 'Content-Security-Policy': strict })
    res.end(text ?? document('Missing', '<p>There is no such page.</p>'))
  })
  await new Promise(up => server.listen(0, '127.0.0.1', up))
  const base = `http://127.0.0.1:${server.address().port}`
  j.allow(base)
  const p = await j.party()
  try {
    await j.each(async v => {
      for (const name of ['inline', 'markup', 'styled', 'image', 'noscript', 'wide', 'host', 'broken', 'good', 'missing']) {
        await v.go(`${base}/${name}`, name)
      }
      await v.sees(v.button('Sign in'), 'missing', 500)
    }, { schemes: ['light'], widths: [1280, 320], scripts: [true, false] })
    const [v] = await j.open({ schemes: ['dark'], widths: [320], scripts: [false] })
    await v.go(p.front(base + '/good'), 'party')
    await v.follow('Sign in', 'party-link', { until: base + '/good' })
    await v.go(`${p.callback}?code=a%26b&state=s`, 'party-called')
    const { method, path, query } = await p.next()
    v.demand(false, 'party-called', JSON.stringify({ method, path, query }))
    await j.walk([v], async () => {
      await v.go(base + '/silent', 'silent')
      v.context.setDefaultTimeout(500)
      await v.press('Nothing happens', 'never')
    })
    await j.measure(base + '/silent', 'silent')
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
