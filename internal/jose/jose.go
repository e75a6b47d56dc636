// Package jose holds the small exact part of JOSE that token servers live on:
// strict compact JWS in, ordered claims out, and the checks a registered key
// must pass. Algorithms and keys come from registrations, never from a header
// (RFC 8725 §3.1).
package jose

import "crypto"

// Alg is a JWS algorithm (RFC 7518 §3.1, RFC 8037).
type Alg string

// The algorithms there are. HS256 exists only for a dialect that demands it.
const (
	RS256 Alg = "RS256"
	PS256 Alg = "PS256"
	ES256 Alg = "ES256"
	ES384 Alg = "ES384"
	ES512 Alg = "ES512"
	EdDSA Alg = "EdDSA"
	HS256 Alg = "HS256"
)

// Key is a key this server signs with.
type Key struct {
	ID      string           // kid; "" where a dialect sends none
	Org     string           //
	Purpose string           // what it may sign
	Alg     Alg              //
	Public  crypto.PublicKey // nil for HS256
	Signer  crypto.Signer    // nil for HS256
	Secret  []byte           // HS256 only
	Created int64            // unix seconds
}
