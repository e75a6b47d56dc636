// Package identity owns users: their names in one canonical form, their
// passwords and keys, and the question whether a password is theirs. The grants
// call Directory.Verify and the look-ups; administration calls Canonical,
// CanonicalMail and CheckPassword. It never decides what a user may do.
package identity

import (
	"encoding/json"

	"jeton/internal/client"
	"jeton/internal/oauth"
)

// User is one person (or machine account) of one realm.
type User struct {
	ID    int64  `json:"id"` // number, given once and never again
	Org   string `json:"org"`
	Realm string `json:"realm"`
	Name  string `json:"name"`            // as registered
	Canon string `json:"canon"`           // Canonical(Name): the key everywhere
	Email string `json:"email,omitempty"` //
	Mail  string `json:"mail,omitempty"`  // canonical form of Email, "" = none

	GivenName   string `json:"given_name,omitempty"`
	FamilyName  string `json:"family_name,omitempty"`
	DisplayName string `json:"display_name,omitempty"`

	Enabled     bool   `json:"enabled"`
	Expires     int64  `json:"expires,omitempty"`      // unix seconds the account ends, 0 = never
	Password    string `json:"password,omitempty"`     // PHC string, "" = cannot sign in by password
	PasswordDue bool   `json:"password_due,omitempty"` // must be changed at the next sign-in
	Admin       bool   `json:"admin,omitempty"`        // administrator of the organization

	Groups []string       `json:"groups,omitempty"`
	Keys   []client.Key   `json:"keys,omitempty"`  // public keys for JWT grants
	Attr   map[string]any `json:"attr,omitempty"`  // attributes; a dialect reads its own under its slug
	Roles  []string       `json:"roles,omitempty"` // administration: owner, …

	RevokedBefore int64  `json:"revoked_before,omitempty"` // unix ms: tokens issued earlier are dead
	Source        string `json:"source,omitempty"`         // file and line it is managed by
	Created       int64  `json:"created,omitempty"`        // unix seconds
	Updated       int64  `json:"updated,omitempty"`        // unix seconds
	Version       int64  `json:"version,omitempty"`        // raised with every change
}

// Live reports whether the account can be used at now (unix seconds).
func (u *User) Live(now int64) bool { return u.Enabled && (u.Expires == 0 || now < u.Expires) }

// Subject is the user as tokens speak of them.
func (u *User) Subject() oauth.Subject {
	s := oauth.Subject{
		Org: u.Org, User: u.ID, Name: u.Name, Realm: u.Realm, Email: u.Email,
		GivenName: u.GivenName, FamilyName: u.FamilyName, DisplayName: u.DisplayName,
		Groups: u.Groups, Admin: u.Admin, RevokedBefore: u.RevokedBefore, More: u.Attr,
	}
	for k, v := range u.Attr {
		if text, ok := v.(string); ok {
			if s.Attr == nil {
				s.Attr = make(map[string]string, len(u.Attr))
			}
			s.Attr[k] = text
		}
	}
	return s
}

// Decode reads the attribute object a dialect keeps under its slug into v.
func (u *User) Decode(slug string, v any) bool {
	raw, ok := u.Attr[slug]
	if !ok {
		return false
	}
	b, err := json.Marshal(raw)
	return err == nil && json.Unmarshal(b, v) == nil
}
