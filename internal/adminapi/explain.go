package adminapi

import (
	"encoding/json"
	"strings"
	"time"

	"jeton/internal/dialect"
	"jeton/internal/jose"
	"jeton/internal/keys"
	"jeton/internal/mint"
	"jeton/internal/oauth"
	"jeton/internal/policy"
)

// Kinds of token an Explanation knows.
const (
	KindAccess  = "access token"
	KindRefresh = "refresh token"
	KindID      = "ID token"
	KindForeign = "JWT from elsewhere"
	KindUnknown = "unknown"
)

// Explanation is what there is to say of a token. Times are unix seconds, 0 or
// absent = never, or unknown where the token is not live.
type Explanation struct {
	Kind      string `json:"kind"`
	Format    string `json:"format,omitempty"` // jwt or opaque
	Alg       string `json:"alg,omitempty"`
	Key       string `json:"key,omitempty"`       // kid
	KeyState  string `json:"key_state,omitempty"` // signing, next or retiring
	Signature string `json:"signature,omitempty"` // good, bad, or unknown: not our key

	Organization string   `json:"organization,omitempty"`
	Dialect      string   `json:"dialect,omitempty"`
	Client       string   `json:"client,omitempty"`
	ClientName   string   `json:"client_name,omitempty"`
	User         string   `json:"user,omitempty"`
	Scope        []string `json:"scope,omitempty"`     // what it may do
	Withheld     []string `json:"withheld,omitempty"`  // what its client may have and it has not
	Audience     []string `json:"audience,omitempty"`  //
	Issued       int64    `json:"issued,omitempty"`    //
	Used         int64    `json:"used,omitempty"`      // last use; only of tokens that roll
	Expires      int64    `json:"expires,omitempty"`   //
	Rolls        int64    `json:"rolls,omitempty"`     // seconds after its last use that it ends
	Refreshed    int64    `json:"refreshed,omitempty"` // how often

	Accepted bool            `json:"accepted"`
	Verdict  string          `json:"verdict"`
	Next     string          `json:"next,omitempty"`
	Header   json.RawMessage `json:"header,omitempty"` // of a JWT from elsewhere, and of an ID token
	Claims   json.RawMessage `json:"claims,omitempty"`
}

// explainToken says what the token of the body is and whether this server takes
// it. It counts as no use, and the token is written nowhere.
func (a *api) explainToken(r *dialect.Request) (dialect.Reply, error) {
	token, err := tokenIn(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	token = strings.TrimSpace(token)
	x := Explanation{Kind: KindUnknown, Verdict: "not a token this server made", Next: "see whether it is complete, and from this server"}
	a.signature(token, &x)
	for _, org := range a.reach(r) {
		found, err := a.explainIn(r, org, token, &x)
		if err != nil {
			return dialect.Reply{}, err
		}
		if found {
			break
		}
	}
	return dialect.OK(x), nil
}

// explainIn looks for the token in one organization; true when it is from there.
func (a *api) explainIn(r *dialect.Request, org, token string, x *Explanation) (bool, error) {
	access, why, err := a.peek(r, org, token)
	if err != nil {
		return false, err
	}
	s, refresh, err := a.core.Mint.Holder(quiet(r.Context()), org, token)
	if err != nil {
		return false, err
	}
	switch {
	case access != nil:
		a.live(x, access, s)
	case s != nil && refresh:
		return true, a.refresh(r, x, org, token, s)
	case s != nil:
		x.Kind = KindAccess
		a.family(x, s)
		refused(x, why)
	case x.Signature == "good" && x.Organization == org:
		a.signedOnly(x, why)
	default:
		return false, nil
	}
	return true, nil
}

// live fills in an access token that is good.
func (a *api) live(x *Explanation, t *oauth.Access, s *mint.State) {
	x.Kind, x.Accepted, x.Verdict, x.Next = KindAccess, true, "this server accepts it", ""
	if s != nil {
		a.family(x, s)
	}
	a.standing(x, t.Org, t.Dialect, t.Client, t.Scope)
	x.Audience, x.Issued, x.Expires = t.Audience, unix(t.IssuedAt), unix(t.Expires)
	if x.User = ""; t.Subject.User != 0 {
		x.User = t.Subject.Name
	}
	x.Header, x.Claims = nil, nil
}

// family fills in what is stored of the grant behind a token.
func (a *api) family(x *Explanation, s *mint.State) {
	f := &s.Family
	a.standing(x, f.Org, f.Dialect, f.Client, f.Scope)
	x.Audience, x.Issued, x.Expires, x.Refreshed = f.Audience, f.Created/1000, f.Expires, f.Generation
	if p, ok := a.core.Mint.Profile(f.Dialect); ok && p.Rolling != 0 {
		x.Rolls, x.Used = int64(p.Rolling/time.Second), f.Used
	}
	if f.User != 0 {
		x.User = f.Subject
	}
	if x.Format == "" {
		x.Format = "opaque"
	}
	x.Header, x.Claims = nil, nil
}

// standing fills in whose token it is and what it may do.
func (a *api) standing(x *Explanation, org, dialect, client string, scope oauth.Scope) {
	x.Organization, x.Dialect, x.Client, x.Scope, x.Withheld = org, dialect, client, scope, nil
	if x.Format == "" {
		x.Format = "opaque"
	}
	c, ok := a.core.Clients.Client(org, client)
	if !ok {
		return
	}
	x.ClientName = c.Name
	for _, v := range c.Scopes {
		if !scope.Has(v) {
			x.Withheld = append(x.Withheld, v)
		}
	}
}

func (a *api) refresh(r *dialect.Request, x *Explanation, org, token string, s *mint.State) error {
	x.Kind = KindRefresh
	a.family(x, s)
	x.Expires = s.Family.Idle
	live, err := a.core.Mint.FindRefresh(quiet(r.Context()), org, token)
	switch {
	case err != nil:
		return err
	case live != nil:
		x.Accepted, x.Verdict, x.Next = true, "this server accepts it, at the token endpoint of its client", ""
	case s.Family.Revoked != 0:
		refused(x, "revoked at "+rfc3339(s.Family.Revoked/1000))
	case !a.before(s.Family.Idle) || !a.before(s.Family.Ends):
		refused(x, "it has ended")
	default:
		refused(x, "used before, or its user or client is gone")
	}
	return nil
}

// before reports whether an end lies ahead; 0 never comes.
func (a *api) before(end int64) bool { return end == 0 || a.core.Now().Unix() < end }

// refused words the verdict on a token of ours that is not live.
func refused(x *Explanation, why string) {
	if why == "" {
		why = "not live"
	}
	x.Accepted, x.Verdict, x.Next = false, "refused: "+why, "get a new token"
}

// signature fills in what a JWT says of itself and whether one of our keys signed
// it.
func (a *api) signature(token string, x *Explanation) {
	t, err := jose.Parse(token)
	if err != nil {
		return
	}
	x.Kind, x.Format, x.Alg, x.Key, x.Signature = KindForeign, "jwt", string(t.Alg), t.KID, "unknown"
	x.Verdict, x.Next = "not from here: no key of this server signed it", "ask the server that made it"
	if iss, ok := t.Claims.Text("iss"); ok {
		x.Verdict += "; it says it is from " + iss
	}
	x.Header, x.Claims = headerOf(token), json.RawMessage(t.Payload())
	x.Issued, _ = t.Claims.Int("iat")
	x.Expires, _ = t.Claims.Int("exp")
	for _, org := range a.orgs() {
		for _, i := range a.core.Admin.SigningKeys(org.ID) {
			if i.KID != t.KID || i.Alg != t.Alg {
				continue
			}
			for _, k := range a.Ring.Verifying(org.ID, i.Purpose, t.KID) {
				a.judge(x, t, k, i)
				if x.Signature == "good" {
					return
				}
			}
		}
	}
}

// judge verifies a token with one of our keys.
func (a *api) judge(x *Explanation, t *jose.Token, k *jose.Key, i keys.Info) {
	if t.Verify(k) != nil {
		if t.KID != "" {
			x.Signature, x.KeyState = "bad", i.State
			x.Verdict, x.Next = "refused: it names a key of this server, which did not sign it", "it was changed on its way, or is a forgery"
		}
		return
	}
	x.Signature, x.KeyState, x.Organization = "good", i.State, i.Org
	for _, d := range a.Faces {
		for _, p := range d.Keys {
			if p.Name == i.Purpose {
				x.Dialect = d.Name
			}
		}
	}
}

// signedOnly fills in a token that our key signed and nothing else is known of: an
// ID token, or an access token that has ended and nothing was stored of.
func (a *api) signedOnly(x *Explanation, why string) {
	var c struct {
		Sub      string `json:"sub"`
		ClientID string `json:"client_id"`
		Scope    string `json:"scope"`
		Aud      any    `json:"aud"`
	}
	_ = json.Unmarshal(x.Claims, &c) // jose.Parse read it before
	x.User, x.Client = c.Sub, c.ClientID
	x.Kind = KindAccess
	if p, ok := a.core.Mint.Profile(x.Dialect); !ok || p.Access.Kind != policy.JWT || c.ClientID == "" {
		x.Kind = KindID
		if aud, ok := c.Aud.(string); ok {
			x.Client = aud
		}
	}
	a.standing(x, x.Organization, x.Dialect, x.Client, strings.Fields(c.Scope))
	if x.Kind == KindAccess {
		x.Header, x.Claims = nil, nil
		if x.User == x.Client {
			x.User = ""
		}
		refused(x, why)
		return
	}
	x.Withheld = nil
	x.Verdict, x.Next = "signed by this server; an ID token opens nothing", "send the access token that came with it"
	if !a.before(x.Expires) {
		refused(x, "an ID token that expired at "+rfc3339(x.Expires))
	}
}

func headerOf(token string) json.RawMessage {
	head, _, _ := strings.Cut(token, ".")
	b, err := decodeBase64(head)
	if err != nil || !json.Valid(b) {
		return nil
	}
	return b
}
