// The client libraries, as ../../clients/node locks and installs them.
import { createRequire } from 'node:module'

const locked = createRequire(new URL('../../clients/node/package.json', import.meta.url))

export const openid = await import(locked.resolve('openid-client'))
export const oauth = await import(locked.resolve('oauth4webapi'))
export const jose = await import(locked.resolve('jose'))

/** What a verified logout token says; it has no nonce, so that no ID token passes (OpenID Connect Back-Channel Logout §2.6). */
export function logoutToken({ payload }) {
  if (!payload.events?.['http://schemas.openid.net/event/backchannel-logout'] || 'nonce' in payload || !payload.jti) throw new Error('not a logout token')
  return payload
}
