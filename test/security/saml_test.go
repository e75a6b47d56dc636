package security_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"jeton/internal/identity/saml/samltest"
	"jeton/internal/servertest"
)

const samlWorld = `
version: 1
users:
  - {name: victim, password: {plain: victims-own-password}, admin: true}
  - {name: mallory, password: {plain: mallorys-password}}
organizations:
  - id: default
    default: true
    realms: [{name: local, default: true}]
    saml:
      - {name: corp, number: 7, entity_id: "https://corp.example", sso: "https://corp.example/sso", certificates: [{file: corp.crt}], realm: local}
clients:
  - {id: bearer, dialect: oidc, auth: client_secret_post, secrets: [{plain: bearer-secret}], grants: [saml2-bearer], scopes: [read]}
`

var (
	dsSignature   = regexp.MustCompile(`(?s)<ds:Signature.*?</ds:Signature>`)
	samlAssertion = regexp.MustCompile(`(?s)<saml:Assertion.*</saml:Assertion>`)
	anyID         = regexp.MustCompile(` ID="_[0-9a-f]+"`)
)

// forged is a document that says "victim" without a signature, under ids of its own.
func forged(doc string) string {
	doc = dsSignature.ReplaceAllString(doc, "")
	n := 0
	doc = anyID.ReplaceAllStringFunc(doc, func(string) string { n++; return ` ID="_forged` + string(rune('a'+n)) + `"` })
	return strings.ReplaceAll(doc, ">mallory<", ">victim<")
}

// within puts what stands in more behind the issuer of a response.
func insideOf(response, more string) string {
	const after = "</saml:Issuer>"
	i := strings.Index(response, after) + len(after)
	return response[:i] + more + response[i:]
}

// attacks make another document of a genuinely signed one (saml-01 to saml-18).
var attacks = map[string]func(signed string) string{
	"saml-01 no signature":              func(s string) string { return dsSignature.ReplaceAllString(s, "") },
	"saml-02 the signed values changed": func(s string) string { return strings.ReplaceAll(s, ">mallory<", ">victim<") },
	"saml-03 XSW1 the signed response inside the signature of a forged one": func(s string) string {
		return insideOf(forged(s), `<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:Object>`+s+`</ds:Object></ds:Signature>`)
	},
	"saml-04 XSW2 the signed response beside": func(s string) string { return insideOf(forged(s), s) },
	"saml-05 XSW3 a forged assertion before the signed one": func(s string) string {
		return strings.Replace(s, "<saml:Assertion", samlAssertion.FindString(forged(s))+"<saml:Assertion", 1)
	},
	"saml-06 XSW4 a forged assertion around the signed one": func(s string) string {
		f := samlAssertion.FindString(forged(s))
		return samlAssertion.ReplaceAllLiteralString(s, strings.Replace(f, "</saml:Assertion>", samlAssertion.FindString(s)+"</saml:Assertion>", 1))
	},
	"saml-07 XSW5 the original copied to the end": func(s string) string {
		changed := strings.ReplaceAll(s, ">mallory<", ">victim<")
		return strings.Replace(changed, "</samlp:Response>", dsSignature.ReplaceAllString(samlAssertion.FindString(s), "")+"</samlp:Response>", 1)
	},
	"saml-08 XSW6 the original inside the signature of the forged one": func(s string) string {
		original := dsSignature.ReplaceAllString(samlAssertion.FindString(s), "")
		return strings.Replace(strings.ReplaceAll(s, ">mallory<", ">victim<"), "</ds:KeyInfo>", "</ds:KeyInfo>"+original, 1)
	},
	"saml-09 XSW7 a forged assertion in extensions": func(s string) string {
		return insideOf(s, "<samlp:Extensions>"+samlAssertion.FindString(forged(s))+"</samlp:Extensions>")
	},
	"saml-10 XSW8 the original in an object of the forged one's signature": func(s string) string {
		original := dsSignature.ReplaceAllString(samlAssertion.FindString(s), "")
		return strings.Replace(strings.ReplaceAll(s, ">mallory<", ">victim<"), "</ds:Signature>", "<ds:Object>"+original+"</ds:Object></ds:Signature>", 1)
	},
	"saml-11 the assertion twice": func(s string) string {
		return strings.Replace(s, "</samlp:Response>", samlAssertion.FindString(s)+"</samlp:Response>", 1)
	},
	"saml-13 an external entity": func(s string) string {
		return `<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>` + strings.ReplaceAll(s, ">mallory<", ">&x;<")
	},
	"saml-14 an entity bomb": func(s string) string {
		return `<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>` + strings.ReplaceAll(s, ">mallory<", ">&c;<")
	},
	"saml-15 another transform": func(s string) string {
		return strings.Replace(s, "http://www.w3.org/2000/09/xmldsig#enveloped-signature", "http://www.w3.org/TR/1999/REC-xslt-19991116", 1)
	},
	"saml-16 a second reference": func(s string) string {
		reference := regexp.MustCompile(`(?s)<ds:Reference.*?</ds:Reference>`).FindString(s)
		return strings.Replace(s, reference, reference+reference, 1)
	},
	"saml-18 a weak algorithm": func(s string) string {
		return strings.Replace(s, "xmldsig-more#ecdsa-sha256", "xmldsig-more#hmac-sha256", 1)
	},
}

func samlResponse(t *testing.T, s site, idp *samltest.IdP) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(idp.Response(samltest.Claims{
		NameID: "mallory", Audience: servertest.Public + "/auth/saml/metadata", Recipient: servertest.Public + "/auth/saml/callback",
		InResponseTo: "_request", Now: s.Clock.Now(),
	}))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// exchanges are the inlets an assertion can be sent to: each gives the status of the
// answer and what it says.
var exchanges = map[string]func(t *testing.T, s site, doc string) (int, string){
	"faspex": func(t *testing.T, s site, doc string) (int, string) {
		body, err := json.Marshal(map[string]any{
			"grant_type": "urn:ietf:params:oauth:grant-type:saml2-bearer", "id": 7, "assertion": base64.StdEncoding.EncodeToString([]byte(doc)),
		})
		if err != nil {
			t.Fatal(err)
		}
		return posted(t, s, "/aspera/faspex/auth/oauth2/token", "application/json", string(body))
	},
	"standard": func(t *testing.T, s site, doc string) (int, string) {
		return posted(t, s, "/oauth2/token", "application/x-www-form-urlencoded", url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:saml2-bearer"}, "client_id": {"bearer"}, "client_secret": {"bearer-secret"},
			"assertion": {base64.RawURLEncoding.EncodeToString([]byte(doc))},
		}.Encode())
	},
	"callback": func(t *testing.T, s site, doc string) (int, string) {
		return posted(t, s, "/auth/saml/callback", "application/x-www-form-urlencoded",
			url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString([]byte(doc))}}.Encode())
	},
}

func posted(t *testing.T, s site, path, kind, body string) (int, string) {
	t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(posting(t, s.URL+path, kind, body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b := make([]byte, 1<<16)
	n, _ := resp.Body.Read(b)
	return resp.StatusCode, string(b[:n]) + strings.Join(resp.Header.Values("Set-Cookie"), "\n")
}

func posting(t *testing.T, to, kind, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequest("POST", to, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	return req
}

func TestSAML01To18NoForgedAssertionIsTakenAtAnyInlet(t *testing.T) {
	s := village(t)
	s.Apply(t, samlWorld)
	idp := servertest.IdP("corp")
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			genuine := samlResponse(t, s, idp)
			doc := attack(genuine)
			if doc == genuine {
				t.Fatal("the attack changes nothing")
			}
			for inlet, exchange := range exchanges {
				began := time.Now()
				status, answer := exchange(t, s, doc)
				if status < 400 || status > 499 || strings.Contains(answer, "access_token") || strings.Contains(answer, "jeton-session") ||
					strings.Contains(answer, "invalid_client") { // refused for what it is, not for its sender
					t.Errorf("%s: %d %s", inlet, status, answer)
				}
				if took := time.Since(began); took > time.Second {
					t.Errorf("%s: %s", inlet, took)
				}
			}
		})
	}
	// A key of the attacker's own, in the document and nowhere else (saml-17).
	for inlet, exchange := range exchanges {
		if status, answer := exchange(t, s, samlResponse(t, s, samltest.New("https://corp.example"))); status < 400 || status > 499 {
			t.Errorf("saml-17 %s: %d %s", inlet, status, answer)
		}
	}
	// And the genuine one works, once at each inlet but the browser's: nobody asked there.
	genuine := samlResponse(t, s, idp)
	if status, answer := exchanges["faspex"](t, s, genuine); status != 201 {
		t.Errorf("faspex: %d %s", status, answer)
	}
	if status, answer := exchanges["standard"](t, s, samlResponse(t, s, idp)); status != 200 {
		t.Errorf("standard: %d %s", status, answer)
	}
	if status, answer := exchanges["faspex"](t, s, genuine); status != 401 {
		t.Errorf("again: %d %s", status, answer)
	}
	if status, answer := exchanges["callback"](t, s, samlResponse(t, s, idp)); status < 400 || status > 499 {
		t.Errorf("callback without a browser that asked: %d %s", status, answer)
	}
}

// A comment cuts no name (saml-12): the whole text is the identity, or nobody's.
func TestSAML12ACommentCutsNoName(t *testing.T) {
	s := village(t)
	s.Apply(t, samlWorld)
	doc := strings.Replace(samlResponse(t, s, servertest.IdP("corp")), ">mallory<", ">mal<!-- -->lory<", 1)
	for inlet, exchange := range map[string]func(*testing.T, site, string) (int, string){"faspex": exchanges["faspex"], "standard": exchanges["standard"]} {
		status, answer := exchange(t, s, doc)
		if status < 400 && !strings.Contains(answer, "access_token") || status >= 500 {
			t.Errorf("%s: %d %s", inlet, status, answer)
		}
	}
}
