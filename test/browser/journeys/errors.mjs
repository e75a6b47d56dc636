// Requests that cannot be followed: a sentence for the person, the facts folded, an id
// to pass on; and never a way out to an address nobody registered.

import { Client, signIn } from '../client.mjs'
import { everything, journey } from '../lib.mjs'

await journey(async j => {
  const p = await j.party()
  const client = new Client({ site: j.base, callback: p.callback })

  await j.each(async v => {
    const problem = async (url, name, title, { status = 400, facts = [] } = {}) => {
      await v.go(url, name, { status })
      await v.sees(v.heading(title), name)
      const details = v.page.getByText('Details for the developer', { exact: true })
      const id = v.page.getByRole('definition').last()
      v.demand(!await id.isVisible(), name, 'the details are not folded')
      await (v.width < 600 ? details.tap() : details.click())
      await v.sees(id, name)
      for (const fact of facts) await v.sees(v.page.getByRole('definition').filter({ hasText: fact }), name)
      v.demand((await id.innerText()).startsWith(v.errorID), name, `error id ${v.errorID}, on the page ${await id.innerText()}`)
      await v.look(name + '-details', status)
    }
    v.page.on('response', r => { if (r.request().isNavigationRequest()) v.errorID = r.headers()['jeton-error-id'] })

    await problem(client.ask({ client_id: 'nobody' }).url, 'problem-client', 'We don’t know who asks', { facts: ['nobody'] })
    const stranger = 'https://stranger.example/cb?' + 'long='.repeat(30)
    await problem(client.ask({ redirect_uri: stranger }).url, 'problem-redirect', 'Report Builder sent us a bad link', { facts: ['https://stranger.example'] })
    await problem('/oauth2/authorize', 'problem-link', 'This link is not complete')
    await problem('/account/nothing', 'problem-notfound', 'There is no such page', { status: 404 })
    v.demand(p.calls.length === 0, 'problem', 'the relying party was called')
  }, { ...everything, scripts: [true] })

  // A step belongs to the browser that began it, and is done once.
  const [a, b] = [await j.visitor(), await j.visitor({ scheme: 'dark', width: 320, scripts: false })]
  await j.walk([a], async () => {
    await a.go(client.ask().url, 'signin')
    await signIn(a, `ada${a.number}`, 'demo', 'consent')
    await b.go(a.page.url(), 'problem-stale', { status: 400 })
    await b.sees(b.heading('This page waited too long'), 'problem-stale')
    const second = await a.context.newPage() // another window of the same browser, with the same question
    await second.goto(a.page.url())
    await a.press('Allow', 'called', { until: u => u.href.startsWith(p.callback) })
    const answer = second.waitForResponse(r => r.request().method() === 'POST')
    await second.getByRole('button', { name: 'Deny', exact: true }).click()
    a.demand((await answer).status() !== 200, 'consent', 'a question was answered twice')
    await second.close()
    a.settle('consent')
  })
})
