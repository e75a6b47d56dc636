// The whole way in French, chosen on the first page, and back to English.

import { Client } from '../client.mjs'
import { journey } from '../lib.mjs'

await journey(async j => {
  const t = j.options.texts // the French catalogue, by key
  const p = await j.party()
  const client = new Client({ site: j.base, callback: p.callback })
  const visitors = [await j.visitor({ scheme: 'light', width: 1280 }), await j.visitor({ scheme: 'dark', width: 320, scripts: false })]

  await j.walk(visitors, async v => {
    const french = async name => v.demand(await v.page.locator('html').getAttribute('lang') === 'fr', name, 'the page is not French')
    const signIn = async (password, name, where) => {
      await v.fill(t['signin.name'], `ada${v.number}`)
      await v.fill(t['signin.password'], password)
      await v.press(t['signin.do'], name, where)
    }
    const { url, state } = client.ask()
    await v.go(url, 'signin')
    await v.press('Français', 'fr-signin')
    await v.sees(v.heading(t['signin.title']), 'fr-signin')
    await signIn('non', 'fr-signin-wrong', { status: 422 })
    await v.sees(v.alert().getByText(t['signin.mismatch']), 'fr-signin-wrong')
    await signIn('demo', 'fr-consent')
    await french('fr-consent')
    p.hold(state)
    await v.press(t['consent.allow'], 'fr-handover')
    await v.follow(t['handover.do'], 'called', { until: u => u.href.startsWith(p.callback) })
    await p.next(state)
    for (const place of ['', '/profile', '/password', '/sessions', '/clients', '/keys', '/activity']) {
      await v.go('/account' + place, 'fr-account' + place.replace('/', '-'))
      await french('fr-account')
    }
    await v.go(client.ask({ redirect_uri: 'https://stranger.example/' }).url, 'fr-problem', { status: 400 })
    await v.go(client.ask({ prompt: 'select_account' }).url, 'fr-accounts')
    await v.go('/logout', 'fr-signout')
    await v.press(t['signout.do'], 'fr-signedout')
    await v.sees(v.heading(t['signedout.title']), 'fr-signedout')
    await v.go(client.ask().url, 'fr-signin')
    await v.press('English', 'signin')
    await v.sees(v.heading('Sign in'), 'signin')
    await v.sees(v.text('to continue to Report Builder'), 'signin')
  })
})
