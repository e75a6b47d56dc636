// Journeys: people's ways through the pages, walked by a real browser. A journey is a
// file in journeys/ that calls journey(); what a visitor finds wrong on the way goes
// to the Go test that started it (report.mjs).

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { party } from './party.mjs'
import * as report from './report.mjs'
import { measured, slow } from './slow.mjs'
import { look, Watch } from './watch.mjs'

const program = process.env.JETON_CHROMIUM || '/usr/bin/chromium'
const flags = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
]

/** The longest wait for a page or a control, in ms. */
const patience = 20_000

/** What a page must bear: both colour schemes, a desk and a small phone, scripts or none. */
export const everything = { schemes: ['light', 'dark'], widths: [1280, 320], scripts: [true, false] }

/** One cell of everything, for what does not depend on it. */
export const one = { schemes: ['light'], widths: [1280], scripts: [true] }

/**
 * Runs a journey: one browser, ended with everything else when walk returns or throws,
 * or when the Go test goes away (standard input ends).
 */
export async function journey(walk) {
  const settings = JSON.parse(process.env.JETON_JOURNEY || '{}')
  const j = new Journey(settings)
  process.stdin.resume().once('end', () => j.close().finally(() => process.exit(1)))
  try {
    await j.begin()
    await walk(j)
    for (const v of j.visitors) v.settle('the end')
  } catch (e) {
    report.finding('', '', 'error', e.stack ?? String(e))
  } finally {
    await j.close()
  }
  report.end()
  process.stdin.destroy()
}

/**
 * Journey is what a journey file is handed.
 *   base     address of the server
 *   options  whatever the Go test gave
 */
class Journey {
  visitors = []
  #parties = []
  #hosts = new Set()
  #looked = new Map()
  #taken = new Set()
  #shots = process.env.JETON_SHOTS
  #came = 0

  constructor({ base, options }) {
    this.base = base
    this.options = options ?? {}
    if (base) this.allow(base)
    if (this.#shots) mkdirSync(this.#shots, { recursive: true })
  }

  async begin() {
    this.browser = await chromium.launch({ executablePath: program, args: flags, chromiumSandbox: false })
  }

  async close() {
    await this.browser?.close()
    await Promise.all(this.#parties.splice(0).map(p => p.close()))
  }

  /** Lets pages ask the host of a URL too. */
  allow(url) { this.#hosts.add(new URL(url).host) }

  /** A relying party, see party.mjs; it ends with the journey. door: the number of an open socket it is to listen at. */
  async party(door) {
    const p = await party(door)
    this.#parties.push(p)
    this.allow(p.url)
    return p
  }

  /**
   * A visitor for every cell of a matrix, each with cookies and a cache of its own.
   * more(i) may give the i-th further properties, such as headers it sends.
   */
  async open(matrix = everything, more = () => ({})) {
    const cells = matrix.scripts.flatMap(scripts => matrix.schemes.flatMap(scheme => matrix.widths.map(width => ({ scheme, width, scripts }))))
    return Promise.all(cells.map((cell, i) => this.visitor({ ...cell, ...more(i) })))
  }

  /** Lets visitors walk, two at a time. One that fails does not stop the others. */
  async walk(visitors, way) {
    const queue = [...visitors]
    const walkOn = async () => { for (let v; (v = queue.shift());) await way(v).catch(e => v.failed(e)) }
    await Promise.all([walkOn(), walkOn()])
  }

  /** Walks with a visitor of every cell of a matrix. */
  async each(way, matrix) { await this.walk(await this.open(matrix), way) }

  /** A visitor for one cell. */
  async visitor({ scheme = 'light', width = 1280, scripts = true, headers } = {}) {
    const number = ++this.#came
    const phone = width < 600
    const context = await this.browser.newContext({
      baseURL: this.base, colorScheme: scheme, locale: 'en-GB', extraHTTPHeaders: headers,
      viewport: { width, height: phone ? 640 : 800 }, isMobile: phone, hasTouch: phone, reducedMotion: 'reduce',
    })
    context.setDefaultTimeout(patience)
    const v = new Visitor(context, { number, scheme, width, scripts, touch: phone, hosts: this.#hosts, shots: this.#shots, looked: this.#looked, taken: this.#taken })
    await v.begin()
    this.visitors.push(v)
    return v
  }

  /**
   * Measures how long url takes on a slow phone (slow.mjs), as the given visitor's
   * browser would fetch it: with its cookies, and nothing in the cache.
   */
  async measure(url, name, like) {
    const context = await this.browser.newContext({
      baseURL: this.base, viewport: { width: 320, height: 640 }, isMobile: true, hasTouch: true,
      storageState: await like?.context.storageState(),
    })
    try {
      const numbers = await measured(await context.newPage(), url)
      report.measure('', name, numbers)
      return numbers
    } finally {
      await context.close()
    }
  }
}

/**
 * Visitor is a person with a browser. Controls are found by role and accessible name
 * and by nothing else, as a screen reader finds them. Every page reached by go, press,
 * follow or arrive is looked at, and a picture taken of it.
 */
class Visitor {
  #cell
  #watch
  #cdp

  constructor(context, cell) {
    this.context = context
    this.#cell = cell
    this.number = cell.number // the n-th of the journey, from 1
    this.scripts = cell.scripts
    this.width = cell.width
    this.name = `${cell.scheme}-${cell.width}${cell.scripts ? '' : '-noscript'}`
    this.#watch = new Watch(context, cell.hosts)
  }

  async begin() {
    this.page = await this.context.newPage()
    this.#cdp = await this.#watch.page(this.page, this.scripts)
  }

  heading(name) { return this.page.getByRole('heading', { name, level: 1, exact: true }) }
  field(label) { return this.page.getByLabel(label, { exact: true }) }
  button(name) { return this.page.getByRole('button', { name, exact: true }) }
  link(name) { return this.page.getByRole('link', { name, exact: true }) }
  box(label) { return this.page.getByRole('checkbox', { name: label, exact: true }) }
  text(words) { return this.page.getByText(words) }
  alert() { return this.page.getByRole('alert') }
  message() { return this.page.getByRole('main').getByRole('status') }

  /** Opens an address; status is the one it must be answered with. */
  async go(url, name, { status = 200 } = {}) {
    await this.page.goto(url)
    await this.look(name, status)
  }

  /** Fills in the field of a label. */
  async fill(label, text) { await this.field(label).fill(text) }

  /**
   * Presses a button and waits for the page it leads to. until is the address of that
   * page (a string, a RegExp or a function of the URL) where pages lie between.
   */
  async press(button, name, where) { await this.#leave(this.button(button), name, where) }

  /** Follows a link, as press does. */
  async follow(link, name, where) { await this.#leave(this.link(link), name, where) }

  /** Waits until the browser is at an address by itself, and looks at the page. */
  async arrive(until, name, { status = 200 } = {}) {
    await this.page.waitForURL(until, { waitUntil: 'load' })
    await this.look(name, status)
  }

  async #leave(control, name, { status = 200, until } = {}) {
    const loaded = this.page.waitForNavigation({ url: until, waitUntil: 'load' })
    loaded.catch(() => {}) // the press fails first, and says why
    await (this.#cell.touch ? control.tap() : control.click())
    await loaded
    await this.look(name, status)
  }

  /** Checks the page that is shown (watch.mjs) and takes a picture of it, unless there is one of the same. */
  async look(name, status = 200) {
    const began = performance.now()
    this.demand(this.#watch.status === status, name, `the page came with status ${this.#watch.status}, want ${status}`, 'status')
    const { known, found } = await look(this.page, this.#cdp, this.#cell, this.#cell.looked)
    for (const f of found) report.finding(this.name, name, f.rule, f.text)
    this.settle(name)
    if (!known) await this.shot(name)
    report.step(this.name, name, performance.now() - began)
  }

  /**
   * Saves a picture of the whole page as NAME-SCHEME-WIDTH.png in the folder
   * JETON_SHOTS, if there is one; one without scripts that looks different has
   * -noscript in its name.
   */
  async shot(name) {
    const { shots, taken, scheme, width } = this.#cell
    if (!shots) return
    const plain = `${name}-${scheme}-${width}`
    const file = taken.has(plain) ? `${name}-${this.name}` : plain
    taken.add(file)
    await this.page.screenshot({ path: join(shots, `${file}.png`), fullPage: true })
  }

  /** Tells what the watch found until now. */
  settle(name) { for (const f of this.#watch.take()) report.finding(this.name, name, f.rule, f.text) }

  /** Tells a finding unless ok. */
  demand(ok, name, text, rule = 'demand') { if (!ok) report.finding(this.name, name, rule, text) }

  /** Demands that the control of a locator is seen, at the latest after wait ms. */
  async sees(locator, name, wait = 5_000) {
    try {
      await locator.first().waitFor({ state: 'visible', timeout: wait })
    } catch {
      this.demand(false, name, `nobody sees ${locator}`)
    }
  }

  /** Demands that the keyboard's focus is on the control of a locator. */
  async focused(locator, name) {
    this.demand(await locator.evaluate(e => e === document.activeElement), name, `the focus is not on ${locator}`)
  }

  /** Tells what went wrong on the way, where it happened, with a picture of it. */
  async failed(error) {
    await this.shot('failed').catch(() => {}) // the page may be gone
    report.finding(this.name, this.page.url(), 'error', error.stack ?? String(error))
  }

  /** Makes this visitor's network and processor slow (slow.mjs). */
  async slow() { await slow(this.page) }
}
