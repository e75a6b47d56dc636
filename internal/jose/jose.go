// Package jose holds the small exact part of JOSE that token servers live on:
// strict compact JWS in, ordered claims out, and the checks a registered key
// must pass. Algorithms and keys come from registrations, never from a header
// (RFC 8725 §3.1).
//
// The rooms that mint and check tokens call it, and so do the packages that hold
// and rotate keys. It never keeps a key, reads a clock, opens a connection or
// judges a claim: who may issue what to whom, and until when, is asked elsewhere.
package jose

import (
	"crypto"
	"fmt"
	"io"
	"log/slog"
	"strconv"
)

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

// Known reports whether a is one of the algorithms above.
func (a Alg) Known() bool {
	switch a {
	case RS256, PS256, ES256, ES384, ES512, EdDSA, HS256:
		return true
	}
	return false
}

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

// String names the key without its private part.
func (k Key) String() string { return string(k.Alg) + " key " + strconv.Quote(k.ID) }

// Format implements fmt.Formatter, so that no verb shows the private part.
func (k Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, k.String()) }

// LogValue implements slog.LogValuer.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText keeps the private part out of JSON and YAML.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Header starts the JOSE header of a token signed with k: alg, typ, kid, leaving
// out what is empty (RFC 7515 §4.1).
func (k *Key) Header(typ string) Object {
	o := Obj().Str("alg", string(k.Alg))
	if typ != "" {
		o = o.Str("typ", typ)
	}
	if k.ID != "" {
		o = o.Str("kid", k.ID)
	}
	return o
}
