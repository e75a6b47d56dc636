package grant

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"jeton/internal/audit"
	"jeton/internal/client"
	"jeton/internal/identity"
	"jeton/internal/identity/saml"
	"jeton/internal/oauth"
	"jeton/internal/policy"
)

// SAMLBearer is a SAML 2.0 assertion, alone or in the response it came in (RFC 7522).
type SAMLBearer struct {
	Assertion string // base64 of either alphabet
	Provider  int64  // number of the identity provider; 0 = the only one, or the one that issued it
	Audience  []string
	Recipient []string
}

// Type implements Grant.
func (SAMLBearer) Type() oauth.GrantType { return oauth.GrantSAMLBearer }

// maxAge is how long after its issue an assertion can be exchanged (Faspex 4: about
// five minutes), however long it would be good for elsewhere.
const (
	maxAge   = 5 * time.Minute
	samlSkew = saml.DefaultSkew
)

// prove follows RFC 7522 §3. Outward there is one refusal; the audit record has the
// check that failed. The id is used up last, so that a broken assertion never spends
// a good one's.
func (g SAMLBearer) prove(ctx context.Context, x *Exchange, r *Request, _ *client.Client, _ policy.Profile) (oauth.Proof, error) {
	if g.Assertion == "" {
		return oauth.Proof{}, oauth.Missing("assertion")
	}
	p, err := g.provider(ctx, r.Org)
	if err != nil {
		return oauth.Proof{}, err
	}
	provider := saml.Configured(p)
	a, err := saml.Verify(ctx, g.Assertion, saml.Expect{
		Provider: provider, Audience: g.Audience, Recipient: g.Recipient, AnyRequest: true, Bearer: true, Now: x.Now(), Skew: samlSkew,
	})
	if err != nil {
		return oauth.Proof{}, err
	}
	if err := young(ctx, x.Now(), a); err != nil {
		return oauth.Proof{}, err
	}
	person, err := provider.Attributes.Person(ctx, a)
	if err != nil {
		return oauth.Proof{}, err
	}
	u, err := g.user(ctx, x, r.Org, p, person.User)
	if err != nil {
		return oauth.Proof{}, err
	}
	if err := g.once(ctx, x, r.Org.ID, a); err != nil {
		return oauth.Proof{}, err
	}
	proof := oauth.Proof{Subject: u.Subject(), AuthTime: x.Now()}
	if !a.AuthnInstant.IsZero() {
		proof.AuthTime = a.AuthnInstant
	}
	return proof, nil
}

func refuseAssertion(ctx context.Context, check, want, got, next string) error {
	audit.From(ctx).Fail(check, want, got, next)
	return oauth.Refuse(oauth.BadAssertion, "")
}

// provider finds whose assertion it is to be. Its signature decides later whether it
// is.
func (g SAMLBearer) provider(ctx context.Context, o *client.Org) (client.Provider, error) {
	all := o.Providers
	switch {
	case g.Provider == 0 && len(all) == 1:
		return all[0], nil
	case g.Provider == 0:
		return ProviderByIssuer(ctx, o, saml.Issuer(g.Assertion))
	}
	if i := slices.IndexFunc(all, func(p client.Provider) bool { return p.Number == g.Provider }); i >= 0 {
		return all[i], nil
	}
	return client.Provider{}, refuseAssertion(ctx, "provider", "the number of an identity provider: "+numbers(all), strconv.FormatInt(g.Provider, 10), "send the number the identity provider has in the configuration of "+o.ID)
}

// ProviderByIssuer finds the identity provider of an entity id. A refusal is
// BadAssertion, its reason in the audit record of ctx.
func ProviderByIssuer(ctx context.Context, o *client.Org, issuer string) (client.Provider, error) {
	i := slices.IndexFunc(o.Providers, func(p client.Provider) bool { return p.EntityID == issuer })
	if i < 0 || issuer == "" {
		got := cmp.Or(issuer, "none that can be read")
		return client.Provider{}, refuseAssertion(ctx, "issuer", "an identity provider of "+o.ID, got, "add the identity provider to the configuration of "+o.ID)
	}
	return o.Providers[i], nil
}

func numbers(all []client.Provider) string {
	var list []string
	for _, p := range all {
		list = append(list, strconv.FormatInt(p.Number, 10)+" ("+p.Name+")")
	}
	return cmp.Or(strings.Join(list, ", "), "none is configured")
}

// young refuses an assertion that was issued too long ago.
func young(ctx context.Context, now time.Time, a *saml.Assertion) error {
	if age := now.Sub(a.IssueInstant); age > maxAge+samlSkew {
		return refuseAssertion(ctx, "IssueInstant", "at most "+maxAge.String()+" ago ("+samlSkew.String()+" allowed)", age.Round(time.Second).String()+" ago", "sign in again at the identity provider and exchange the new assertion at once")
	}
	return nil
}

// user finds who was named. Nobody is made at a token endpoint.
func (g SAMLBearer) user(ctx context.Context, x *Exchange, o *client.Org, p client.Provider, name string) (*identity.User, error) {
	realm := saml.Realm(o, p)
	u, err := x.Users.ByName(ctx, o.ID, realm, name)
	switch {
	case errors.Is(err, identity.ErrNotFound):
		return nil, refuseAssertion(ctx, "user", "a user of realm "+realm+" who may sign in", name, "jeton user show "+audit.Clean(name))
	case err != nil:
		return nil, err
	case !saml.Speaks(p, u):
		return nil, refuseAssertion(ctx, "user", "a user of "+p.Name, name+" of realm "+realm+", who is not", saml.NextSpeaks(p, u))
	}
	return u, nil
}

// once uses the assertion's id up, in a space of its own: a response that has signed
// its person in by the browser may be exchanged, once.
func (g SAMLBearer) once(ctx context.Context, x *Exchange, org string, a *saml.Assertion) error {
	sum := sha256.Sum256([]byte("saml grant\x00" + org + "\x00" + a.Issuer + "\x00" + a.ID))
	first, err := x.Marks.Mark(ctx, sum[:], a.Until.Unix()+1) // a fraction of the last second counts too
	if err != nil {
		return err
	}
	if !first {
		return refuseAssertion(ctx, "assertion id", "not exchanged before", a.ID+" was", "sign in again at the identity provider: an assertion can be exchanged once")
	}
	return nil
}
