// The home page of a demo server says what it is.

import { journey } from '../lib.mjs'

await journey(j => j.each(async v => {
  await v.go('/', 'demo-home')
  await v.sees(v.heading('Jeton is running'), 'demo-home')
  await v.sees(v.page.getByText('demo: example users, known passwords, gone when it stops'), 'demo-home')
}))
