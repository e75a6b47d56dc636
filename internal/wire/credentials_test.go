package wire

import (
	"net/http"
	"testing"

	"jeton/internal/oauth"
)

func TestCredentialsComeFromOneSource(t *testing.T) {
	const kind = "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
	tests := []struct {
		name, line, form string
		want             Presented
		code             oauth.Code
	}{
		{"nobody", "", "grant_type=x", Presented{}, ""},
		{"public client", "", "client_id=a", Presented{ID: "a", Method: MethodNone}, ""},
		{"empty secret is none", "", "client_id=a&client_secret=", Presented{ID: "a", Method: MethodNone}, ""},
		{"post", "", "client_id=a&client_secret=s", Presented{ID: "a", Secret: "s", Method: MethodSecretPost}, ""},
		{"Basic", basic("a:s"), "", Presented{ID: "a", Secret: "s", Method: MethodSecretBasic}, ""},
		{"Basic with the same client_id", basic("a:s"), "client_id=a", Presented{ID: "a", Secret: "s", Method: MethodSecretBasic}, ""},
		{"Basic with an empty client_secret beside", basic("a:s"), "client_id=a&client_secret=", Presented{ID: "a", Secret: "s", Method: MethodSecretBasic}, ""},
		{"Basic with empty secret", basic("a:"), "", Presented{ID: "a", Method: MethodNone}, ""},
		{"assertion", "", "client_assertion=j" + kind, Presented{Assertion: "j", Method: MethodPrivateKeyJWT}, ""},
		{"assertion with id", "", "client_id=a&client_assertion=j" + kind, Presented{ID: "a", Assertion: "j", Method: MethodPrivateKeyJWT}, ""},
		{"a bearer token is not the client's", "Bearer t", "client_id=a", Presented{ID: "a", Method: MethodNone}, ""},

		{"param-07 Basic and body secret", basic("a:s"), "client_id=a&client_secret=s", Presented{}, oauth.InvalidRequest},
		{"param-07 Basic without secret and body secret", basic("a:"), "client_id=a&client_secret=s", Presented{}, oauth.InvalidRequest},
		{"param-07 Basic and assertion", basic("a:s"), "client_assertion=j" + kind, Presented{}, oauth.InvalidRequest},
		{"param-07 secret and assertion", "", "client_id=a&client_secret=s&client_assertion=j" + kind, Presented{}, oauth.InvalidRequest},
		{"param-07 Basic and body secret without id", basic("a:s"), "client_secret=s", Presented{}, oauth.InvalidRequest},
		{"Basic for another client_id", basic("a:s"), "client_id=b", Presented{}, oauth.InvalidRequest},
		{"secret without id", "", "client_secret=s", Presented{}, oauth.MissingParameter},
		{"assertion without type", "", "client_assertion=j", Presented{}, oauth.MissingParameter},
		{"type without assertion", "", "client_id=a" + kind, Presented{}, oauth.MissingParameter},
		{"another type", "", "client_assertion=j&client_assertion_type=saml", Presented{}, oauth.InvalidRequest},
		{"malformed Basic", "Basic x", "client_id=a&client_secret=s", Presented{}, oauth.InvalidClient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h http.Header
			if tt.line != "" {
				h = auth(tt.line)
			}
			p, err := Form([]byte(tt.form))
			wantCode(t, err, "")
			got, err := Credentials(h, p)
			wantCode(t, err, tt.code)
			if got != tt.want {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestParam07TwoAuthorizationHeadersAreRefused(t *testing.T) {
	_, err := Credentials(auth(basic("a:s"), basic("a:s")), Params{})
	wantCode(t, err, oauth.InvalidRequest)
}

var sink int

// BenchmarkClientCredentials is the parsing of a whole client_credentials request.
func BenchmarkClientCredentials(b *testing.B) {
	h := auth(basic("b8e4c2d0-mover:Zk3pQ9vX2mN7cT5rW8yB1dF6gH4jL0sA"))
	body := []byte("grant_type=client_credentials&scope=transfers%3Aread+transfers%3Awrite")
	b.ReportAllocs()
	for b.Loop() {
		p, err := Form(body)
		if err != nil {
			b.Fatal(err)
		}
		c, err := Credentials(h, p)
		if err != nil {
			b.Fatal(err)
		}
		sink += len(c.ID) + len(p.Text("scope"))
	}
}

// BenchmarkJSON is a password request of a vendor dialect.
func BenchmarkJSON(b *testing.B) {
	body := []byte(`{"grant_type":"password","client_id":"8Qx1","client_secret":"s","username":"bob","password":"p\u00e4ss","realm":"local"}`)
	b.ReportAllocs()
	for b.Loop() {
		o, err := JSON(body)
		if err != nil {
			b.Fatal(err)
		}
		sink += len(o.members)
	}
}

func TestTheHotPathAllocatesLittle(t *testing.T) {
	h := auth(basic("b8e4c2d0-mover:Zk3pQ9vX2mN7cT5rW8yB1dF6gH4jL0sA"))
	body := []byte("grant_type=client_credentials&scope=transfers%3Aread+transfers%3Awrite")
	n := testing.AllocsPerRun(100, func() {
		p, _ := Form(body)
		c, _ := Credentials(h, p)
		sink += len(c.ID)
	})
	if n > 5 {
		t.Errorf("%v allocations for one request", n)
	}
}
