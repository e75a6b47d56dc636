package authorize

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"

	"jeton/internal/audit"
	"jeton/internal/oauth"
)

// Pending is an authorization request on its way. It travels sealed with the
// browser, so nothing is kept for somebody who has proven nothing, and any node can
// go on with it.
type Pending struct {
	ID      []byte `json:"id"`
	Org     string `json:"o"`
	Dialect string `json:"d"`
	Client  string `json:"c"`
	Issuer  string `json:"i"`
	Browser []byte `json:"b,omitempty"` // hash of the browser's own name; nil: not bound yet
	Created int64  `json:"t"`           // unix milliseconds

	Redirect  string      `json:"r"`
	Mode      string      `json:"m,omitempty"`
	State     string      `json:"s,omitempty"`
	Scope     oauth.Scope `json:"sc,omitempty"`
	Audience  []string    `json:"au,omitempty"`
	Challenge string      `json:"ch,omitempty"`
	Nonce     string      `json:"n,omitempty"`
	Prompt    []string    `json:"p,omitempty"`
	MaxAge    *int64      `json:"ma,omitempty"`
	Claims    string      `json:"cl,omitempty"`
	NeedACR   []string    `json:"na,omitempty"`
	LoginHint string      `json:"h,omitempty"`
	Locales   string      `json:"l,omitempty"`
	Hint      int64       `json:"u,omitempty"`
	Force     bool        `json:"f,omitempty"`
	Picked    int64       `json:"k,omitempty"` // the account that was chosen
	Allowed   *Allowed    `json:"a,omitempty"` // what the person answered
	Denied    bool        `json:"x,omitempty"` // that the person said no
	Anew      int64       `json:"e,omitempty"` // unix milliseconds: they asked to sign in once more
}

// Allowed is a person's yes to this very request.
type Allowed struct {
	User  int64       `json:"u"`
	Scope oauth.Scope `json:"s,omitempty"`
}

const label = "authorization request"

// Bind ties the request to the browser that began it and seals it for the way.
// Sealed without a browser ("") it becomes that of the first page it is shown on.
func (s *Service) Bind(p *Pending, browser string) string {
	if p.Browser == nil && browser != "" {
		p.Browser = name(browser)
	}
	b, err := json.Marshal(p)
	if err != nil { // of texts and numbers: it never does
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(s.Seal.Seal(label, b, []byte(p.Org)))
}

func name(browser string) []byte {
	sum := sha256.Sum256([]byte("jeton browser\x00" + browser))
	return sum[:16]
}

// Open reads a sealed request of this browser. StalePage stands for one that is too
// old, of another browser, or no request at all.
func (s *Service) Open(ctx context.Context, org, sealed, browser string) (*Pending, error) {
	stale := func(got string) error {
		audit.From(ctx).Fail("interaction", "one this browser began within "+Life.String(), got, "start again at the client")
		return oauth.Refuse(oauth.StalePage, "")
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || len(sealed) > maxSealed {
		return nil, stale("not readable")
	}
	plain, err := s.Seal.Unseal(label, b, []byte(org))
	if err != nil {
		return nil, stale("not readable")
	}
	var p Pending
	if err := json.Unmarshal(plain, &p); err != nil {
		return nil, stale("not readable")
	}
	audit.From(ctx).SetClient(p.Client)
	switch {
	case p.Org != org:
		return nil, stale("of another organization")
	case p.Browser != nil && subtle.ConstantTimeCompare(p.Browser, name(browser)) != 1:
		return nil, stale("of another browser")
	case s.Now().UnixMilli()-p.Created > Life.Milliseconds():
		return &p, stale("too old") // its client is known: it can be asked to start again
	}
	return &p, nil
}

// Asker is the client of a sealed request, whoever's and however old, "" when there
// is none: for the words of an error page and nothing else.
func (s *Service) Asker(org, sealed string) string {
	b, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || len(sealed) > maxSealed {
		return ""
	}
	plain, err := s.Seal.Unseal(label, b, []byte(org))
	var p Pending
	if err != nil || json.Unmarshal(plain, &p) != nil || p.Org != org {
		return ""
	}
	return p.Client
}

// Bounds of a sealed request in bytes: whenever it is read, and when it sets out, with
// room left for what the pages add. It stands in addresses.
const (
	maxSealed = 24 << 10
	maxBegun  = 16 << 10
)

// Pick notes that the person goes on with this account.
func (p *Pending) Pick(user int64) { p.Picked = user }

// Deny notes the person's no: Next refuses from then on.
func (p *Pending) Deny() { p.Denied = true }

// Again has the person sign in once more, as whoever they like.
func (p *Pending) Again(now time.Time) {
	p.Prompt = append(slices.DeleteFunc(slices.Clone(p.Prompt), func(v string) bool { return v == promptAccount }), promptLogin)
	p.LoginHint, p.Anew = "", now.UnixMilli()
}
