// How long somebody with a slow phone waits for a page.

/** The network and the processor of a slow phone; times in ms, rates in bit/s. */
export const phone = { latency: 150, down: 1_600_000, up: 750_000, slowdown: 4 }

/** Makes a page's network and processor slow from now on. */
export async function slow(page, x = phone) {
  const cdp = await page.context().newCDPSession(page)
  await cdp.send('Network.enable')
  await cdp.send('Network.emulateNetworkConditions', { offline: false, latency: x.latency, downloadThroughput: x.down / 8, uploadThroughput: x.up / 8 })
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: x.slowdown })
  return cdp
}

/**
 * Opens url in a slow page and measures from the start of the navigation, in ms:
 *   read     the document is parsed (DOMContentLoaded) and its stylesheets are in
 *   painted  the first text is seen
 *   usable   the first control in the window takes the focus, styled
 * and, until the page has loaded, bytes as they came over the network, headers
 * included, and requests. The page must be new: nothing in its cache.
 */
export async function measured(page, url) {
  const cdp = await slow(page)
  let bytes = 0
  let requests = 0
  cdp.on('Network.requestWillBeSent', e => { requests++; bytes += e.redirectResponse?.encodedDataLength ?? 0 })
  cdp.on('Network.loadingFinished', e => { bytes += e.encodedDataLength })
  await cdp.send('Page.enable')
  await cdp.send('Page.addScriptToEvaluateOnNewDocument', { source: `(${inPage})()`, worldName: 'measure' })
  const worlds = []
  cdp.on('Runtime.executionContextCreated', e => { if (e.context.name === 'measure') worlds.push(e.context.id) })
  await cdp.send('Runtime.enable')
  await page.goto(url, { waitUntil: 'load' })
  const { result, exceptionDetails: e } = await cdp.send('Runtime.evaluate', {
    expression: 'globalThis.times', contextId: worlds.at(-1), awaitPromise: true, returnByValue: true,
  })
  if (e) throw new Error(`${url}: ${e.exception?.description ?? e.text}`)
  return { ...result.value, bytes, requests }
}

/** Runs in the page, in a world of its own, from the start of every document. */
function inPage() {
  const usable = e => {
    const r = e.getBoundingClientRect()
    if (!r.width || !r.height || r.right <= 0 || r.bottom <= 0 || r.left >= innerWidth || r.top >= innerHeight) return false
    if (!e.checkVisibility({ visibilityProperty: true })) return false
    e.focus({ preventScroll: true })
    return document.activeElement === e
  }
  const styled = () => [...document.querySelectorAll('link[rel~=stylesheet]')].every(l => l.sheet)
  const first = kind => [...document.querySelectorAll(kind)].find(usable)
  globalThis.times = new Promise((found, late) => {
    const frame = () => {
      const now = performance.now()
      if (now > 30_000) return late(new Error('no control could be used within 30 s'))
      const read = document.readyState !== 'loading' && styled()
      if (!read || !(first('input:not([type=hidden]), select, textarea, button') ?? first('a[href]'))) return requestAnimationFrame(frame)
      painted(Math.round(now))
    }
    const painted = usable => { // the frame that makes it usable may be the first that is painted
      const text = performance.getEntriesByName('first-contentful-paint')[0]
      if (!text && performance.now() < 30_000) return requestAnimationFrame(() => painted(usable))
      const navigation = performance.getEntriesByType('navigation')[0]
      const sheets = performance.getEntriesByType('resource').filter(r => r.initiatorType === 'link').map(r => r.responseEnd)
      found({
        read: Math.round(Math.max(navigation.domContentLoadedEventEnd, ...sheets)),
        painted: Math.round(text?.startTime ?? -1),
        usable,
      })
    }
    requestAnimationFrame(frame)
  })
}
