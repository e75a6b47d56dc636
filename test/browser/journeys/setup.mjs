// The first administrator is made: from the home page that says where to look,
// through the link of the terminal, a wrong and a right form, to the page after it.

import { everything, journey } from '../lib.mjs'

await journey(async j => {
  const { link, password } = j.options
  const form = async (v, password) => {
    await v.fill('Name', 'ada')
    await v.fill('E-mail', 'ada@example.com')
    await v.fill('Password', password)
  }

  // Tries of a code are counted by address: every visitor comes from another.
  const visitors = await j.open(everything, i => ({ headers: { 'X-Forwarded-For': `192.0.2.${i + 1}` } }))

  await j.walk(visitors, async v => {
    await v.go('/', 'home-before')
    await v.sees(v.heading('Not set up yet'), 'home-before')
    await v.go(link.replace(/[^/]{6}$/, 'AAAAAA'), 'setup-bad-link', { status: 404 })
    await v.sees(v.heading('This link does not work'), 'setup-bad-link')

    await v.go(link, 'setup-form')
    v.demand(new URL(v.page.url()).pathname === '/setup', 'setup-form', `the code is still in the address bar: ${v.page.url()}`)
    await v.focused(v.field('Name'), 'setup-form')
    await form(v, 'too short')
    await v.press('Create administrator', 'setup-wrong', { status: 422 })
    await v.sees(v.alert(), 'setup-wrong')
    await v.focused(v.field('Password'), 'setup-wrong')
    v.demand(await v.field('Name').inputValue() === 'ada', 'setup-wrong', 'the name that was typed is gone')
    v.demand(await v.field('Password').inputValue() === '', 'setup-wrong', 'the page repeats the password')
  })

  await j.measure('/setup', 'setup-form', visitors[0])
  const last = visitors.at(-1) // dark, small, no scripts
  await form(last, password)
  await last.press('Create administrator', 'setup-done')
  await j.walk(visitors, async v => {
    await v.go('/setup/done', 'setup-done')
    await v.sees(v.heading('Jeton is set up'), 'setup-done')
    await v.go(link, 'setup-late', { status: 404 })
    await v.sees(v.heading('Set up already'), 'setup-late')
    await v.go('/', 'home')
    await v.sees(v.heading('Jeton is running'), 'home')
  })
  await j.measure('/', 'home')
})
