// What must be true of every page, whoever looks at it: the watch collects what goes
// wrong while pages load, look asks the page that is there.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const options = {
  runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] },
  rules: { 'target-size': { enabled: true } }, // WCAG 2.2 §2.5.8; off unless asked for
  resultTypes: ['violations'],
}

// A browser reports the status of a page itself as an error too; that status is
// compared with the expected one instead.
const statusOfPage = /^Failed to load resource: the server responded with a status of/

// A browser that is to open an application may want a click first; then the page's
// link is the way, which the journey demands.
const waitsForAClick = /^Not allowed to launch '[a-z][a-z0-9.+-]*:[^']*' because a user gesture is required\.$/

/**
 * Watch collects, over every page of a context: console errors ("console"), what a
 * Content-Security-Policy or Trusted Types stopped ("csp"), uncaught errors of
 * scripts ("script"), and requests to hosts that are not ours ("host").
 */
export class Watch {
  found = [] // {rule, text}
  status = 0 // of the page shown last

  /** @param hosts Set of host:port that may be asked. */
  constructor(context, hosts) {
    this.hosts = hosts
    context.on('console', m => this.#console(m))
    context.on('weberror', e => this.#add('script', String(e.error())))
    context.on('request', r => this.#asked(r.url()))
    context.on('response', r => {
      if (r.status() === 204) return // no page: the browser stays where it is
      if (r.request().isNavigationRequest() && !r.frame().parentFrame()) this.status = r.status()
    })
  }

  /** Watches what only the browser's own protocol tells of a page, with scripts or without. */
  async page(page, scripts) {
    page.on('websocket', s => this.#asked(s.url()))
    const cdp = await page.context().newCDPSession(page)
    cdp.on('Audits.issueAdded', ({ issue }) => {
      const d = issue.details.contentSecurityPolicyIssueDetails
      if (d) this.#add('csp', `${d.violatedDirective} stopped ${d.blockedURL || d.contentSecurityPolicyViolationType}`)
    })
    await cdp.send('Audits.enable')
    if (!scripts) await letScripts(cdp, false)
    return cdp
  }

  /** Everything found since the last call. */
  take() { return this.found.splice(0) }

  #add(rule, text) {
    if (!this.found.some(f => f.rule === rule && f.text === text)) this.found.push({ rule, text })
  }

  #console(m) {
    if (m.type() !== 'error') return
    const text = m.text()
    if (/Content Security Policy|TrustedScript|TrustedHTML|^Refused to /.test(text)) return this.#add('csp', text)
    if (statusOfPage.test(text) && m.location().url === m.page()?.url()) return
    if (waitsForAClick.test(text)) return
    this.#add('console', text)
  }

  #asked(address) {
    const url = new URL(address)
    if (/^(https?|wss?):$/.test(url.protocol) && !this.hosts.has(url.host)) this.#add('host', `asks ${url.origin}`)
  }
}

// What differs between two pages that look the same: tokens of forms, sealed requests,
// codes, ids, the number of a user.
const own = /\b(?:name="(?:token|r|code|state)" value="|(?:r|code|state|id)=)[^"&]*|\b(?:ada|bea|due)\d+|\b01[0-9A-Z]{8,24}\b/g

/**
 * Look asks the page that is shown whether it scrolls sideways ("sideways") and what
 * axe-core finds in it ("axe"). The cell says how it is shown. before is a Map of the
 * pages looked at already: the same markup in the same window and colours is not
 * examined twice, with scripts and without, and what was found there is found again.
 */
export async function look(page, cdp, cell, before) {
  const markup = await page.content()
  const scripts = markup.includes('<noscript') ? cell.scripts : ''
  const key = createHash('sha256').update(`${cell.scheme} ${cell.width} ${scripts} ${markup.replace(own, '')}`).digest('hex')
  const known = before.has(key)
  if (!known) before.set(key, examine(page, cdp, cell))
  return { known, found: await before.get(key) }
}

async function examine(page, cdp, { width, scripts }) {
  const found = []
  const [wide, seen] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth])
  if (wide > seen || seen > width) found.push({ rule: 'sideways', text: `${Math.max(wide, seen)} px of page in ${width} px of window` })
  for (const v of await accessibility(page, cdp, scripts)) {
    for (const n of v.nodes) found.push({ rule: 'axe', text: `${v.id}: ${v.help}: ${n.target.join(' ')}: ${n.html.slice(0, 200)}` })
  }
  return found
}

/**
 * Accessibility runs axe-core in a world of its own beside the page's scripts. The
 * policy of the page does not reach there, so it stays in force and is not changed
 * for the check. Where scripts are off they are let run for the check alone: the
 * page has been read by then and none of its own starts. What noscript elements hold
 * is moved out of them meanwhile, for axe-core takes it for hidden.
 */
async function accessibility(page, cdp, scripts) {
  const { frameTree } = await cdp.send('Page.getFrameTree')
  const { executionContextId: contextId } = await cdp.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id, worldName: 'accessibility' })
  const evaluate = async expression => {
    const { result, exceptionDetails: e } = await cdp.send('Runtime.evaluate', { expression, contextId, awaitPromise: true, returnByValue: true })
    if (e) throw new Error(`axe-core: ${e.exception?.description ?? e.text}`)
    return result.value
  }
  if (!scripts) await letScripts(cdp, true)
  try {
    await evaluate(axe + '\n;undefined')
    await evaluate(`(${unwrap})(${!scripts})`)
    const done = await soon(evaluate(`axe.run(document, ${JSON.stringify(options)}).then(r => ({
      passes: r.passes.length, violations: r.violations.map(v => ({id: v.id, help: v.help, nodes: v.nodes.map(n => ({target: n.target, html: n.html}))}))}))`))
    await evaluate('globalThis.wrapAgain()')
    if (done.passes === 0) throw new Error('axe-core found nothing to check')
    return done.violations
  } finally {
    if (!scripts) await letScripts(cdp, false)
  }
}

/** Runs in the page: puts another element in place of each noscript that is shown, until wrapAgain. */
function unwrap(shown) {
  const swap = (from, to) => { to.append(...from.childNodes); from.replaceWith(to) }
  const pairs = (shown ? [...document.body.querySelectorAll('noscript')] : []).map(n => [n, document.createElement('span')])
  for (const [n, span] of pairs) swap(n, span)
  globalThis.wrapAgain = () => { for (const [n, span] of pairs) swap(span, n) }
}

/** Lets a page run scripts, or not. Playwright's own setting could not be lifted for a moment. */
export const letScripts = (cdp, on) => cdp.send('Emulation.setScriptExecutionDisabled', { value: !on })

/** What a promise resolves to, if it does within 20 s. */
function soon(promise) {
  let timer
  const late = new Promise((_, no) => { timer = setTimeout(() => no(new Error('axe-core did not finish within 20 s')), 20_000) })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
