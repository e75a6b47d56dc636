package web_test

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/google/go-cmp/cmp"

	"jeton/internal/identity"
	"jeton/internal/identity/saml/samltest"
	"jeton/internal/jose"
	"jeton/internal/servertest"
	"jeton/internal/store/storetest/pg"
	"jeton/internal/vault"
)

const samlWorld = flowWorld + `
organizations:
  - id: default
    name: Example Corp
    realms:
      - {name: local, default: true}
      - {name: corp}
    saml:
      - {name: corp, title: Company login, entity_id: "https://corp.example", sso: "https://corp.example/sso", certificates: [{file: corp.crt}], realm: corp, create: true,
         attributes: {email: mail, given_name: first, family_name: last, display_name: shown, groups: member}, groups: {Staff: staff, Ops: operators}}
      - {name: post, entity_id: "https://post.example", sso: "https://post.example/sso", sso_binding: post, certificates: [{file: post.crt}], create: true, attributes: {groups: member}}
      - {name: known, entity_id: "https://known.example", sso: "https://known.example/sso?a=b", certificates: [{file: known.crt}], realm: local}
      - {name: closed, entity_id: "https://closed.example", sso: "https://closed.example/sso", certificates: [{file: closed.crt}], realm: local, enabled: false}
`

const (
	spEntity = servertest.Public + "/auth/saml/metadata"
	spACS    = servertest.Public + "/auth/saml/callback"
)

// sent is the authentication request a browser was sent away with.
type sent struct {
	ID, ACS, Issuer, Destination string
	Force                        bool
	RelayState                   string
}

// begin opens the sign-in page at path and takes the button of a provider.
func begin(t *testing.T, b *servertest.Browser, path, provider string) sent {
	t.Helper()
	b.Open(path)
	at := strings.Index(b.Page, `/login/saml/`+provider+`?`)
	if at < 0 {
		t.Fatalf("no button for %s:\n%s", provider, b.Page)
	}
	link := b.Page[at:]
	link = strings.ReplaceAll(link[:strings.IndexByte(link, '"')], "&amp;", "&")
	b.Open(link)
	if provider == "post" {
		_, fields := b.Form("https://post.example/sso")
		doc, err := base64.StdEncoding.DecodeString(fields.Get("SAMLRequest"))
		if err != nil {
			t.Fatal(err)
		}
		return readRequest(t, doc, fields.Get("RelayState"))
	}
	if b.Left == nil {
		t.Fatalf("%d, not sent to the provider:\n%s", b.Status, b.Page)
	}
	q := b.Left.Query()
	small, err := base64.StdEncoding.DecodeString(q.Get("SAMLRequest"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := io.ReadAll(flate.NewReader(bytes.NewReader(small)))
	if err != nil {
		t.Fatal(err)
	}
	return readRequest(t, doc, q.Get("RelayState"))
}

func readRequest(t *testing.T, doc []byte, relayState string) sent {
	t.Helper()
	d := etree.NewDocument()
	if err := d.ReadFromBytes(doc); err != nil {
		t.Fatal(err)
	}
	el := d.Root()
	return sent{
		el.SelectAttrValue("ID", ""), el.SelectAttrValue("AssertionConsumerServiceURL", ""), el.SelectElement("Issuer").Text(),
		el.SelectAttrValue("Destination", ""), el.SelectAttrValue("ForceAuthn", "") == "true", relayState,
	}
}

// says are the claims of a good answer; edit changes them.
func says(s *servertest.Server, user, to string, edit ...func(*samltest.Claims)) samltest.Claims {
	c := samltest.Claims{NameID: user, Audience: spEntity, Recipient: spACS, InResponseTo: to, Now: s.Core.Now()}
	for _, e := range edit {
		e(&c)
	}
	return c
}

// deliver posts a response as the provider's page does: from another site, so that no
// cookie comes with it, and follows the redirect with the browser's cookies.
func deliver(t *testing.T, s *servertest.Server, b *servertest.Browser, response string) *servertest.Browser {
	t.Helper()
	to, status := drop(t, s, "/auth/saml/callback", response)
	if status == http.StatusSeeOther {
		return b.Open(to)
	}
	return b
}

// drop posts a response without a browser and gives where it leads, and the status.
func drop(t *testing.T, s *servertest.Server, path, response string) (location string, status int) {
	t.Helper()
	resp := dropped(t, s, path, response)
	return resp.Header.Get("Location"), resp.StatusCode
}

func dropped(t *testing.T, s *servertest.Server, path, response string) *http.Response {
	t.Helper()
	form := url.Values{"SAMLResponse": {response}, "RelayState": {"https://evil.example/"}}
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", "https://corp.example")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := (&http.Transport{}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	if len(resp.Cookies()) > 0 {
		t.Errorf("a form of another site was answered with cookies: %v", resp.Cookies())
	}
	return resp
}

// refusedAt posts a response that must be refused, at the check of that name.
func refusedAt(t *testing.T, s *servertest.Server, response, check string) {
	t.Helper()
	resp := dropped(t, s, "/auth/saml/callback", response)
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("%d, want 403 at %s", resp.StatusCode, check)
		return
	}
	failedAt(t, s, resp.Header.Get("Jeton-Error-Id"), check)
}

func failedAt(t *testing.T, s *servertest.Server, id, check string) {
	t.Helper()
	r := s.Record(t, id)
	for _, c := range r.Checks {
		if !c.OK {
			if c.Name != check || c.Want == "" || c.Next == "" || r.Code != "bad_assertion" {
				t.Errorf("%s at %+v, want bad_assertion at %s", r.Code, c, check)
			}
			return
		}
	}
	t.Errorf("no check failed in %+v, want %s", r, check)
}

func user(t *testing.T, s *servertest.Server, realm, name string) *identity.User {
	t.Helper()
	u, err := s.Core.Admin.UserByName(t.Context(), "default", realm, name)
	if err != nil {
		t.Fatalf("user %s of %s: %v", name, realm, err)
	}
	return u
}

func TestAProviderSignsAPersonInAndTheClientGetsItsTokens(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: samlWorld})
	idp, b := servertest.IdP("corp"), s.Browser(t)
	q := begin(t, b, authorizeURL(), "corp")
	if d := cmp.Diff(sent{q.ID, spACS, spEntity, "https://corp.example/sso", false, q.ID}, q); d != "" || len(q.RelayState) > 80 {
		t.Error(d)
	}
	if len(b.Left.Query()["SAMLRequest"]) != 1 || b.Left.Host != "corp.example" {
		t.Errorf("sent to %s", b.Left)
	}
	deliver(t, s, b, idp.Response(says(s, "Grace", q.ID, func(c *samltest.Claims) {
		c.Attributes = []samltest.Attribute{
			{Name: "mail", Values: []string{"grace@app.example"}}, {Name: "first", Values: []string{"Grace"}},
			{Name: "last", Values: []string{"Hopper"}}, {Name: "member", Values: []string{"Staff", "Unknown", "Ops"}},
		}
	})))
	b.Submit("/consent", "decision", "allow")
	status, tokens := redeem(t, s, b.Answer().Get("code"))
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, tokens)
	}
	u := user(t, s, "corp", "grace")
	if u.Name != "Grace" || u.Email != "grace@app.example" || u.GivenName != "Grace" || u.FamilyName != "Hopper" || u.Source != "saml/corp" ||
		u.Password != "" || u.Admin || cmp.Diff([]string{"staff", "operators"}, u.Groups) != "" {
		t.Errorf("%+v", u)
	}
	live, err := s.Core.Sessions.List(t.Context(), u)
	if err != nil || len(live) != 1 || live[0].Source != "saml/corp" || cmp.Diff([]string{"pwd"}, live[0].AMR) != "" {
		t.Errorf("%+v %v", live, err)
	}

	// The next sign-in keeps what the provider says now.
	b = s.Browser(t)
	q = begin(t, b, "/login", "corp")
	deliver(t, s, b, idp.Response(says(s, "grace", q.ID, func(c *samltest.Claims) {
		c.Attributes = []samltest.Attribute{{Name: "shown", Values: []string{"Rear Admiral"}}, {Name: "member", Values: []string{"Ops"}}}
	})))
	if !strings.HasSuffix(b.URL, "/account") || b.Status != http.StatusOK {
		t.Errorf("%d at %s", b.Status, b.URL)
	}
	if u = user(t, s, "corp", "grace"); u.Email != "" || u.DisplayName != "Rear Admiral" || cmp.Diff([]string{"operators"}, u.Groups) != "" {
		t.Errorf("%+v", u)
	}
}

func TestAProviderThatTakesFormsGetsOne(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: samlWorld})
	b := s.Browser(t)
	q := begin(t, b, "/login", "post")
	if d := cmp.Diff(sent{q.ID, spACS, spEntity, "https://post.example/sso", false, q.ID}, q); d != "" {
		t.Error(d)
	}
	deliver(t, s, b, servertest.IdP("post").Response(says(s, "newcomer", q.ID)))
	if u := user(t, s, "local", "newcomer"); u.Source != "saml/post" || !strings.HasSuffix(b.URL, "/account") {
		t.Errorf("%+v at %s", u, b.URL)
	}
}

func TestNobodyIsTakenOverByANamesake(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: samlWorld})
	before := user(t, s, "local", "ada")
	for _, c := range []struct{ provider, name, check string }{
		{"post", "ada", "user"},     // registered here; this provider has no realm of its own
		{"known", "nobody", "user"}, // unknown, and this provider makes nobody
		{"corp", "two  spaces", "user"},
	} {
		b := s.Browser(t)
		q := begin(t, b, "/login", c.provider)
		deliver(t, s, b, servertest.IdP(c.provider).Response(says(s, c.name, q.ID)))
		if b.Status != http.StatusForbidden {
			t.Fatalf("%s by %s: %d at %s", c.name, c.provider, b.Status, b.URL)
		}
		failedAt(t, s, b.Header.Get("Jeton-Error-Id"), c.check)
		if b.Open("/account"); strings.HasSuffix(b.URL, "/account") {
			t.Errorf("%s by %s is signed in", c.name, c.provider)
		}
	}
	if d := cmp.Diff(before, user(t, s, "local", "ada")); d != "" {
		t.Error(d)
	}
	// A provider that the realm was given to speaks for ada, and changes nothing of her.
	b := s.Browser(t)
	q := begin(t, b, "/login", "known")
	deliver(t, s, b, servertest.IdP("known").Response(says(s, "ada", q.ID)))
	if !strings.HasSuffix(b.URL, "/account") {
		t.Errorf("%d at %s", b.Status, b.URL)
	}
	if d := cmp.Diff(before, user(t, s, "local", "ada")); d != "" {
		t.Error(d)
	}
}

func TestAnAddressThatIsAnothersStaysTheirs(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: samlWorld})
	b := s.Browser(t)
	q := begin(t, b, "/login", "corp")
	deliver(t, s, b, servertest.IdP("corp").Response(says(s, "eve", q.ID, func(c *samltest.Claims) {
		c.Attributes = []samltest.Attribute{{Name: "mail", Values: []string{"Ada@app.example"}}}
	})))
	if u := user(t, s, "corp", "eve"); u.Email != "" {
		t.Errorf("%+v", u)
	}
	if u, err := s.Core.Users.ByMail(t.Context(), "default", "ada@app.example"); err != nil || u.Name != "ada" {
		t.Errorf("%+v %v", u, err)
	}
}

func TestADisabledUserStaysOut(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: samlWorld})
	s.Apply(t, "version: 1\nusers: [{name: gone, enabled: false}]\n")
	b := s.Browser(t)
	q := begin(t, b, "/login", "known")
	deliver(t, s, b, servertest.IdP("known").Response(says(s, "gone", q.ID)))
	if b.Status != http.StatusForbidden {
		t.Fatalf("%d at %s", b.Status, b.URL)
	}
	failedAt(t, s, b.Header.Get("Jeton-Error-Id"), "user")
}

func TestAClientThatWantsAFreshProofGetsOne(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: samlWorld})
	for _, pairs := range [][]string{{"prompt", "login"}, {"max_age", "60"}} {
		b := s.Browser(t)
		q := begin(t, b, authorizeURL(pairs...), "known")
		if !q.Force {
			t.Fatalf("%s: the provider is not asked for it", pairs)
		}
		refusedAt(t, s, servertest.IdP("known").Response(says(s, "ada", q.ID, func(c *samltest.Claims) {
			c.Edit = func(r *etree.Element) {
				r.FindElement("//saml:AuthnStatement").CreateAttr("AuthnInstant", c.Now.Add(-time.Hour).Format("2006-01-02T15:04:05Z"))
			}
		})), "AuthnInstant")
		q = begin(t, b, authorizeURL(pairs...), "known")
		deliver(t, s, b, servertest.IdP("known").Response(says(s, "ada", q.ID)))
		if !strings.Contains(b.URL, "/consent") {
			t.Errorf("%s: %d at %s", pairs, b.Status, b.URL)
		}
	}
}

// The cases of what a response must say, at the callback.
func TestSAML19To21AResponseIsForThisServerAndForNow(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: samlWorld})
	idp := servertest.IdP("known")
	remove := func(path, attr string) func(*samltest.Claims) {
		return func(c *samltest.Claims) {
			c.Edit = func(r *etree.Element) {
				el := r.FindElement(path)
				if attr != "" {
					el.RemoveAttr(attr)
					return
				}
				el.Parent().RemoveChild(el)
			}
		}
	}
	for _, c := range []struct {
		name, check string
		edit        func(*samltest.Claims)
	}{
		{"saml-19 no audience", "audience", remove("//saml:AudienceRestriction", "")},
		{"saml-19 another's", "audience", func(c *samltest.Claims) { c.Audience = "https://other.example" }},
		{"saml-19 two, one wrong", "audience", func(c *samltest.Claims) {
			c.Edit = func(r *etree.Element) {
				r.FindElement("//saml:Conditions").CreateElement("saml:AudienceRestriction").CreateElement("saml:Audience").SetText("https://other.example")
			}
		}},
		{"saml-20 another address", "destination", func(c *samltest.Claims) { c.Recipient = "https://other.example/auth/saml/callback" }},
		{"saml-20 a similar address", "destination", func(c *samltest.Claims) { c.Recipient = spACS + "/" }},
		{"saml-20 no recipient", "recipient", remove("//saml:SubjectConfirmationData", "Recipient")},
		{"saml-21 over", "NotOnOrAfter", func(c *samltest.Claims) { c.Now = c.Now.Add(-6 * time.Minute) }},
		{"saml-21 not yet", "IssueInstant", func(c *samltest.Claims) { c.Now = c.Now.Add(2 * time.Minute) }},
		{"saml-21 no conditions", "conditions", remove("//saml:Conditions", "")},
		{"saml-21 no end", "NotOnOrAfter", remove("//saml:SubjectConfirmationData", "NotOnOrAfter")},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := s.Browser(t)
			q := begin(t, b, "/login", "known")
			refusedAt(t, s, idp.Response(says(s, "ada", q.ID, c.edit)), c.check)
			// A bad answer spends nothing: the good one is taken.
			if deliver(t, s, b, idp.Response(says(s, "ada", q.ID))); !strings.HasSuffix(b.URL, "/account") {
				t.Errorf("%d at %s", b.Status, b.URL)
			}
		})
	}
}

// saml-23: an answer counts for the request of one browser, once.
func TestSAML23AnAnswerBelongsToOneRequestOfOneBrowser(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: samlWorld})
	idp, b := servertest.IdP("known"), s.Browser(t)
	refusedAt(t, s, idp.Response(says(s, "ada", "")), "InResponseTo")
	refusedAt(t, s, idp.Response(says(s, "ada", "_0123456789abcdef0123456789abcdef01234567")), "InResponseTo")

	// Another's browser: whoever is handed my answer is not signed in as me, and my
	// browser is not with what somebody else left for it.
	q := begin(t, b, "/login", "known")
	stranger := s.Browser(t).Open("/login")
	location, status := drop(t, s, "/aspera/faspex/auth/saml/callback", idp.Response(says(s, "ada", q.ID)))
	if status != http.StatusSeeOther || !strings.HasPrefix(location, servertest.Public+"/login/saml?h=_") {
		t.Fatalf("%d %s", status, location)
	}
	if stranger.Open(location); stranger.Status != http.StatusForbidden {
		t.Fatalf("%d at %s", stranger.Status, stranger.URL)
	}
	failedAt(t, s, stranger.Header.Get("Jeton-Error-Id"), "browser")
	if b.Open(location); b.Status != http.StatusBadRequest {
		t.Errorf("what a stranger has opened counts: %d at %s", b.Status, b.URL)
	}

	// Used: the same answer, and another to the same request.
	q = begin(t, b, "/login", "known")
	first := idp.Response(says(s, "ada", q.ID))
	location, _ = drop(t, s, "/auth/saml/callback", first)
	refusedAt(t, s, first, "InResponseTo")
	refusedAt(t, s, idp.Response(says(s, "ada", q.ID)), "InResponseTo")
	if b.Open(location); !strings.HasSuffix(b.URL, "/account") {
		t.Errorf("%d at %s", b.Status, b.URL)
	}
	if b.Open(location); !strings.HasSuffix(b.URL, "/account") { // opened again, signed in
		t.Errorf("%d at %s", b.Status, b.URL)
	}

	// Too late, on either leg.
	b = s.Browser(t)
	q = begin(t, b, "/login", "known")
	s.Clock.Add(10*time.Minute + time.Second)
	refusedAt(t, s, idp.Response(says(s, "ada", q.ID)), "InResponseTo")
	q = begin(t, b, "/login", "known")
	location, _ = drop(t, s, "/auth/saml/callback", idp.Response(says(s, "ada", q.ID)))
	s.Clock.Add(2*time.Minute + time.Second)
	if b.Open(location); b.Status != http.StatusBadRequest {
		t.Errorf("%d at %s", b.Status, b.URL)
	}
}

// saml-22: an assertion signs somebody in once, whatever request it is said to answer.
func TestSAML22AnAssertionSignsInOnce(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: samlWorld})
	idp, b := servertest.IdP("known"), s.Browser(t)
	same := func(c *samltest.Claims) { c.ID = "_same" }
	q := begin(t, b, "/login", "known")
	deliver(t, s, b, idp.Response(says(s, "ada", q.ID, same)))
	q = begin(t, s.Browser(t), "/login", "known")
	refusedAt(t, s, idp.Response(says(s, "ada", q.ID, same)), "assertion id")
}

// saml-24: a provider that is switched off speaks for nobody, and one answers no
// request that was sent to another.
func TestSAML24OneProviderDoesNotSpeakForAnother(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: samlWorld})
	b := s.Browser(t).Open("/login")
	if strings.Contains(b.Page, "/login/saml/closed") {
		t.Error("a provider that is switched off has a button")
	}
	if b.Open("/login/saml/closed"); b.Status != http.StatusNotFound {
		t.Errorf("%d at %s", b.Status, b.URL)
	}
	q := begin(t, b, "/login", "known")
	refusedAt(t, s, servertest.IdP("closed").Response(says(s, "ada", q.ID)), "provider")
	refusedAt(t, s, servertest.IdP("unknown").Response(says(s, "ada", q.ID)), "issuer")
	forged := servertest.IdP("corp")
	forged.EntityID = "https://known.example"
	refusedAt(t, s, forged.Response(says(s, "ada", q.ID)), "signature")
	refusedAt(t, s, servertest.IdP("corp").Response(says(s, "ada", q.ID)), "InResponseTo")

	// Switched off while the person is away.
	q = begin(t, b, "/login", "known")
	location, _ := drop(t, s, "/auth/saml/callback", servertest.IdP("known").Response(says(s, "ada", q.ID)))
	s.Apply(t, strings.Replace(samlWorld, "certificates: [{file: known.crt}]", "certificates: [{file: known.crt}], enabled: false", 1))
	if b.Open(location); b.Status != http.StatusForbidden {
		t.Errorf("%d at %s", b.Status, b.URL)
	}
	failedAt(t, s, b.Header.Get("Jeton-Error-Id"), "provider")
}

// saml-25 and its neighbours: what is no response costs little and says nothing.
func TestSAML25WhatIsNoResponseIsRefused(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: samlWorld})
	var bomb bytes.Buffer
	w, err := flate.NewWriter(&bomb, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(bytes.Repeat([]byte("<a>"), 20<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	refusedAt(t, s, base64.StdEncoding.EncodeToString(bomb.Bytes()), "issuer")
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("%s for a message that inflates", took)
	}
	refusedAt(t, s, "no base64", "issuer")
	if _, status := drop(t, s, "/auth/saml/callback", strings.Repeat("A", 300<<10)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("%d for 300 KiB", status)
	}
	if _, status := drop(t, s, "/auth/saml/callback", ""); status != http.StatusBadRequest {
		t.Errorf("%d for nothing", status)
	}
	b := s.Browser(t).Open("/auth/saml/callback")
	if b.Status != http.StatusMethodNotAllowed || !strings.Contains(b.Page, "SAMLResponse") || b.Header.Get("Allow") != "POST" {
		t.Errorf("%d\n%s", b.Status, b.Page)
	}
}

func TestTheServerDescribesItselfToProviders(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: samlWorld})
	b := s.Browser(t).Open("/auth/saml/metadata")
	for _, want := range []string{`entityID="` + spEntity + `"`, `Location="` + spACS + `"`, `Location="` + servertest.Public + `/aspera/faspex/auth/saml/callback"`} {
		if !strings.Contains(b.Page, want) {
			t.Errorf("no %s in\n%s", want, b.Page)
		}
	}
	if ct := b.Header.Get("Content-Type"); ct != "application/samlmetadata+xml" {
		t.Error(ct)
	}
	one := b.Page
	if b.Open("/aspera/faspex/auth/saml/metadata"); b.Page != one {
		t.Errorf("another one at the vendor's path:\n%s", b.Page)
	}
}

// exchange trades a response in at Faspex and gives the status and the error id.
func exchange(s *servertest.Server, response string) (int, string, error) {
	body := fmt.Sprintf(`{"grant_type":"urn:ietf:params:oauth:grant-type:saml2-bearer","id":3,"assertion":%q}`, response)
	resp, err := http.Post(s.URL+"/aspera/faspex/auth/oauth2/token", "application/json", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header.Get("Jeton-Error-Id"), err
}

// saml-22 on both engines: the response of a sign-in is exchanged once, by one of many
// who try at once, on whichever node; after a restart it is spent still.
func TestSAML22AResponseIsExchangedOnceOnEveryNode(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			dsn := t.TempDir() + "/jeton.db"
			if engine == "postgres" {
				server, err := pg.Start()
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := server.Stop(); err != nil {
						t.Error(err)
					}
				})
				dsn = server.Database(t)
			}
			kek := vault.NewKEK()
			one := servertest.Start(t, servertest.Options{World: samlWorld, DSN: dsn, KEK: &kek})
			nodes := []*servertest.Server{one, one}
			if engine == "postgres" {
				nodes[1] = servertest.Start(t, servertest.Options{World: samlWorld, DSN: dsn, KEK: &kek})
			}
			b := one.Browser(t)
			q := begin(t, b, "/login", "known")
			response := servertest.IdP("known").Response(says(one, "ada", q.ID))
			// The browser comes back to the other node.
			location, status := drop(t, nodes[1], "/auth/saml/callback", response)
			if status != http.StatusSeeOther {
				t.Fatalf("%d at the callback", status)
			}
			if b.Open(location); !strings.HasSuffix(b.URL, "/account") {
				t.Fatalf("%d at %s", b.Status, b.URL)
			}
			refusedAt(t, one, response, "InResponseTo")

			var wg sync.WaitGroup
			statuses := make([]int, 16)
			for i := range statuses {
				wg.Go(func() {
					var err error
					if statuses[i], _, err = exchange(nodes[i%2], response); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			good := 0
			for _, status := range statuses {
				switch status {
				case http.StatusCreated:
					good++
				case http.StatusUnauthorized:
				default:
					t.Errorf("status %d", status)
				}
			}
			if good != 1 {
				t.Errorf("exchanged %d times", good)
			}
			for _, node := range nodes {
				_, id, err := exchange(node, response)
				if err != nil {
					t.Fatal(err)
				}
				failedAt(t, node, id, "assertion id")
			}
			if engine == "sqlite" { // a process of its own alone has the file
				one.HTTP.Close()
				if err := one.Close(); err != nil {
					t.Fatal(err)
				}
			}
			again := servertest.Start(t, servertest.Options{World: samlWorld, DSN: dsn, KEK: &kek})
			status, id, err := exchange(again, response)
			if err != nil || status != http.StatusUnauthorized {
				t.Fatalf("after a restart: %d %v", status, err)
			}
			failedAt(t, again, id, "assertion id")
		})
	}
}

// A provider that remembers somebody since this morning proves a sign-in of this
// morning, to clients and to the pages that want a recent one.
func TestASignInIsAsOldAsTheProviderSays(t *testing.T) {
	s := servertest.Start(t, servertest.Options{World: samlWorld})
	idp, b := servertest.IdP("known"), s.Browser(t)
	early := s.Clock.Now().Add(-2 * time.Hour)
	remembered := func(c *samltest.Claims) {
		c.Edit = func(r *etree.Element) {
			r.FindElement("//saml:AuthnStatement").CreateAttr("AuthnInstant", early.Format("2006-01-02T15:04:05Z"))
		}
	}
	q := begin(t, b, authorizeURL(), "known")
	deliver(t, s, b, idp.Response(says(s, "ada", q.ID, remembered)))
	b.Submit("/consent", "decision", "allow")
	_, tokens := redeem(t, s, b.Answer().Get("code"))
	id, err := jose.Parse(fmt.Sprint(tokens["id_token"]))
	if err != nil {
		t.Fatal(err)
	}
	if at, _ := id.Claims.Int("auth_time"); at != early.Unix() {
		t.Errorf("auth_time %d, want %d", at, early.Unix())
	}
	// A client that wants a fresh one leads back to the provider, which is asked for it.
	if q = begin(t, b, authorizeURL("max_age", "60"), "known"); !q.Force {
		t.Error("the provider is not asked for a fresh sign-in")
	}
	refusedAt(t, s, idp.Response(says(s, "ada", q.ID, remembered)), "AuthnInstant")
	// So does a page of the account.
	b.Open("/login/saml/known?r=")
	if small, err := base64.StdEncoding.DecodeString(b.Left.Query().Get("SAMLRequest")); err != nil || len(small) == 0 {
		t.Fatalf("%q %v", b.Left, err)
	} else if doc, err := io.ReadAll(flate.NewReader(bytes.NewReader(small))); err != nil || !readRequest(t, doc, "").Force {
		t.Errorf("%s %v", doc, err)
	}
}
