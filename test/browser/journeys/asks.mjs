// What an authorization request may demand: a new sign-in, the choice of an account, no
// page at all, an answer as a form; and the other ways to begin and to end one.

import { Client, signIn } from '../client.mjs'
import { journey } from '../lib.mjs'

await journey(async j => {
  const p = await j.party()
  p.home = '/signed-in'
  const client = new Client({ site: j.base, callback: p.callback })
  const home = { until: p.url + p.home }
  const desk = { scheme: 'light', width: 1280, scripts: true }
  const phone = { scheme: 'dark', width: 320, scripts: false }
  const visitors = [await j.visitor(desk), await j.visitor(phone)]

  await j.walk(visitors, async v => {
    const user = `ada${v.number}`
    const answered = async (name, state, want) => {
      const call = await p.next(state)
      const got = { ...call.query, ...call.form }
      v.demand(got.iss === j.base && got.state === state && (want === 'code' ? !!got.code && !got.error : got.error === want && !got.code), name, `${JSON.stringify(got)}, want ${want}`)
      return call
    }
    /** Asks; the answer comes without any page. */
    const silent = async (name, more, want) => {
      const { url, state } = client.ask(more)
      await v.go(url, 'called')
      v.demand(v.page.url() === home.until, name, `a page was shown: ${v.page.url()}`)
      return answered(name, state, want)
    }

    // Nobody is signed in.
    await silent('none-nobody', { prompt: 'none' }, 'login_required')
    await silent('scope', { scope: 'openid nonsense' }, 'invalid_scope')
    await silent('pkce', { code_challenge: undefined, code_challenge_method: undefined }, 'invalid_request')

    // Another person than the one hinted at may sign in; the name is there, the password waits.
    let { url, state } = client.ask({ login_hint: user })
    await v.go(url, 'signin-hint')
    v.demand(await v.field('Username or email').inputValue() === user, 'signin-hint', 'the hint is not in the field')
    await v.focused(v.field('Password'), 'signin-hint')
    await v.fill('Password', 'demo')
    await v.press('Sign in', 'consent')
    await silent('none-consent', { prompt: 'none' }, 'consent_required')

    // Switch: somebody else goes on.
    await v.go(url, 'consent')
    await v.press('Switch account', 'signin-switch')
    await v.sees(v.text('to continue to Report Builder'), 'signin-switch')
    await signIn(v, `ada${v.number + 8}`, 'demo', 'consent-switch')
    await v.sees(v.text(`Signed in as ada${v.number + 8}@app.example`), 'consent-switch')
    await v.press('Switch account', 'signin-switch')
    await signIn(v, user, 'demo', 'consent')
    await v.press('Allow', 'called', home)
    await answered('allow', state, 'code')

    await silent('none', { prompt: 'none' }, 'code')
    await silent('max-age', { max_age: 9999 }, 'code');

    // Once more, please.
    ({ url, state } = client.ask({ prompt: 'login' }))
    await v.go(url, 'signin-again')
    v.demand(await v.field('Username or email').inputValue() === user, 'signin-again', 'the name of who is signed in is not in the field')
    await v.fill('Password', 'demo')
    await v.press('Sign in', 'called', home)
    await answered('prompt=login', state, 'code');

    ({ url, state } = client.ask({ max_age: 0 }))
    await v.go(url, 'signin-again')
    await v.fill('Password', 'demo')
    await v.press('Sign in', 'called', home)
    await answered('max_age=0', state, 'code');

    // Which account?
    ({ url, state } = client.ask({ prompt: 'select_account' }))
    await v.go(url, 'accounts')
    await v.sees(v.heading('Choose an account'), 'accounts')
    await v.press('Continue as Ada Lovelace', 'called', home)
    await answered('this account', state, 'code');

    ({ url, state } = client.ask({ prompt: 'select_account' }))
    await v.go(url, 'accounts')
    await v.press('Use another account', 'signin-other')
    await signIn(v, `ada${v.number + 8}`, 'demo', 'consent-switch')
    await v.press('Deny', 'called-denied', home)
    await answered('another account', state, 'access_denied');

    // The answer as a form, from a page: by itself, or with the button.
    ({ url, state } = client.ask({ response_mode: 'form_post' }))
    await v.go(url, 'consent-form')
    if (v.scripts) {
      await v.press('Allow', 'called', home)
    } else {
      await v.press('Allow', 'formpost')
      await v.sees(v.heading('Back to Report Builder'), 'formpost')
      await v.press('Continue', 'called', home)
    }
    const posted = await answered('form_post', state, 'code')
    v.demand(posted.method === 'POST' && !posted.query.code, 'form_post', `${posted.method} ${JSON.stringify(posted.query)}`);

    ({ url, state } = client.ask({ response_mode: 'form_post' }))
    if (v.scripts) {
      await v.page.goto(url)
      await v.arrive(home.until, 'called')
    } else {
      await v.go(url, 'formpost')
      await v.press('Continue', 'called', home)
    }
    const itself = await answered('form_post', state, 'code')
    v.demand(itself.method === 'POST', 'form_post', itself.method);

    // The client may send its request as a form: signed in or not.
    ({ url, state } = client.ask())
    await v.go(p.form(url), 'party-form')
    await v.press('Sign in', 'called', home)
    await answered('posted, signed in', state, 'code')

    await v.go('/logout', 'signout')
    await v.press('Sign out', 'signedout');
    ({ url, state } = client.ask())
    await v.go(p.form(url), 'party-form')
    await v.press('Sign in', 'signin')
    await signIn(v, user, 'demo', 'called', home)
    await answered('posted, signed out', state, 'code')

    // A password that is due is changed on the way.
    await v.go('/logout', 'signout')
    await v.press('Sign out', 'signedout');
    ({ url, state } = client.ask())
    await v.go(url, 'signin')
    await signIn(v, `due${v.number}`, 'demo', 'password-due')
    await v.sees(v.heading('Choose a new password'), 'password-due')
    const change = async (old, fresh, again, name, where) => {
      await v.fill('Current password', old)
      await v.fill('New password', fresh)
      await v.fill('New password again', again)
      await v.press('Change password', name, where)
    }
    await change('demo', 'a long new one of mine', 'another long new one', 'password-due-again', { status: 422 })
    await v.sees(v.alert().getByText('The two new passwords are not the same.'), 'password-due-again')
    await v.focused(v.field('New password again'), 'password-due-again')
    await change('demo', 'password1234', 'password1234', 'password-due-common', { status: 422 })
    await v.focused(v.field('New password'), 'password-due-common')
    await change('demo', 'a long new one of mine', 'a long new one of mine', 'consent-due')
    await v.press('Allow', 'called', home)
    await answered('password due', state, 'code')
  })

  // An application's own scheme: the link is there when nothing takes the browser away.
  // Nothing follows: Chromium asks in a window nobody sees what is to open it.
  await j.walk([await j.visitor(desk), await j.visitor(phone)], async v => {
    const mobile = new Client({ site: j.base, callback: 'com.example.app:/cb', id: 'mobile' })
    await v.go(mobile.ask().url, 'signin')
    await signIn(v, `ada${v.number}`, 'demo', 'consent-mobile')
    await v.press('Allow', 'handover-mobile')
    const link = await v.link('Continue').getAttribute('href')
    v.demand(/^com\.example\.app:\/cb\?code=[^&]+&state=[^&]+&iss=/.test(link), 'handover-mobile', link)
  })
})
