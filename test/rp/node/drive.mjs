// A browser for the Go tests: one Chromium, driven by lines of JSON on standard
// input, one answer a line on standard output. Each person has cookies of their own.
//   {do: "allow",   host}             pages may ask that host
//   {do: "visitor", who}              a person with a fresh browser
//   {do: "open",    who, url}         goes to an address
//   {do: "fill",    who, label, text} fills in the field of a label
//   {do: "press",   who, label}       presses a button and waits for what it leads to
//   {do: "close",   who}              the person goes
// A page that leaves by itself is waited for: the browser is told of when it rests.
// The answer to open and press is {url, status, text, heading, trail, found, error}: the page that is
// shown then, the documents asked for since the last answer, and what was wrong with
// pages on the way (../../browser/watch.mjs); to the others it is {error} or {}.

import { createInterface } from 'node:readline'
import { chromium } from '../../browser/node_modules/playwright-core/index.mjs'
import { Watch } from '../../browser/watch.mjs'

const program = process.env.JETON_CHROMIUM || '/usr/bin/chromium'
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

/** The longest wait for a page or a control, in ms. */
const patience = 15_000

/** A page that no script or refresh has left for this long rests, in ms. */
const rest = 100

const hosts = new Set()
const people = new Map()
const browser = await chromium.launch({ executablePath: program, args: flags, chromiumSandbox: false })
const say = answer => process.stdout.write(JSON.stringify(answer) + '\n')

async function arrive(who) {
  const context = await browser.newContext({ locale: 'en-GB', reducedMotion: 'reduce' })
  context.setDefaultTimeout(patience)
  const p = { context, trail: [], watch: new Watch(context, hosts), last: Date.now(), busy: 0 }
  p.page = await context.newPage()
  await p.watch.page(p.page, true)
  const document = r => r.isNavigationRequest() && !r.frame().parentFrame()
  context.on('request', r => { if (document(r)) { p.last = Date.now(); p.busy++ } })
  const over = r => { if (document(r)) { p.last = Date.now(); p.busy-- } }
  context.on('requestfinished', over)
  context.on('requestfailed', over)
  context.on('response', r => { if (document(r.request())) p.trail.push(r) })
  people.set(who, p)
}

/** Waits until no page is on its way and none leaves by itself any more. */
async function settle(p) {
  for (const end = Date.now() + patience; ;) {
    await p.page.waitForLoadState('load')
    // A refresh or a form that sends itself is due at once; until it has left, the page is on its way.
    const leaves = await p.page.evaluate(() => !!document.querySelector('meta[http-equiv=refresh], script[src*="post"]')).catch(() => true)
    if (!leaves && p.busy === 0 && Date.now() - p.last >= rest) return
    if (Date.now() > end) throw new Error(`the browser does not come to rest at ${p.page.url()}`)
    await new Promise(soon => setTimeout(soon, 20))
  }
}

/** What a document was asked for with, as far as tests read it. */
async function step(r) {
  const headers = await r.request().allHeaders()
  return {
    method: r.request().method(), url: r.url(), status: r.status(), form: r.request().postData() ?? '',
    referer: headers.referer ?? '', origin: headers.origin ?? '', site: headers['sec-fetch-site'] ?? '', policy: r.headers()['content-security-policy'] ?? '',
  }
}

const verbs = {
  open: async (p, { url }) => { await p.page.goto(url) },
  press: async (p, { label }) => { await p.page.getByRole('button', { name: label, exact: true }).click() },
}

async function obey(c) {
  if (c.do === 'allow') return void hosts.add(c.host)
  if (c.do === 'visitor') return arrive(c.who)
  const p = people.get(c.who)
  if (c.do === 'close') return people.delete(c.who) && p.context.close()
  if (c.do === 'fill') return p.page.getByLabel(c.label, { exact: true }).fill(c.text)
  let error = ''
  try {
    await verbs[c.do](p, c)
    await settle(p)
  } catch (e) {
    error = e.stack ?? String(e)
  }
  const trail = await Promise.all(p.trail.splice(0).map(step))
  return {
    url: p.page.url(), status: p.watch.status, found: p.watch.take().map(f => `${f.rule}: ${f.text}`), trail, error,
    text: await p.page.evaluate(() => document.body.innerText).catch(() => ''),
    heading: await p.page.evaluate(() => document.querySelector('h1')?.innerText ?? '').catch(() => ''),
  }
}

say({ text: 'ready' })
for await (const line of createInterface({ input: process.stdin })) {
  say(await obey(JSON.parse(line)).catch(e => ({ error: e.stack ?? String(e) })) ?? {})
}
await browser.close()
process.exit()
