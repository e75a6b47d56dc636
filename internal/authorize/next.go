package authorize

import (
	"context"
	"fmt"
	"slices"

	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/identity"
	"jeton/internal/oauth"
	"jeton/internal/policy"
	"jeton/internal/session"
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

// unlisted reports whether the client gets what nobody was asked for and the account
// does not show yet. What the person did allow stays theirs.
func (d Due) unlisted() bool {
	return d.before.Created == 0 || (!d.before.Given && !d.Wanted.Within(d.before.Scope))
}
