// A client of the server: what it asks with, and what it makes of the answer.

import { createHash, randomBytes } from 'node:crypto'

const verifier = randomBytes(32).toString('base64url')
const challenge = createHash('sha256').update(verifier).digest('base64url')

let asked = 0

/** A client of one organization; site is the address its paths begin at. */
export class Client {
  constructor({ site, callback, id = 'app', secret = 'app-secret' }) {
    Object.assign(this, { site, callback, id, secret })
  }

  /**
   * An authorization request, {url, state}; more replaces parameters or takes them
   * away (undefined). No two have the same state, and every state holds what must be
   * kept byte for byte.
   */
  ask(more = {}) {
    const state = `a b&=?#+%26"é ${++asked}`
    const q = new URLSearchParams()
    for (const [name, value] of Object.entries({
      response_type: 'code', client_id: this.id, redirect_uri: this.callback, scope: 'openid email read', state, nonce: 'n-1',
      code_challenge: challenge, code_challenge_method: 'S256', ...more,
    })) if (value !== undefined) q.set(name, value)
    return { url: `${this.site}/oauth2/authorize?${q}`, state }
  }

  /** Trades a code in for tokens. */
  async redeem(code) {
    const answer = await fetch(`${this.site}/oauth2/token`, {
      method: 'POST',
      headers: { Authorization: 'Basic ' + Buffer.from(`${this.id}:${this.secret}`).toString('base64') },
      body: new URLSearchParams({ grant_type: 'authorization_code', code, redirect_uri: this.callback, code_verifier: verifier }),
    })
    const tokens = await answer.json()
    if (!answer.ok) throw new Error(`the code was refused: ${JSON.stringify(tokens)}`)
    return tokens
  }
}

/** Fills in the sign-in page and submits it. */
export async function signIn(v, name, password, page, where) {
  await v.fill('Username or email', name)
  await v.fill('Password', password)
  await v.press('Sign in', page, where)
}
