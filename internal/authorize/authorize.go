// Package authorize leads from an authorization request to a code. Begin judges a
// request before anything is shown; Next is the one place that decides a browser's
// next step; Allow and Deny answer the client. The authorization endpoints of the
// dialects and the pages for people call it. Steps never call one another: each is
// done elsewhere, and whoever did it asks Next again. It never checks a password
// and makes no token.
package authorize

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"time"

	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/identity"
	"jeton/internal/oauth"
	"jeton/internal/policy"
	"jeton/internal/session"
)

// Consent is what a person allowed a client.
type Consent struct {
	Client           string
	Scope            oauth.Scope
	Given            bool  // by the person; false: an administrator vouches for the client
	Created, Updated int64 // unix seconds
}

// Storage keeps codes and consents.
type Storage interface {
	PutCode(ctx context.Context, hash []byte, a *oauth.Authorization) error
	// Consent fails with what IsNotFound tells when nothing was allowed.
	Consent(ctx context.Context, org string, user int64, client string) (Consent, error)
	PutConsent(ctx context.Context, org string, user int64, c Consent) error
	Mark(ctx context.Context, key []byte, expires int64) (first bool, err error)
	IsNotFound(err error) bool
}

// Clients finds registered clients (client.Registry).
type Clients interface {
	Client(org, id string) (*client.Client, bool)
}

// Profiles says how a dialect answers (mint.Mint).
type Profiles interface {
	Profile(dialect string) (policy.Profile, bool)
}

// Sealer hides what travels with the browser (vault.Vault).
type Sealer interface {
	Seal(label string, plain, ad []byte) []byte
	Unseal(label string, sealed, ad []byte) ([]byte, error)
}

// Service leads browsers from a request to a code.
type Service struct {
	Clients  Clients
	Profiles Profiles
	Store    Storage
	Seal     Sealer
	CodeHash func(code string) []byte
	// SealCode makes a code that carries its authorization, "" when it would be too long.
	SealCode func(*oauth.Authorization) string
	Now      func() time.Time
}

// Life of an interaction, from the request to its answer.
const Life = 10 * time.Minute

// defaultCodeLife is how long a code lives (RFC 9700 §2.1.1: short).
const defaultCodeLife = time.Minute

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

// Begin judges a request. Without a Pending the error is for a page: client or
// redirect URI are not proven, so nobody is sent anywhere (RFC 9700 §4.11). With
// one, the error is for the client: Refuse words it.
func (s *Service) Begin(ctx context.Context, r Request) (*Pending, error) {
	rec := audit.From(ctx)
	c, err := s.client(ctx, r.Org.ID, r.Dialect, r.Client)
	if err != nil {
		return nil, err
	}
	if r.Redirect == "" {
		rec.Fail("redirect_uri", "one that is registered", "none", "send redirect_uri")
		return nil, oauth.Missing("redirect_uri")
	}
	if !Registered(c.RedirectURIs, r.Redirect) {
		rec.Fail("redirect_uri", "one that is registered, byte for byte", r.Redirect, "jeton client set "+c.ID+" redirect_uris+=URI")
		return nil, oauth.Refuse(oauth.BadRedirect, "")
	}
	rec.Pass("redirect_uri", r.Redirect)
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	p := &Pending{
		ID: id[:], Org: r.Org.ID, Dialect: r.Dialect, Client: c.ID, Issuer: r.Issuer, Created: s.Now().UnixMilli(),
		Redirect: r.Redirect, State: r.State, Challenge: r.Challenge, Nonce: r.Nonce, Prompt: r.Prompt, MaxAge: r.MaxAge,
		Claims: r.Claims, LoginHint: r.LoginHint, Locales: r.Locales, Hint: r.Hint, Force: r.Force,
	}
	switch {
	case r.Mode == modeForm && formable(r.Redirect):
		p.Mode = modeForm
	case r.Mode == modeForm:
		r.wrong(badValue("response_mode", "form_post needs a redirect_uri of https or http"))
	}
	err = s.settle(c, &r, p)
	if err == nil && len(s.Bind(p, "")) > maxBegun {
		err = oauth.Refuse(oauth.InvalidRequest, "the parameters are too long together")
	}
	if err != nil {
		e := oauth.AsRefusal(err)
		rec.Fail("authorization request", "one this client may make", e.Description, "")
		return p, e
	}
	return p, nil
}

func (s *Service) client(ctx context.Context, org, dialect, id string) (*client.Client, error) {
	rec := audit.From(ctx)
	if id == "" {
		rec.Fail("client_id", "a registered client", "none", "send client_id")
		return nil, oauth.Missing("client_id")
	}
	c, ok := s.Clients.Client(org, id)
	if !ok || !c.Enabled || c.Dialect != dialect {
		rec.Fail("client_id", "an enabled client of dialect "+dialect, id, "jeton client show "+id)
		return nil, oauth.Refuse(oauth.UnknownClient, "")
	}
	rec.SetClient(c.ID)
	return c, nil
}

// settle fills in what depends on the client.
func (s *Service) settle(c *client.Client, r *Request, p *Pending) error {
	profile, ok := s.Profiles.Profile(r.Dialect)
	if !ok || profile.Code == nil {
		return oauth.Refuse(oauth.UnauthorizedClient, "")
	}
	if err := policy.MayUse(profile, c, oauth.GrantAuthorizationCode); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	if r.Challenge == "" && policy.MustPKCE(profile, c) {
		return badValue("code_challenge", "code_challenge is required (PKCE, S256)")
	}
	demand, err := readClaims(r.Claims)
	if err != nil {
		return err
	}
	p.NeedACR = demand.acr
	if demand.sub != "" && p.Hint == 0 {
		if p.Hint, err = strconv.ParseInt(demand.sub, 10, 64); err != nil {
			p.Hint = -1 // nobody here
		}
	}
	if p.MaxAge == nil {
		p.MaxAge = c.DefaultMaxAge
	}
	p.Scope, p.Audience, err = policy.Authorize(profile, c, oauth.Subject{}, r.Scope, r.Resource)
	return err
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

// Step is what a browser has to do next.
type Step int

// The steps, in the order they become due.
const (
	Login    Step = iota + 1 // prove who it is
	Account                  // choose the account
	Password                 // change a password that is due
	Ask                      // allow the client
	Finished                 // nothing: the client gets its code
)

// Due is the next step and what it is about.
type Due struct {
	Step   Step
	Client *client.Client
	Wanted oauth.Scope // what the client gets when everything is allowed
	Had    oauth.Scope // of it, allowed before
	Again  bool        // Login: of a person who is signed in already

	before Consent // what is kept of the person and the client
}

// Next decides the next step of a browser with this session, nil = none. An error
// is for the client, and Refuse words it, unless Unproven says that it is for a page.
func (s *Service) Next(ctx context.Context, p *Pending, at *session.Session, u *identity.User) (Due, error) {
	c, err := s.client(ctx, p.Org, p.Dialect, p.Client)
	if err != nil {
		return Due{}, err
	}
	d := Due{Client: c}
	if !Registered(c.RedirectURIs, p.Redirect) {
		audit.From(ctx).Fail("redirect_uri", "one that is registered still", p.Redirect, "start again at the client")
		return d, oauth.Refuse(oauth.BadRedirect, "")
	}
	profile, _ := s.Profiles.Profile(p.Dialect)
	if p.Denied {
		text := "the person did not allow it"
		if profile.Code != nil && profile.Code.Denied != "" {
			text = profile.Code.Denied
		}
		return d, oauth.Refuse(oauth.AccessDenied, text)
	}
	silent := slices.Contains(p.Prompt, promptNone)
	due := func(step Step, otherwise oauth.Code) (Due, error) {
		if silent {
			return d, oauth.Refuse(otherwise, "")
		}
		d.Step = step
		return d, nil
	}
	if at == nil || u == nil {
		return due(Login, oauth.LoginRequired)
	}
	fresh := at.AuthTime >= max(p.Created, p.Anew) && !at.Ahead(s.Now()) // proven for this very request
	switch {
	case p.Hint != 0 && p.Hint != u.ID && fresh:
		return d, oauth.Refuse(oauth.LoginRequired, "another person than the one asked for signed in")
	case p.Hint != 0 && p.Hint != u.ID:
		return due(Login, oauth.LoginRequired)
	case !fresh && (slices.Contains(p.Prompt, promptLogin) || s.tooOld(p, at)):
		d.Again = true
		return due(Login, oauth.LoginRequired)
	case slices.Contains(p.Prompt, promptAccount) && !fresh && p.Picked != u.ID:
		return due(Account, oauth.SelectionRequired)
	case u.PasswordDue:
		return due(Password, oauth.InteractionRequired)
	case len(p.NeedACR) > 0 && !slices.ContainsFunc(p.NeedACR, func(v string) bool { return v == at.ACR || v == session.Single }):
		return d, oauth.Refuse(oauth.UnmetAuthentication, "")
	}
	if d.Wanted, _, err = policy.Authorize(profile, c, u.Subject(), p.Scope, nil); err != nil {
		return d, err
	}
	d.Wanted = append(slices.Clone(d.Wanted), byName(p.Claims, c.Scopes, d.Wanted)...)
	if d.before, err = s.consent(ctx, p, u); err != nil {
		return d, err
	}
	for _, v := range d.Wanted {
		if d.before.had().Has(v) {
			d.Had = append(d.Had, v)
		}
	}
	if p.Allowed != nil && p.Allowed.User == u.ID && p.Allowed.Scope.Within(d.Wanted) {
		d.Step, d.Wanted, d.Had = Finished, p.Allowed.Scope, p.Allowed.Scope
		return d, nil
	}
	forced := p.Force || slices.Contains(p.Prompt, promptConsent)
	if policy.MustAsk(profile, c, d.before.had(), d.Wanted, forced) {
		return due(Ask, oauth.ConsentRequired)
	}
	d.Step = Finished
	return d, nil
}

// Unproven reports whether a refusal of Next is for a page: the client may not be
// answered, or not there, any more.
func Unproven(err error) bool {
	return oauth.Is(err, oauth.UnknownClient) || oauth.Is(err, oauth.BadRedirect)
}

// had is what the person allowed, where "allowed nothing in particular" is told from
// "never asked". What an administrator vouched for is no person's yes.
func (c Consent) had() oauth.Scope {
	switch {
	case !c.Given:
		return nil
	case len(c.Scope) == 0:
		return oauth.Scope{""}
	}
	return c.Scope
}

// and is a scope with the values of more that it has not.
func and(scope, more oauth.Scope) oauth.Scope {
	scope = slices.Clone(scope)
	for _, v := range more {
		if !scope.Has(v) {
			scope = append(scope, v)
		}
	}
	return scope
}

// longest is an age nobody's sign-in has, in seconds; in milliseconds it is a number
// still.
const longest = 1 << 40

func (s *Service) tooOld(p *Pending, at *session.Session) bool {
	now := s.Now()
	return p.MaxAge != nil && (at.Ahead(now) || now.UnixMilli()-at.AuthTime > min(*p.MaxAge, longest)*1000)
}

func (s *Service) consent(ctx context.Context, p *Pending, u *identity.User) (Consent, error) {
	before, err := s.Store.Consent(ctx, p.Org, u.ID, p.Client)
	if err != nil && !s.Store.IsNotFound(err) {
		return Consent{}, fmt.Errorf("authorize: what was allowed before: %w", err)
	}
	return before, nil
}

// Pick notes that the person goes on with this account.
func (p *Pending) Pick(user int64) { p.Picked = user }

// Answer is what the client gets: where, how, and the parameters in their order.
type Answer struct {
	Redirect string
	Form     bool // as a form post, otherwise in the query
	Found    bool // 302, where the vendor redirects so
	Params   [][2]string
}

func (s *Service) answer(p *Pending, params ...[2]string) Answer {
	profile, _ := s.Profiles.Profile(p.Dialect)
	a := Answer{Redirect: p.Redirect, Form: p.Mode == modeForm, Params: params}
	if p.State != "" {
		a.Params = append(a.Params, [2]string{"state", p.State})
	}
	if profile.Code != nil {
		a.Found = profile.Code.Found
		if profile.Code.Issuer {
			a.Params = append(a.Params, [2]string{"iss", p.Issuer})
		}
	}
	return a
}

// Refuse words an error for the client (RFC 6749 §4.1.2.1).
func (s *Service) Refuse(p *Pending, err error) Answer {
	e := oauth.AsRefusal(err)
	params := [][2]string{{"error", e.Code.Word()}}
	profile, _ := s.Profiles.Profile(p.Dialect)
	if profile.Code == nil || !profile.Code.Silent {
		params = append(params, [2]string{"error_description", e.Description})
	}
	return s.answer(p, params...)
}

// Deny notes the person's no: Next refuses from then on.
func (p *Pending) Deny() { p.Denied = true }

// Again has the person sign in once more, as whoever they like.
func (p *Pending) Again(now time.Time) {
	p.Prompt = append(slices.DeleteFunc(slices.Clone(p.Prompt), func(v string) bool { return v == promptAccount }), promptLogin)
	p.LoginHint, p.Anew = "", now.UnixMilli()
}

// Allow keeps what a person allows and notes it in the request: Next finds it
// finished. d must be what Next said for this browser; scope is what was ticked, and
// is never more than d has.
func (s *Service) Allow(ctx context.Context, p *Pending, d Due, u *identity.User, scope oauth.Scope) error {
	if d.Step != Ask {
		return oauth.Refuse(oauth.NotDue, "")
	}
	var allowed oauth.Scope
	for _, v := range d.Wanted {
		if scope.Has(v) || d.Had.Has(v) || v == "openid" || policy.IsClaim(v) {
			allowed = append(allowed, v)
		}
	}
	before, err := s.consent(ctx, p, u)
	if err != nil {
		return err
	}
	kept := Consent{Client: p.Client, Scope: allowed, Given: true}
	if before.Given {
		kept.Scope = and(before.Scope, allowed)
	}
	rec := audit.From(ctx)
	rec.Name("consent.give")
	rec.SetUser(u.Name)
	rec.Pass("consent", allowed.String())
	if err := s.Store.PutConsent(ctx, p.Org, u.ID, kept); err != nil {
		return fmt.Errorf("authorize: keep the consent: %w", err)
	}
	p.Allowed = &Allowed{u.ID, allowed}
	return nil
}

// Knows reports whether a person has to do with a client: they allowed it something,
// or an administrator did.
func (s *Service) Knows(ctx context.Context, u *identity.User, client string) (bool, error) {
	_, err := s.Store.Consent(ctx, u.Org, u.ID, client)
	if s.Store.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("authorize: what was allowed: %w", err)
	}
	return true, nil
}

// Once uses a request up that pages were shown for: one request gives one code.
func (s *Service) Once(ctx context.Context, p *Pending) error {
	sum := sha256.Sum256(append([]byte("authorization request\x00"), p.ID...))
	first, err := s.Store.Mark(ctx, sum[:], p.Created/1000+int64((Life+time.Minute)/time.Second))
	if err != nil {
		return fmt.Errorf("authorize: %w", err)
	}
	if !first {
		audit.From(ctx).Fail("interaction", "answered once", "answered before", "start again at the client")
		return oauth.Refuse(oauth.StalePage, "")
	}
	return nil
}

// Finish gives the client its code where nothing is left to ask.
func (s *Service) Finish(ctx context.Context, p *Pending, d Due, at *session.Session, u *identity.User) (Answer, error) {
	if d.Step != Finished {
		return Answer{}, oauth.Refuse(oauth.NotDue, "")
	}
	if p.Allowed == nil && d.unlisted() {
		listed := Consent{Client: p.Client, Scope: and(d.before.Scope, d.Wanted)}
		if err := s.Store.PutConsent(ctx, p.Org, u.ID, listed); err != nil {
			return Answer{}, fmt.Errorf("authorize: keep what was not asked: %w", err)
		}
	}
	return s.code(ctx, p, d.Client, at, u, d.Wanted)
}

// unlisted reports whether the client gets what nobody was asked for and the account
// does not show yet. What the person did allow stays theirs.
func (d Due) unlisted() bool {
	return d.before.Created == 0 || (!d.before.Given && !d.Wanted.Within(d.before.Scope))
}

func (s *Service) code(ctx context.Context, p *Pending, c *client.Client, at *session.Session, u *identity.User, scope oauth.Scope) (Answer, error) {
	profile, _ := s.Profiles.Profile(p.Dialect)
	life := profile.Code.Life
	if life == 0 {
		life = defaultCodeLife
	}
	claims := policy.Told(p.Claims, scope)
	scope = slices.DeleteFunc(slices.Clone(scope), policy.IsClaim)
	rec := audit.From(ctx)
	rec.Name("code.issue")
	rec.SetUser(u.Name)
	rec.Pass("scope", scope.String())
	a := &oauth.Authorization{
		Org: p.Org, Dialect: p.Dialect, Client: p.Client, User: u.ID, Redirect: p.Redirect, Scope: scope, Audience: p.Audience,
		Challenge: p.Challenge, Nonce: p.Nonce, ACR: at.ACR, Claims: claims, Session: at.ID, AMR: at.AMR,
		AuthTime: at.AuthTime / 1000, UserSince: u.RevokedBefore, Since: c.RevokedBefore, Expires: s.Now().Add(life).Unix(),
	}
	if profile.Code.Sealed {
		if code := s.SealCode(a); code != "" {
			return s.answer(p, [2]string{"code", code}), nil
		}
	}
	code := spell(profile.Code)
	if err := s.Store.PutCode(ctx, s.CodeHash(code), a); err != nil {
		return Answer{}, fmt.Errorf("authorize: keep the code: %w", err)
	}
	return s.answer(p, [2]string{"code", code}), nil
}

// spell draws a code in the dialect's alphabet.
func spell(f *policy.CodeFlow) string {
	b := make([]byte, f.Length)
	for i := range b {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(f.Alphabet))))
		if err != nil { // crypto/rand never fails
			continue
		}
		b[i] = f.Alphabet[n.Int64()]
	}
	return string(b)
}
