// Goes through examples/spa in a real browser: sign in, refresh, sign out.
// usage: node spa.mjs URL

import { createRequire } from 'node:module'
const { chromium } = createRequire(new URL('../browser/package.json', import.meta.url))('playwright-core')

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] })
try {
  const page = await browser.newPage()
  page.setDefaultTimeout(30_000)
  const wrong = []
  page.on('console', m => m.type() === 'error' && wrong.push(m.text()))
  page.on('pageerror', e => wrong.push(e.message))
  const says = text => page.locator('#who', { hasText: text }).waitFor()

  await page.goto(process.argv[2])
  await says('Not signed in')
  await page.click('#in')
  await page.fill('#name', 'sam')
  await page.fill('#password', 'demo-sam')
  await page.click('button.primary')
  await page.click('button[value=allow]')
  await says('Signed in as sam@example.com')
  if (page.url().includes('code=')) throw new Error('the code stays in the address: ' + page.url())
  for (let i = 0; i < 2; i++) { // the refresh token of the first one is another
    await page.click('#again')
    await says('refreshed')
    await page.evaluate(() => { document.getElementById('who').textContent = '' })
  }
  // After a reload no page is shown.
  await page.reload()
  await says('Not signed in')
  await page.click('#in')
  await says('Signed in as sam@example.com')
  await page.click('#out')
  await says('Not signed in')
  await page.click('#in')
  await page.locator('#password').waitFor() // signed out at the server, too
  if (wrong.length) throw new Error(wrong.join('\n'))
} finally {
  await browser.close()
}
