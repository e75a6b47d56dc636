package web

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"jeton/internal/audit"
	"jeton/internal/authorize"
	"jeton/internal/client"
	"jeton/internal/dialect"
	"jeton/internal/grant"
	"jeton/internal/identity/saml"
	"jeton/internal/oauth"
	"jeton/internal/page"
	"jeton/internal/ratelimit"
	"jeton/internal/wire"
)

// Tickets keeps what a browser that is away at an identity provider comes back to,
// and notes what was used (store.Store).
type Tickets interface {
	PutTicket(ctx context.Context, key []byte, expires int64, body string) error
	// TakeTicket removes and gives; IsNotFound says it is not there, or not any more.
	TakeTicket(ctx context.Context, key []byte) (body string, err error)
	Mark(ctx context.Context, key []byte, expires int64) (first bool, err error)
	IsNotFound(err error) bool
}

// mountSources adds the ways to sign in that lead elsewhere: this server as a SAML
// service provider. A browser goes out (leaveForProvider), the provider's page posts
// what it says back (arrive), and the browser that began goes on with it (signInBySAML).
func (f *Face) mountSources(m *dialect.Mux) {
	m.Handle("GET", "/login/saml/{name}", f.leaveForProvider)
	m.Handle("GET", "/login/saml", f.signInBySAML)
	for _, below := range []string{"", dialect.SAMLVendor} {
		m.Handle("GET", below+dialect.SAMLMetadataPath, f.samlMetadata)
		m.Handle("GET", below+dialect.SAMLCallbackPath, f.explainCallback)
		m.Handle("POST", below+dialect.SAMLCallbackPath, f.arrive)
	}
}

const (
	// arrivalLife is how long the browser may take from the callback to the page after it.
	arrivalLife = 2 * time.Minute
	// maxResponse bounds the form of a response in bytes; every other body is smaller.
	maxResponse = 256 << 10
	// perMinute bounds how often one address, which may be a whole company's, leaves for
	// providers: each time is kept.
	perMinute = 600
)

// journey is what is kept while a browser is away, under the id of its request.
type journey struct {
	Provider string `json:"p"`
	Browser  []byte `json:"b"`           // hash of the browser's name
	Request  string `json:"r,omitempty"` // sealed authorization request, or what else comes next
	Sent     int64  `json:"t"`           // unix seconds
	Fresh    bool   `json:"f,omitempty"` // the person is to prove again who they are
}

// arrival is who a provider says sits before the browser of a journey.
type arrival struct {
	journey
	Person saml.Person `json:"who"`
	AMR    []string    `json:"amr,omitempty"`
	Proven time.Time   `json:"at"` // when the provider saw the person
}

func ticketKey(kind, org, id string) []byte {
	sum := sha256.Sum256([]byte("saml " + kind + "\x00" + org + "\x00" + id))
	return sum[:]
}

func browserHash(browser string) []byte {
	sum := sha256.Sum256([]byte("saml browser\x00" + browser))
	return sum[:]
}

func (f *Face) keep(ctx context.Context, key []byte, life time.Duration, what any) error {
	b, err := json.Marshal(what)
	if err != nil {
		return fmt.Errorf("web: keep what a browser comes back to: %w", err)
	}
	if err := f.Tickets.PutTicket(ctx, key, f.Core.Now().Add(life).Unix(), string(b)); err != nil {
		return fmt.Errorf("web: keep what a browser comes back to: %w", err)
	}
	return nil
}

// take gives back what was kept, once; false when it is not there.
func (f *Face) take(ctx context.Context, key []byte, what any) (bool, error) {
	body, err := f.Tickets.TakeTicket(ctx, key)
	if f.Tickets.IsNotFound(err) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(body), what)
	}
	if err != nil {
		return false, fmt.Errorf("web: what a browser comes back to: %w", err)
	}
	return true, nil
}

// refuseLogin is the one refusal of a sign-in by a provider; the reason goes to the
// audit record.
func refuseLogin(r *dialect.Request, check, want, got, next string) error {
	r.Audit().Fail(check, want, got, next)
	return oauth.Refuse(oauth.BadAssertion, "")
}

// leaveForProvider sends the browser to an identity provider with a request of its
// own (SAML Profiles §4.1.3).
func (f *Face) leaveForProvider(r *dialect.Request) (dialect.Reply, error) {
	v, err := f.open(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	i := slices.IndexFunc(r.Org.Providers, func(p client.Provider) bool { return p.Name == r.Var("name") && !p.Disabled })
	if i < 0 {
		return dialect.Reply{}, oauth.Refuse(oauth.NotFound, "")
	}
	if ok, wait, _ := f.Core.Limits.AllowRate("web/saml/"+ratelimit.Source(v.Addr), perMinute); !ok {
		return dialect.Reply{}, &oauth.Error{Code: oauth.RateLimited, Description: oauth.RateLimited.Text(), RetryAfter: wait}
	}
	at := f.Core.Now()
	j := journey{
		Provider: r.Org.Providers[i].Name, Browser: browserHash(v.browser), Request: f.seal(v), Sent: at.Unix(), Fresh: mustProve(v),
	}
	q := saml.AuthnRequest{ID: saml.NewID(), EntityID: dialect.SAMLEntity(r)[0], ACS: dialect.SAMLCallback(r)[0], ForceAuthn: j.Fresh, At: at}
	if err := f.keep(v.Context(), ticketKey("request", r.Org.ID, q.ID), authorize.Life, j); err != nil {
		return dialect.Reply{}, err
	}
	return f.send(v, r.Org.Providers[i], q)
}

// mustProve reports whether the person is to prove anew who they are, because the
// client or a page of the account wants it: a provider would otherwise let in whoever
// it remembers.
func mustProve(v *visit) bool {
	p := v.pending
	if p == nil {
		return v.user != nil
	}
	return slices.Contains(p.Prompt, "login") || p.MaxAge != nil || p.Anew != 0
}

// send brings the request on its way by the provider's binding. RelayState, which
// some providers want, repeats the request's id: nobody signs it, so it is never read.
func (f *Face) send(v *visit, p client.Provider, q saml.AuthnRequest) (dialect.Reply, error) {
	provider := saml.Configured(p)
	if provider.Takes(saml.BindingRedirect) {
		to, err := q.Redirect(provider, q.ID)
		if err != nil {
			return dialect.Reply{}, err
		}
		return v.see(to), nil
	}
	action, request, err := q.Form(provider)
	if err != nil {
		return dialect.Reply{}, err
	}
	return f.draw(v, http.StatusOK, page.FormPost{
		Client: cmp.Or(p.Title, p.Name), Host: host(action), Action: action, Onward: true,
		Fields: []page.Choice{{Value: "SAMLRequest", Label: request}, {Value: "RelayState", Label: q.ID}},
	})
}

// arrive takes what a provider's page posts (SAML Profiles §4.1.4). The form is
// another site's, so browsers send no cookies with it: what it says is verified and
// used up here, and only the browser that left goes on with it.
func (f *Face) arrive(r *dialect.Request) (dialect.Reply, error) {
	r.Audit().Name("saml.response")
	response, err := posted(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	p, err := grant.ProviderByIssuer(r.Context(), r.Org, saml.Issuer(response))
	if err != nil {
		return dialect.Reply{}, err
	}
	provider := saml.Configured(p)
	a, err := saml.Verify(r.Context(), response, saml.Expect{
		Provider: provider, Audience: dialect.SAMLEntity(r), Recipient: dialect.SAMLCallback(r), AnyRequest: true, Now: f.Core.Now(),
	})
	if err != nil {
		return dialect.Reply{}, err
	}
	j, err := f.answered(r, p, a)
	if err != nil {
		return dialect.Reply{}, err
	}
	person, err := provider.Attributes.Person(r.Context(), a)
	if err != nil {
		return dialect.Reply{}, err
	}
	if err := f.useUp(r, a); err != nil {
		return dialect.Reply{}, err
	}
	key := saml.NewID()
	if err := f.keep(r.Context(), ticketKey("arrival", r.Org.ID, key), arrivalLife, arrival{j, person, methods(a.AuthnContext), a.AuthnInstant}); err != nil {
		return dialect.Reply{}, err
	}
	return dialect.See(r.Site + "/login/saml?h=" + key), nil
}

// posted reads the form of the HTTP-POST binding (SAML Bindings §3.5.4).
func posted(r *dialect.Request) (response string, err error) {
	if r.Media() != "application/x-www-form-urlencoded" {
		return "", oauth.Refuse(oauth.UnsupportedMedia, "send application/x-www-form-urlencoded")
	}
	b, err := wire.ReadBody(r.Request, maxResponse)
	if err != nil {
		return "", err
	}
	form, err := wire.Form(b, "SAMLResponse", "RelayState")
	if err != nil {
		return "", err
	}
	return form.Need("SAMLResponse")
}

// answered finds the request that is answered, once. An answer to none is refused:
// whoever plants one in a browser would sign its person in as somebody else.
func (f *Face) answered(r *dialect.Request, p client.Provider, a *saml.Assertion) (journey, error) {
	const again = "start signing in again, in one browser window"
	var j journey
	if a.InResponseTo == "" {
		return j, refuseLogin(r, "InResponseTo", "the id of a request this server sent", "none: the provider began by itself", "begin at "+r.Site+"/login")
	}
	ok, err := f.take(r.Context(), ticketKey("request", r.Org.ID, a.InResponseTo), &j)
	switch {
	case err != nil:
		return j, err
	case !ok:
		return j, refuseLogin(r, "InResponseTo", "the id of a request sent within "+authorize.Life.String()+", not answered yet", "unknown, answered or too old: "+a.InResponseTo, again)
	case j.Provider != p.Name:
		return j, refuseLogin(r, "InResponseTo", "a request sent to "+p.Name, "one sent to "+j.Provider, again)
	case j.Fresh && a.AuthnInstant.Unix() < j.Sent-int64(saml.DefaultSkew/time.Second):
		return j, refuseLogin(r, "AuthnInstant", "after the request, which asked for it", a.AuthnInstant.UTC().Format(time.RFC3339), "have the identity provider honour ForceAuthn")
	}
	return j, nil
}

// useUp marks the assertion as used for signing in. Exchanging it at a token endpoint
// is counted apart (grant.SAMLBearer).
func (f *Face) useUp(r *dialect.Request, a *saml.Assertion) error {
	first, err := f.Tickets.Mark(r.Context(), ticketKey("sign-in", r.Org.ID, a.Issuer+"\x00"+a.ID), a.Until.Unix()+1)
	if err != nil {
		return fmt.Errorf("web: note a used assertion: %w", err)
	}
	if !first {
		return refuseLogin(r, "assertion id", "not used before", a.ID+" was", "sign in again at the identity provider")
	}
	return nil
}

// methods says how the person signed in (RFC 8176) as far as the provider's class
// tells; nil where it does not.
func methods(class string) []string {
	switch class {
	case classes + "Password", classes + "PasswordProtectedTransport":
		return []string{"pwd"}
	case classes + "MobileTwoFactorContract", classes + "MobileTwoFactorUnregistered", "https://refeds.org/profile/mfa",
		"http://schemas.microsoft.com/claims/multipleauthn":
		return []string{"mfa"}
	}
	return nil
}

const classes = "urn:oasis:names:tc:SAML:2.0:ac:classes:"

// signInBySAML goes on in the browser that left for the provider, and in no other:
// whoever carries an answer to somebody else's browser stops here.
func (f *Face) signInBySAML(r *dialect.Request) (dialect.Reply, error) {
	v := &visit{Request: r}
	if err := f.identify(v); err != nil {
		return dialect.Reply{}, err
	}
	q, err := r.Query()
	if err != nil {
		return dialect.Reply{}, err
	}
	var a arrival
	ok, err := f.take(v.Context(), ticketKey("arrival", r.Org.ID, q.Text("h")), &a)
	switch {
	case err != nil:
		return dialect.Reply{}, err
	case !ok && v.user != nil: // the page was opened again
		return f.next(v)
	case !ok:
		r.Audit().Fail("arrival", "from the identity provider within "+arrivalLife.String()+", once", "unknown, used or too old", "sign in again")
		return dialect.Reply{}, oauth.Refuse(oauth.StalePage, "")
	}
	r.Audit().Name("login")
	if !slices.Equal(a.Browser, browserHash(v.browser)) {
		return dialect.Reply{}, refuseLogin(r, "browser", "the one that began to sign in", "another", "sign in again, in one browser window")
	}
	i := slices.IndexFunc(r.Org.Providers, func(p client.Provider) bool { return p.Name == a.Provider && !p.Disabled })
	if i < 0 {
		return dialect.Reply{}, refuseLogin(r, "provider", "an enabled identity provider", a.Provider, "enable the identity provider")
	}
	if err := f.resume(v, a.Request); err != nil {
		return dialect.Reply{}, err
	}
	u, err := f.provided(r, r.Org.Providers[i], a.Person)
	if err != nil {
		return dialect.Reply{}, err
	}
	if !a.Fresh { // otherwise the provider has done it for this very request
		v.proven = a.Proven
	}
	if err := f.enter(v, u, a.AMR, saml.Source(r.Org.Providers[i])); err != nil {
		return dialect.Reply{}, err
	}
	return f.next(v)
}

// samlMetadata is what an identity provider's operator loads.
func (f *Face) samlMetadata(r *dialect.Request) (dialect.Reply, error) {
	b, err := saml.SPMetadata(dialect.SAMLEntity(r)[0], dialect.SAMLCallback(r)...)
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.Reply{Status: http.StatusOK, ContentType: "application/samlmetadata+xml", Body: b, Cache: "public, max-age=300"}, nil
}

// explainCallback is for whoever opens the callback by hand.
func (f *Face) explainCallback(r *dialect.Request) (dialect.Reply, error) {
	v := &visit{Request: r}
	if err := f.identify(v); err != nil {
		return dialect.Reply{}, err
	}
	reply, err := f.draw(v, http.StatusMethodNotAllowed, page.Problem{Status: http.StatusMethodNotAllowed, Key: "method", Facts: []page.Choice{
		{Value: "POST", Label: "SAMLResponse (SAML Bindings §3.5), by identity providers"},
		{Value: "entityID", Label: dialect.SAMLEntity(r)[0]},
	}})
	return reply.With("Allow", "POST"), err
}

// noteOf is the audit record a change beside the sign-in is written with.
func noteOf(r *dialect.Request, event string) context.Context { return audit.Aside(r.Context(), event) }
