// An organization with its own name, logo and colour, two realms, and a path of its own.

import { Client, signIn } from '../client.mjs'
import { everything, journey } from '../lib.mjs'

await journey(async j => {
  const p = await j.party()
  const client = new Client({ site: j.base + '/studio', callback: p.callback })

  await j.each(async v => {
    const { url, state } = client.ask({ scope: 'openid read' })
    await v.go(url, 'brand-signin')
    await v.sees(v.text('Studio Lumière & Söhne'), 'brand-signin')
    const logo = v.page.getByRole('banner').locator('img')
    v.demand(await logo.evaluate(i => i.complete && i.naturalWidth > 0), 'brand-signin', 'the logo is not shown')
    const color = await v.button('Sign in').evaluate(b => getComputedStyle(b).backgroundColor)
    v.demand(color !== 'rgb(47, 91, 208)' && color !== 'rgb(143, 176, 255)', 'brand-signin', `the button has the colour of the server: ${color}`)
    for (const [name, where] of [['Help', 'https://help.example/'], ['Privacy', 'https://terms.example/']]) {
      v.demand(await v.link(name).getAttribute('href') === where, 'brand-signin', `${name} leads elsewhere`)
    }

    // The name is known in one of the realms only.
    await signIn(v, `ada${v.number}`, 'demo', 'brand-wrong', { status: 422 })
    v.demand(await v.field('Realm').inputValue() === 'guests', 'brand-wrong', 'the realm is not the one that was chosen')
    await v.field('Realm').selectOption('Staff of the studio')
    await v.fill('Password', 'wrong')
    await v.press('Sign in', 'brand-wrong-realm', { status: 422 })
    v.demand(await v.field('Realm').inputValue() === 'staff', 'brand-wrong-realm', 'the realm that was chosen is forgotten')
    await v.fill('Password', 'demo')
    await v.press('Sign in', 'brand-consent')
    await v.sees(v.text('Read your projects'), 'brand-consent')
    p.hold(state)
    await v.press('Allow', 'brand-handover')
    await v.follow('Continue', 'called', { until: u => u.href.startsWith(p.callback) })
    await client.redeem((await p.next(state)).query.code)
    for (const place of ['', '/sessions', '/clients', '/keys', '/activity']) await v.go('/studio/account' + place, 'brand-account' + place.replace('/', '-'))
  }, { ...everything, scripts: [true] })
})
