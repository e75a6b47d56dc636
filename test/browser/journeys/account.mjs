// A person looks after their account: every page, every change, and what ends with it.

import { Client, signIn } from '../client.mjs'
import { everything, journey, one } from '../lib.mjs'

const firefox = 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:140.0) Gecko/20100101 Firefox/140.0'

await journey(async j => {
  const { keys } = j.options
  const p = await j.party()
  const client = new Client({ site: j.base, callback: p.callback })
  const called = { until: u => u.href.startsWith(p.callback) }
  const visitors = [
    ...await j.open({ ...everything, widths: [1280], scripts: [true] }), await j.visitor({ width: 320 }), await j.visitor({ scheme: 'dark', width: 320, scripts: false }),
  ]

  await j.walk(visitors, async v => {
    const user = `bea${v.number}`
    const other = await j.visitor({ ...one, headers: { 'User-Agent': firefox } })
    /** The browser of the other visitor is signed in no more. */
    const ended = async name => {
      await other.go('/account', 'account-signin')
      await other.sees(other.heading('Sign in'), name)
    }
    const says = (name, text) => v.sees(v.message().getByText(text), name)
    const warns = (name, text) => v.sees(v.alert().getByText(text), name)

    await v.go('/account/profile', 'account-signin')
    await v.sees(v.text('to manage your account'), 'account-signin')
    await signIn(v, user, 'not the one', 'account-wrong', { status: 422 })
    await signIn(v, user, 'demo', 'profile')

    // Profile.
    await v.fill('First name', 'Beatrix')
    await v.press('Save', 'profile-saved')
    await says('profile-saved', 'Your profile was saved.')
    v.demand(await v.field('First name').inputValue() === 'Beatrix', 'profile-saved', 'the new name is not shown')
    await v.fill('Last name', 'King')
    await v.fill('Phone', 'not a number')
    await v.press('Save', 'profile-wrong', { status: 422 })
    await warns('profile-wrong', 'Type a phone number with its country code')
    await v.focused(v.field('Phone'), 'profile-wrong')
    v.demand(await v.field('Last name').inputValue() === 'King', 'profile-wrong', 'what was typed is gone')

    // Keys.
    const add = async (label, pem, name, where) => {
      await v.fill('Name of the key (optional)', label)
      await v.fill('Public key', pem)
      await v.press('Add key', name, where)
    }
    await v.go('/account/keys', 'keys-empty')
    await v.sees(v.text('No keys. You need one only if a program signs in as you.'), 'keys-empty')
    await add('Laptop', keys.private, 'keys-private', { status: 422 })
    await warns('keys-private', 'This is a private key: do not paste it anywhere; paste the public part.')
    v.demand(await v.field('Public key').inputValue() === '', 'keys-private', 'the page repeats the private key')
    await v.focused(v.field('Public key'), 'keys-private')
    await add('Laptop', keys.weak, 'keys-weak', { status: 422 })
    await warns('keys-weak', 'RSA 1024 is too weak')
    v.demand(await v.field('Public key').inputValue() !== '', 'keys-weak', 'what was pasted is gone')
    await add('Laptop', keys.good, 'keys-saved')
    await says('keys-saved', 'The key was added.')
    await v.follow('Remove the key Laptop', 'keys-confirm')
    await v.sees(v.heading('Remove the key Laptop?'), 'keys-confirm')
    await v.follow('Cancel', 'keys')
    await v.follow('Remove the key Laptop', 'keys-confirm')
    await v.press('Remove key', 'keys-removed')
    await says('keys-removed', 'The key was removed.')

    // Clients.
    await v.go('/account/clients', 'clients-empty')
    await v.go(client.ask().url, 'consent')
    await v.press('Allow', 'called', called)
    await client.redeem((await p.next(new URL(v.page.url()).searchParams.get('state'))).query.code)
    await v.go('/account/clients', 'clients')
    await v.sees(v.page.getByRole('heading', { name: 'Report Builder' }), 'clients')
    await v.follow('Remove access of Report Builder', 'clients-confirm')
    await v.sees(v.heading('Remove the access of Report Builder?'), 'clients-confirm')
    await v.press('Remove access', 'clients-removed')
    await says('clients-removed', 'Report Builder no longer has access.')
    await v.go(client.ask().url, 'consent')
    await v.sees(v.button('Allow'), 'consent')

    // Sessions: the other browser is listed, and out when it is signed out.
    await other.go('/account', 'account-signin')
    await signIn(other, user, 'demo', 'overview')
    await v.go('/account/sessions', 'sessions')
    await v.sees(v.text('this one'), 'sessions')
    await v.press('Sign out Firefox, macOS', 'sessions-ended')
    await says('sessions-ended', 'That session has ended.')
    await ended('sessions-ended')

    // A new password signs out the other browser.
    await signIn(other, user, 'demo', 'overview')
    await v.go('/account/password', 'password')
    const change = async (old, fresh, name, where) => {
      await v.fill('Current password', old)
      await v.fill('New password', fresh)
      await v.fill('New password again', fresh)
      await v.press('Change password', name, where)
    }
    await change('not the one', 'three words and more', 'password-wrong', { status: 422 })
    await warns('password-wrong', 'That is not your current password.')
    await v.focused(v.field('Current password'), 'password-wrong')
    await change('demo', 'three words and more', 'password-changed')
    await says('password-changed', 'Your password was changed, and you were signed out everywhere else.')
    await ended('password-changed')
    await other.context.close()

    await v.go('/account/activity', 'activity')
    await v.sees(v.page.getByRole('cell').filter({ hasText: 'Refused' }).getByText(/^01[0-9A-Z]+$|^[0-9A-Z]{8,}$/), 'activity')
    await v.sees(v.page.getByRole('cell').filter({ hasText: 'Password changed' }), 'activity')
    await v.go('/account', 'overview')
    await v.sees(v.heading('Your account'), 'overview')

    // Signed out: neither the way back nor a form that is still open is of use.
    const left = await v.context.newPage()
    await left.goto('/account/profile')
    await v.go('/logout', 'signout')
    await v.sees(v.text('You are signed in as Bea Lovelace.'), 'signout')
    await v.press('Sign out', 'signedout')
    await v.sees(v.heading('You are signed out'), 'signedout')
    await v.page.goBack()
    await v.page.goBack()
    const shown = await v.page.content()
    v.demand(!/Lovelace|@app\.example/.test(shown), 'signedout-back', `going back shows ${v.page.url()}`)
    await left.getByLabel('First name', { exact: true }).fill('Mallory')
    await left.getByRole('button', { name: 'Save', exact: true }).click()
    await left.waitForURL('**/login**')
    await left.close()
    await v.go('/account/profile', 'account-signin')
    await signIn(v, user, 'three words and more', 'profile')
    v.demand(await v.field('First name').inputValue() === 'Beatrix', 'signedout-back', 'a form was taken from who is signed out')
  })
})
