// How long somebody with a slow phone waits until they can type their name.

import { Client } from '../client.mjs'
import { journey, one } from '../lib.mjs'

await journey(async j => {
  const client = new Client({ site: j.base, callback: 'http://127.0.0.1/callback' })
  await j.each(v => v.go(client.ask().url, 'signin'), one)
  for (let i = 0; i < 3; i++) await j.measure(client.ask().url, 'signin')
})
