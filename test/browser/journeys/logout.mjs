// A client signs a person out (OpenID Connect RP-Initiated Logout): with the ID token it
// was given nobody is asked; without it the person is.

import { Client, signIn } from '../client.mjs'
import { journey } from '../lib.mjs'

await journey(async j => {
  const p = await j.party(j.options.door)
  const client = new Client({ site: j.base, callback: p.callback })
  const logout = more => `/oauth2/logout?${new URLSearchParams({ client_id: 'app', ...more })}`

  await j.walk([await j.visitor(), await j.visitor({ scheme: 'dark', width: 320, scripts: false })], async v => {
    const user = `ada${v.number}`
    const { url, state } = client.ask()
    await v.go(url, 'signin')
    await signIn(v, user, 'demo', 'consent')
    await v.press('Allow', 'called', { until: u => u.href.startsWith(p.callback) })
    const { id_token: hint } = await client.redeem((await p.next(state)).query.code)

    await v.go(logout(), 'signout-client')
    await v.sees(v.text('Report Builder asks to end your sign-in here as well.'), 'signout-client')
    await v.follow('Stay signed in', 'overview')
    await v.go(logout({ id_token_hint: hint, post_logout_redirect_uri: 'https://stranger.example/' }), 'problem-logout', { status: 400 })
    await v.go('/account', 'overview')
    await v.sees(v.heading('Your account'), 'overview')

    const bye = `bye ${v.number}`
    await v.page.goto(logout({ id_token_hint: hint, post_logout_redirect_uri: p.url + '/bye', state: bye }))
    await v.arrive(u => u.href.startsWith(p.url + '/bye'), 'bye')
    v.demand((await p.next(bye)).path === '/bye', 'bye', 'the client was called elsewhere')
    await v.go('/account', 'account-signin')
    await v.sees(v.heading('Sign in'), 'account-signin')

    await signIn(v, user, 'demo', 'overview')
    await v.go(logout(), 'signout-client')
    await v.press('Sign out', 'signedout')
    await v.sees(v.heading('You are signed out'), 'signedout')
    await v.follow('Sign in again', 'account-signin')
  })
})
