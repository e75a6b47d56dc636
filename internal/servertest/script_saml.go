package servertest

import (
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"jeton/internal/identity/saml/samltest"
)

// IdP is the test's identity provider of a name, at https://NAME.example. The file
// NAME.crt of a world is its certificate.
func IdP(name string) *samltest.IdP { return samltest.Fixed("https://" + name + ".example") }

// saml VAR IDP USER [-audience URL] [-recipient URL] [-to ID] [-id ID] [-age 2m] [-life 5m] [-attr name=value]… [-bare]
//
// Puts a response of the identity provider into a variable, as a browser posts it;
// with -bare the assertion alone, in base64url.
func cmdSAML(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: saml VAR IDP USER [flags]")
	}
	idp := IdP(args[1])
	c := samltest.Claims{
		NameID: args[2], Audience: Public + "/auth/saml/metadata", Recipient: Public + "/auth/saml/callback", InResponseTo: "_request",
		Now: values(ts).server.Clock.Now(),
	}
	bare := false
	for i := 3; i < len(args); i++ {
		flag := args[i]
		if flag == "-bare" {
			bare = true
			continue
		}
		if i++; i >= len(args) {
			ts.Fatalf("saml: %s needs a value", flag)
		}
		v := args[i]
		switch flag {
		case "-audience":
			c.Audience = v
		case "-recipient":
			c.Recipient = v
		case "-to":
			c.InResponseTo = v
		case "-id":
			c.ID = v
		case "-age", "-life":
			d, err := time.ParseDuration(v)
			ts.Check(err)
			if flag == "-life" {
				c.Life = d
			} else {
				c.Now = c.Now.Add(-d)
			}
		case "-attr":
			name, value, _ := strings.Cut(v, "=")
			c.Attributes = append(c.Attributes, samltest.Attribute{Name: name, Values: []string{value}})
		default:
			ts.Fatalf("saml: unknown flag %s", flag)
		}
	}
	message := idp.Response(c)
	if bare {
		message = idp.Assertion(c)
	}
	ts.Setenv(args[0], message)
	ts.Setenv(args[0]+"_form", strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(message))
}
