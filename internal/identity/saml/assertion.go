package saml

import (
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"

	"jeton/internal/audit"
)

const (
	methodBearer = "urn:oasis:names:tc:SAML:2.0:cm:bearer"

	nextClock   = "set the identity provider's clock, or this server's"
	nextAgain   = "sign in again at the identity provider"
	nextAddress = "register this server's metadata at the identity provider"
)

// maxName is the longest NameID, in bytes.
const maxName = 256

// assertion checks a verified assertion (SAML Core §2.3.3; Profiles §4.1.4.3, or
// RFC 7522 §3) and reads it.
func (r *reading) assertion(el *etree.Element) (*Assertion, *audit.Check) {
	a := &Assertion{ID: value(el, "ID"), Issuer: r.Provider.EntityID}
	if v := value(el, "Version"); v != "2.0" || !aName.MatchString(a.ID) {
		return nil, failed("version", "an assertion of version 2.0 with an ID", "version "+v+", id "+a.ID, "have the identity provider speak SAML 2.0")
	}
	if check := r.issuer(el); check != nil {
		return nil, check
	}
	r.rec.Pass("issuer", a.Issuer)
	var check *audit.Check
	if a.IssueInstant, check = r.past(el, "IssueInstant"); check != nil {
		return nil, check
	}
	steps := []func(*Assertion, *etree.Element) *audit.Check{r.conditions, r.subject, r.life, r.authn, r.attributes}
	for _, step := range steps {
		if check := step(a, el); check != nil {
			return nil, check
		}
	}
	return a, nil
}

// conditions reads Conditions (SAML Core §2.5.1): when it counts and for whom. A
// condition not known here makes the assertion unusable, as §2.5.1 has it.
func (r *reading) conditions(a *Assertion, el *etree.Element) *audit.Check {
	c := only(el, nsAssertion, "Conditions")
	if c == nil {
		return failed("conditions", "Conditions with an audience", "none", "have the identity provider name its audience")
	}
	if check := r.notBefore(c); check != nil {
		return check
	}
	end, check := r.notOnOrAfter(c, !r.Bearer)
	if check != nil {
		return check
	}
	a.NotOnOrAfter = end
	restricted := false
	for part := range c.ChildElementsSeq() {
		switch {
		case is(part, nsAssertion, "AudienceRestriction"):
			restricted = true
			if check := r.audience(part); check != nil {
				return check
			}
		case is(part, nsAssertion, "OneTimeUse"), is(part, nsAssertion, "ProxyRestriction"): // every assertion is used once and none is passed on
		default:
			return failed("conditions", "conditions known here", part.Tag, "have the identity provider leave this condition out")
		}
	}
	if !restricted {
		return failed("audience", strings.Join(r.Audience, ", "), "none", nextAddress)
	}
	r.rec.Pass("audience", strings.Join(r.Audience, ", "))
	return nil
}

// audience checks one restriction; each of several must name us (SAML Core
// §2.5.1.4).
func (r *reading) audience(restriction *etree.Element) *audit.Check {
	var got []string
	for _, a := range children(restriction, nsAssertion, "Audience") {
		name := trimmed(a)
		if name != "" && slices.Contains(r.Audience, name) {
			return nil
		}
		got = append(got, name)
	}
	return failed("audience", strings.Join(r.Audience, ", "), strings.Join(got, ", "), nextAddress)
}

// subject reads who is named and why whoever brings the assertion may use it. One
// confirmation that holds is enough (SAML Core §2.4).
func (r *reading) subject(a *Assertion, el *etree.Element) *audit.Check {
	s := only(el, nsAssertion, "Subject")
	if s == nil || only(s, nsAssertion, "NameID") == nil {
		return failed("subject", "one Subject with one NameID in the clear", "none", "have the identity provider send a NameID")
	}
	if check := a.name(only(s, nsAssertion, "NameID")); check != nil {
		return check
	}
	check := failed("confirmation", methodBearer, "none", "have the identity provider confirm the subject as bearer")
	for _, c := range children(s, nsAssertion, "SubjectConfirmation") {
		if value(c, "Method") != methodBearer {
			continue
		}
		var end time.Time
		if end, check = r.confirmation(a, c); check == nil {
			if a.NotOnOrAfter.IsZero() || !end.IsZero() && end.Before(a.NotOnOrAfter) {
				a.NotOnOrAfter = end
			}
			return nil
		}
	}
	return check
}

// name reads NameID, whole and as it is spelled. White space at either end is
// refused rather than cut off: cutting would make two people one.
func (a *Assertion) name(el *etree.Element) *audit.Check {
	name, plain := text(el)
	if !plain || name == "" || len(name) > maxName || strings.TrimSpace(name) != name {
		return failed("subject", "a NameID of 1 to 256 bytes, no white space around it", name, "have the identity provider send a plain NameID")
	}
	a.NameID, a.NameIDFormat = name, value(el, "Format")
	return nil
}

// confirmation checks one bearer confirmation (SAML Profiles §4.1.4.2; RFC 7522
// §3, item 5, where its data may be missing if Conditions end the assertion) and
// gives the end it names.
func (r *reading) confirmation(a *Assertion, el *etree.Element) (time.Time, *audit.Check) {
	data := only(el, nsAssertion, "SubjectConfirmationData")
	if data == nil {
		if r.Bearer && len(children(el, nsAssertion, "SubjectConfirmationData")) == 0 && !a.NotOnOrAfter.IsZero() {
			return time.Time{}, r.answers(a, nil)
		}
		return time.Time{}, failed("confirmation", "SubjectConfirmationData", "none or several", nextAddress)
	}
	if to := value(data, "Recipient"); to == "" || !slices.Contains(r.Recipient, to) {
		return time.Time{}, failed("recipient", strings.Join(r.Recipient, ", "), to, nextAddress)
	}
	if check := r.notBefore(data); check != nil {
		return time.Time{}, check
	}
	end, check := r.notOnOrAfter(data, true)
	if check != nil {
		return time.Time{}, check
	}
	return end, r.answers(a, data)
}

// answers compares InResponseTo, which must be among what was signed: an answer
// counts for the request it was given to, in the browser that sent it.
func (r *reading) answers(a *Assertion, data *etree.Element) *audit.Check {
	var inner *string
	if data != nil {
		if to, ok := attribute(data, "InResponseTo"); ok {
			inner = &to
		}
	}
	say := func(p *string) string {
		if p == nil {
			return "none"
		}
		return *p
	}
	switch {
	case r.Request != "":
		if inner == nil || *inner != r.Request || r.responseTo != nil && *r.responseTo != r.Request {
			return failed("InResponseTo", r.Request, "assertion: "+say(inner)+", response: "+say(r.responseTo), "start signing in again, in one browser window")
		}
	case r.AnyRequest:
		if inner != nil && r.responseTo != nil && *inner != *r.responseTo {
			return failed("InResponseTo", "the same in response and assertion", say(inner)+", "+say(r.responseTo), "send the response as the identity provider signed it")
		}
	case inner != nil || r.responseTo != nil:
		return failed("InResponseTo", "none: no request was sent", say(inner), "start signing in again, in one browser window")
	}
	if inner != nil {
		a.InResponseTo = *inner
		r.rec.Pass("InResponseTo", *inner)
	}
	return nil
}

// life bounds how long the assertion lasts, so that its id need not be remembered
// for years.
func (r *reading) life(a *Assertion, _ *etree.Element) *audit.Check {
	if a.NotOnOrAfter.IsZero() {
		return failed("NotOnOrAfter", "a time", "none", "have the identity provider say how long the assertion lasts")
	}
	if life := a.NotOnOrAfter.Sub(a.IssueInstant); life > r.MaxLife {
		return failed("NotOnOrAfter", "at most "+r.MaxLife.String()+" after issue", life.String(), "have the identity provider give its assertions a shorter life")
	}
	a.Until = a.NotOnOrAfter.Add(r.Skew)
	r.rec.Pass("NotOnOrAfter", stamp(a.NotOnOrAfter))
	return nil
}

// authn reads the first AuthnStatement (SAML Core §2.7.2). The browser profile
// needs one; RFC 7522 does not.
func (r *reading) authn(a *Assertion, el *etree.Element) *audit.Check {
	statements := children(el, nsAssertion, "AuthnStatement")
	if len(statements) == 0 && !r.Bearer {
		return failed("authn", "an AuthnStatement", "none", "have the identity provider say how the person signed in")
	}
	for i, s := range statements {
		at, check := r.past(s, "AuthnInstant")
		if check != nil {
			return check
		}
		if v, ok := attribute(s, "SessionNotOnOrAfter"); ok {
			if end, err := when(v); err != nil || !r.Now.Before(end.Add(r.Skew)) {
				return failed("SessionNotOnOrAfter", "after "+stamp(r.Now), v, nextAgain)
			}
		}
		if i > 0 {
			continue
		}
		a.AuthnInstant, a.SessionIndex = at, value(s, "SessionIndex")
		if c := only(s, nsAssertion, "AuthnContext"); c != nil {
			if ref := only(c, nsAssertion, "AuthnContextClassRef"); ref != nil {
				a.AuthnContext = trimmed(ref)
			}
		}
	}
	return nil
}

// attributes reads the texts of every attribute. A value that holds elements, or
// says it is nil, is no text and is left out.
func (r *reading) attributes(a *Assertion, el *etree.Element) *audit.Check {
	a.Attributes = map[string][]string{}
	for _, s := range children(el, nsAssertion, "AttributeStatement") {
		for _, attr := range children(s, nsAssertion, "Attribute") {
			name := value(attr, "Name")
			for _, v := range children(attr, nsAssertion, "AttributeValue") {
				if s, plain := text(v); plain && name != "" && !isNil(v) {
					a.Attributes[name] = append(a.Attributes[name], s)
				}
			}
		}
	}
	return nil
}

// isNil reports xsi:nil.
func isNil(el *etree.Element) bool {
	for _, a := range el.Attr {
		if a.Key == "nil" && a.Space != "" && (a.Value == "true" || a.Value == "1") && prefixIs(el, a.Space, nsInstance) {
			return true
		}
	}
	return false
}

func prefixIs(el *etree.Element, prefix, ns string) bool {
	for ; el != nil; el = el.Parent() {
		for _, a := range el.Attr {
			if a.Space == "xmlns" && a.Key == prefix {
				return a.Value == ns
			}
		}
	}
	return false
}

// past reads a required time that must have come.
func (r *reading) past(el *etree.Element, name string) (time.Time, *audit.Check) {
	at, err := when(value(el, name))
	if err != nil || at.After(r.Now.Add(r.Skew)) {
		return at, failed(name, "not after "+stamp(r.Now), value(el, name), nextClock)
	}
	return at, nil
}

func (r *reading) notBefore(el *etree.Element) *audit.Check {
	v, ok := attribute(el, "NotBefore")
	if !ok {
		return nil
	}
	if at, err := when(v); err != nil || at.After(r.Now.Add(r.Skew)) {
		return failed("NotBefore", "not after "+stamp(r.Now), v, nextClock)
	}
	return nil
}

// notOnOrAfter reads the end of use; zero where there is none and none is needed.
func (r *reading) notOnOrAfter(el *etree.Element, needed bool) (time.Time, *audit.Check) {
	v, ok := attribute(el, "NotOnOrAfter")
	if !ok && !needed {
		return time.Time{}, nil
	}
	end, err := when(v)
	if err != nil || !r.Now.Before(end.Add(r.Skew)) {
		return end, failed("NotOnOrAfter", "after "+stamp(r.Now), v, nextAgain)
	}
	return end, nil
}

// instant is how SAML writes a time: UTC, and it says so (SAML Core §1.3.3).
const instant = "2006-01-02T15:04:05Z"

// when reads a time. A fraction of a second may follow the seconds.
func when(s string) (time.Time, error) { return time.Parse(instant, s) }

// stamp writes a time.
func stamp(t time.Time) string { return t.UTC().Format(instant) }
