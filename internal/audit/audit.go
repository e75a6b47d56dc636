// Package audit holds the one record each request has: who asked what of whom,
// the checks that were made in their order with the values compared, and how it
// ended. Rooms add checks; the store writes the record in the same transaction
// as the change it describes; what changes nothing is written by Log shortly
// after. It never holds a secret.
package audit

import (
	"context"
	"strings"
	"sync/atomic"
	"time"
)

// Check is one comparison a room made.
type Check struct {
	Name string `json:"name"`           // "client", "grant", "aud", "exp", "signature", …
	OK   bool   `json:"ok"`             //
	Want string `json:"want,omitempty"` // what would have passed; never a secret
	Got  string `json:"got,omitempty"`  // what was there; never a secret
	Next string `json:"next,omitempty"` // what an operator can do about it, a command or a setting
}

// Outcome says how a request ended.
type Outcome string

// The outcomes there are.
const (
	OK        Outcome = "ok"
	Refused   Outcome = "refused"
	Challenge Outcome = "challenge"
	Failed    Outcome = "failed" // our fault
)

// Record is one request's audit event. A nil *Record ignores everything, so a
// room never asks whether there is one.
type Record struct {
	ID      ID        `json:"id"`
	At      time.Time `json:"at"`
	Org     string    `json:"org,omitempty"`
	Event   string    `json:"event"` // noun.verb: token.issue, token.refresh, token.revoke, token.introspect, login, client.create …
	Dialect string    `json:"dialect,omitempty"`
	Route   string    `json:"route,omitempty"` // method and path pattern, never the query
	Addr    string    `json:"addr,omitempty"`
	Client  string    `json:"client,omitempty"`
	User    string    `json:"user,omitempty"`
	Actor   string    `json:"actor,omitempty"` // who administered
	Grant   string    `json:"grant,omitempty"`
	Object  string    `json:"object,omitempty"` // what was changed: "client/mover"
	Outcome Outcome   `json:"outcome"`
	Code    string    `json:"code,omitempty"`  // oauth.Code of a refusal
	Shown   string    `json:"shown,omitempty"` // what the client was told
	Cause   string    `json:"cause,omitempty"` // our own words of what went wrong inside
	Status  int       `json:"status,omitempty"`
	Checks  []Check   `json:"checks,omitempty"`

	stored atomic.Bool
}

type key struct{}

// With puts r into a context.
func With(ctx context.Context, r *Record) context.Context { return context.WithValue(ctx, key{}, r) }

// From takes the record out of a context, nil when there is none.
func From(ctx context.Context) *Record {
	r, _ := ctx.Value(key{}).(*Record)
	return r
}

// Aside gives a context with a record of its own for a change that happens on the
// way to a refusal: the change is recorded as what it is, and the refusal after it
// keeps its own record with its checks.
func Aside(ctx context.Context, event string) context.Context {
	r := From(ctx)
	if r == nil {
		return ctx
	}
	return With(ctx, &Record{
		ID: NewID(r.At), At: r.At, Org: r.Org, Event: event, Dialect: r.Dialect, Route: r.Route,
		Addr: r.Addr, Client: r.Client, User: r.User, Actor: r.Actor, Grant: r.Grant, Object: r.Object,
	})
}

// Name says what kind of event this is.
func (r *Record) Name(event string) {
	if r != nil {
		r.Event = event
	}
}

// Pass notes a check that held.
func (r *Record) Pass(name, got string) {
	if r != nil {
		r.Checks = append(r.Checks, Check{Name: name, OK: true, Got: Clean(got)})
	}
}

// Fail notes a check that did not hold, with what to do about it.
func (r *Record) Fail(name, want, got, next string) {
	if r != nil {
		r.Checks = append(r.Checks, Check{Name: name, Want: Clean(want), Got: Clean(got), Next: next})
	}
}

// SetClient, SetUser, SetGrant and SetObject fill the record as the rooms learn.
func (r *Record) SetClient(id string) {
	if r != nil {
		r.Client = Clean(id)
	}
}

// SetUser notes the user the request speaks of.
func (r *Record) SetUser(name string) {
	if r != nil {
		r.User = Clean(name)
	}
}

// SetGrant notes the grant type.
func (r *Record) SetGrant(g string) {
	if r != nil {
		r.Grant = Clean(g)
	}
}

// SetObject notes what was changed.
func (r *Record) SetObject(o string) {
	if r != nil {
		r.Object = Clean(o)
	}
}

// Stored reports whether the store wrote this record with its change; MarkStored
// is called by the store alone.
func (r *Record) Stored() bool { return r != nil && r.stored.Load() }

// MarkStored is called by the store after the commit that holds the record.
func (r *Record) MarkStored() {
	if r != nil {
		r.stored.Store(true)
	}
}

// maxValue bounds one value in a record, in bytes.
const maxValue = 200

// Clean makes a stranger's value fit for a record: bounded, one line, printable.
func Clean(s string) string {
	if len(s) > maxValue {
		s = s[:maxValue] + "…"
	}
	plain := true
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] == 0x7f || s[i] >= 0x80 {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r < 0x20, r == 0x7f, r >= 0x80 && r < 0xa0, r == '\u2028', r == '\u2029', r == 0xfffd:
			return '\u00b7'
		case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069: // text that turns direction forges lines
			return '\u00b7'
		}
		return r
	}, s)
}
