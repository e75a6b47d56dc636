// Package mfa owns challenges: the answer "not yet" to a right first factor. The
// token pipeline raises a Challenge when policy.Factor says one is lacking; a
// dialect words it. It never sees a password.
package mfa

import "jeton/internal/oauth"

// Challenge says that a further factor is asked for. It is an error so that no
// handler can go on by mistake, and it unwraps to the refusal mfa_required so that
// a dialect without words for challenges still refuses.
type Challenge struct {
	Kind    string // otp, radius
	Method  string // push, totp, hotp, sms, email, dual
	Session string // 32 lower-case hex characters, "" where none is needed
	Prompt  string // what a remote server wants shown
	Status  string // pending
}

// Error implements error.
func (c *Challenge) Error() string { return "a second factor is required: " + c.Method }

// Unwrap makes a challenge the refusal mfa_required.
func (c *Challenge) Unwrap() error { return oauth.Refuse(oauth.MFARequired, "") }
