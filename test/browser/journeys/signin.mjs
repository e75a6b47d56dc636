// A person signs in for a client: wrong, then right; says no, then yes to a part, then
// to the rest; and is not asked again.

import { Client, signIn } from '../client.mjs'
import { journey } from '../lib.mjs'

await journey(async j => {
  const p = await j.party()
  p.home = '/signed-in'
  const client = new Client({ site: j.base, callback: p.callback })
  const home = { until: p.url + p.home }

  await j.each(async v => {
    const user = `ada${v.number}`
    let { url, state } = client.ask()

    await v.go(p.front(url), 'party')
    await v.follow('Sign in', 'signin')
    await v.sees(v.heading('Sign in'), 'signin')
    await v.sees(v.text('to continue to Report Builder'), 'signin')
    await v.focused(v.field('Username or email'), 'signin')

    await signIn(v, ' ', 'demo', 'signin-empty', { status: 422 })
    await v.sees(v.alert().getByText('Enter your username or email.'), 'signin-empty')
    await v.focused(v.field('Username or email'), 'signin-empty')

    await signIn(v, user, 'wrong', 'signin-wrong', { status: 422 })
    await v.sees(v.alert().getByText('That username and password don’t match.'), 'signin-wrong')
    await v.focused(v.field('Password'), 'signin-wrong')
    v.demand(await v.field('Username or email').inputValue() === user, 'signin-wrong', 'the name that was typed is gone')
    v.demand(await v.field('Password').inputValue() === '', 'signin-wrong', 'the page repeats the password')

    await signIn(v, user, 'demo', 'consent')
    await v.sees(v.heading('Allow Report Builder to use your account?'), 'consent')
    await v.sees(v.text(`Signed in as ${user}@app.example`), 'consent')
    await v.sees(v.text('Not reviewed by your organization'), 'consent')
    await v.box('Read your orders read').uncheck()
    await v.press('Deny', 'called-denied', home)
    const denied = (await p.next(state)).query
    v.demand(denied.error === 'access_denied' && !denied.code && denied.iss === j.base, 'called-denied', JSON.stringify(denied));

    ({ url, state } = client.ask())
    await v.go(url, 'consent-again')
    v.demand(await v.box('Read your orders read').isChecked(), 'consent-again', 'a box of a page that was denied is kept')
    await v.box('Read your orders read').uncheck()
    p.hold(state)
    await v.press('Allow', 'handover')
    await v.sees(v.heading('Back to Report Builder'), 'handover')
    await v.sees(v.text(`You are being sent to ${new URL(p.url).host}.`), 'handover')
    await v.follow('Continue', 'called', home)
    const allowed = await p.next(state)
    v.demand(!allowed.headers.referer, 'called', `the client was told ${allowed.headers.referer}`)
    const part = await client.redeem(allowed.query.code)
    v.demand(part.scope === 'openid email', 'called', `the client got ${part.scope}`);

    ({ url, state } = client.ask())
    await v.go(url, 'consent-more')
    await v.sees(v.text('Already allowed (2)'), 'consent-more')
    await v.press('Allow', 'called', home)
    const all = await client.redeem((await p.next(state)).query.code)
    v.demand(all.scope === 'openid email read', 'called', `the client got ${all.scope}`);

    ({ url, state } = client.ask())
    const pages = []
    v.page.on('framenavigated', f => pages.push(f.url()))
    await v.go(url, 'called')
    const silent = (await p.next(state)).query
    v.demand(silent.code && pages.length === 1, 'called', `the second time ${pages.join(', ')}`)
  })
})
