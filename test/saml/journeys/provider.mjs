// Signing in with an identity provider: from the sign-in page over the provider to the
// account. What the browser posts to the callback goes into a file, as somebody would
// copy it out of the developer tools.

import { writeFileSync } from 'node:fs'
import { everything, journey } from '../../browser/lib.mjs'

await journey(async j => {
  const { provider, file, callback } = j.options
  j.allow(provider)
  let captured
  await j.each(async v => {
    v.page.on('request', r => {
      if (r.method() !== 'POST' || r.url() !== callback) return
      captured = new URLSearchParams(r.postData())
      const cookies = r.headers().cookie
      v.demand(!cookies, 'callback', `another site's form came with cookies: ${cookies}`)
    })
    await v.go('/login', 'signin')
    if (v.scripts) {
      await v.follow('Continue with Company login', 'signed-in', { until: /\/account$/ })
    } else {
      await v.link('Continue with Company login').click()
      await v.page.getByRole('button').click() // the provider's own page
      await v.arrive(/\/account$/, 'signed-in')
    }
    await v.sees(v.page.getByText('Ädä & <Lovelace>'), 'signed-in')
    v.demand(!/SAML|saml|h=/.test(v.page.url()), 'signed-in', `the address tells of the way here: ${v.page.url()}`)

    await v.go('/auth/saml/callback', 'callback', { status: 405 })
    await v.sees(v.heading('This page cannot be used that way'), 'callback')
    await v.go('/login/saml?h=_unknown', 'again', { status: 200 })
  }, { ...everything, schemes: ['light'] })
  writeFileSync(file, captured.get('SAMLResponse'))
})
