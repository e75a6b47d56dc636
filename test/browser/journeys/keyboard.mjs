// Signing in and consenting with the keyboard alone.

import { Client } from '../client.mjs'
import { journey } from '../lib.mjs'

await journey(async j => {
  const p = await j.party()
  const client = new Client({ site: j.base, callback: p.callback })

  await j.walk([await j.visitor(), await j.visitor({ width: 320, scripts: false })], async v => {
    const press = key => v.page.keyboard.press(key)
    const loaded = async (act, name, where) => {
      const done = v.page.waitForNavigation({ waitUntil: 'load', ...where })
      await act()
      await done
      await v.look(name)
    }
    /** Goes once through everything Tab reaches, in the order of its being reached. */
    const stops = async name => {
      const seen = []
      for (let i = 0; i < 40; i++) {
        await press('Tab')
        const stop = await v.page.evaluate(() => {
          const e = document.activeElement
          if (!e || e === document.body) return null
          const r = e.getBoundingClientRect()
          const ring = getComputedStyle(e)
          return {
            what: (e.labels?.[0] ?? e).innerText?.trim().split('\n')[0] || e.value, skip: e.classList.contains('skip'),
            top: r.top + scrollY, left: r.left, bottom: r.bottom + scrollY, ring: ring.outlineStyle !== 'none' && parseFloat(ring.outlineWidth) >= 2,
          }
        })
        if (stop && seen.length && stop.what === seen[0].what && stop.top === seen[0].top) break
        if (stop) seen.push(stop) // none: between the end of the page and its beginning
      }
      const first = seen.findIndex(s => s.skip)
      v.demand(first >= 0, name, 'Tab does not reach the skip link')
      const order = [...seen.slice(first + 1), ...seen.slice(0, Math.max(first, 0))]
      for (const [i, s] of order.entries()) {
        v.demand(s.ring, name, `the focus on ${s.what} cannot be seen`)
        const before = order[i - 1]
        if (before) v.demand(s.top >= before.bottom - 4 || s.left > before.left && s.bottom > before.top, name, `Tab goes from ${before.what} up to ${s.what}`)
      }
      return order.map(s => s.what)
    }

    const { url, state } = client.ask()
    await v.go(url, 'signin')
    const onSignIn = await stops('signin')
    v.demand(onSignIn.join('|') === 'Username or email|Password|Sign in|English|Français', 'signin', `Tab stops at ${onSignIn.join(', ')}`)
    await v.go(url, 'signin')
    await v.page.keyboard.type(`ada${v.number}`)
    await press('Tab')
    await v.page.keyboard.type('demo')
    await loaded(() => press('Enter'), 'consent')

    const onConsent = await stops('consent')
    v.demand(onConsent.join('|') === 'Switch account|See your email address|Read your orders|Deny|Allow|English|Français', 'consent', `Tab stops at ${onConsent.join(', ')}`)
    await v.go(v.page.url(), 'consent')
    for (let i = 0; i < 4; i++) await press('Tab') // skip link, switch, e-mail, orders
    await v.focused(v.box('Read your orders read'), 'consent')
    await press('Space')
    await press('Tab')
    await v.focused(v.button('Deny'), 'consent')
    await press('Tab')
    await loaded(() => press('Enter'), 'called', { url: u => u.href.startsWith(p.callback) })
    const { scope } = await client.redeem((await p.next(state)).query.code)
    v.demand(scope === 'openid email', 'called', `the client got ${scope}`)
  })
})
