package fortiauth

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"jeton/internal/client"
	"jeton/internal/dialect"
	"jeton/internal/jose"
	"jeton/internal/oauth"
	"jeton/internal/policy"
	"jeton/internal/wire"
)

// idForm is the vendor's ID token: RS256, and typ before alg in its header.
var idForm = policy.Form{
	Kind: policy.JWT, Purpose: purpose, Alg: jose.RS256, Typ: "JWT",
	Header: func(k *jose.Key, typ string) jose.Object {
		return jose.Obj().Str("typ", typ).Str("alg", string(k.Alg)).Str("kid", k.ID)
	},
}

// idClaims are those of the vendor's ID token in its order, and after them what the
// client is registered for.
func idClaims(f policy.IDFacts) jose.Object {
	o := jose.Obj().Str("aud", f.Client).Int("iat", f.Now.Unix())
	if f.Nonce != "" {
		o = o.Str("nonce", f.Nonce)
	}
	o = o.Str("at_hash", f.AtHash).Str("sub", strconv.FormatInt(f.Subject.User, 10)).Str("iss", f.Issuer).
		Int("exp", f.Expires.Unix()).Int("auth_time", f.AuthTime).Str("jti", uuid(f.ID))
	return mapped(o, reserved, f.Subject, f.Mapped, client.InID, f.Scope)
}

// reserved are the claims no mapping sets.
var reserved = []string{"aud", "iat", "nonce", "at_hash", "sub", "iss", "exp", "auth_time", "jti", "nbf", "azp", "acr", "amr", "sid", "events"}

// uuid writes 128 random bits in hex as a UUID of version 4 (RFC 9562 §5.4).
func uuid(random string) string {
	b, err := hex.DecodeString(random)
	if err != nil || len(b) != 16 {
		return random
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return hex.EncodeToString(b[:4]) + "-" + hex.EncodeToString(b[4:6]) + "-" + hex.EncodeToString(b[6:8]) + "-" +
		hex.EncodeToString(b[8:10]) + "-" + hex.EncodeToString(b[10:])
}

// usual is what the userinfo endpoint tells of a person when the client is registered
// for nothing in particular, in the vendor's order.
var usual = []client.Claim{{Name: "email", From: "email"}, {Name: "username", From: "name"}, {Name: "groups", From: "groups"}}

// mapped adds the claims that go into this kind of token, each name once.
func mapped(o jose.Object, has []string, s oauth.Subject, claims []client.Claim, into string, scope oauth.Scope) jose.Object {
	for _, m := range claims {
		if !m.Goes(into, scope) || slices.Contains(has, m.Name) {
			continue
		}
		if v := claim(s, m.From); v != nil {
			o, has = o.Raw(m.Name, v), append(slices.Clip(has), m.Name)
		}
	}
	return o
}

// claim is what is known of a user under a name, as JSON; nil when it is nothing.
// Groups are one text, as the vendor sends them: "SW,HW".
func claim(s oauth.Subject, from string) []byte {
	text := ""
	switch from {
	case "name", "username", "preferred_username":
		text = s.Name
	case "email":
		text = s.Email
	case "given_name":
		text = s.GivenName
	case "family_name":
		text = s.FamilyName
	case "display_name":
		text = s.DisplayName
	case "realm":
		text = s.Realm
	case "groups": // never an attribute of that name, which may be of another kind
		if len(s.Groups) == 0 {
			return nil
		}
		text = strings.Join(s.Groups, ",")
	}
	if text != "" {
		return value(text)
	}
	if v, ok := s.More[from]; ok && v != nil {
		return value(v)
	}
	return nil
}

func value(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // an attribute nobody can spell is not there
		return nil
	}
	return b
}

// userinfo tells what the client is registered for of the person whose token it
// shows. A token without scope openid is none for this endpoint, and the vendor has
// no other answer than 401 for those.
func (f face) userinfo(r *dialect.Request) (dialect.Reply, error) {
	token, _, err := wire.Bearer(r.Header)
	if err != nil {
		return dialect.Reply{}, err
	}
	a, err := f.core.Bearer(r.Context(), r.Org.ID, Name, token)
	if err != nil {
		return dialect.Reply{}, err
	}
	if a.Subject.User == 0 || !a.Scope.Has(openid) {
		r.Audit().Fail("scope", openid, a.Scope.String(), "ask for scope openid")
		return dialect.Reply{}, oauth.Refuse(oauth.InvalidToken, "")
	}
	claims := usual
	if c, ok := f.core.Clients.Client(r.Org.ID, a.Client); ok && len(c.Claims) > 0 {
		claims = c.Claims
	}
	o := jose.Obj().Str("sub", strconv.FormatInt(a.Subject.User, 10))
	o = mapped(o, reserved, a.Subject, claims, client.InUserinfo, a.Scope)
	return dialect.Reply{Status: http.StatusOK, Body: o.Bytes(), ContentType: "application/json"}, nil
}

// openid is the scope that asks for an ID token and opens userinfo.
const openid = "openid"
