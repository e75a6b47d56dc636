package wire

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"jeton/internal/oauth"
)

func basic(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }

func auth(lines ...string) http.Header { return header("Authorization", lines...) }

func TestBasicReadsAUserAsItIs(t *testing.T) {
	long := strings.Repeat("p", MaxBasic/4*3-2)
	tests := []struct {
		name   string
		lines  []string
		user   string
		secret string
		ok     bool
		code   oauth.Code
	}{
		{"none", nil, "", "", false, ""},
		{"another scheme", []string{"Bearer abc"}, "", "", false, ""},
		{"plain", []string{basic("bob:secret")}, "bob", "secret", true, ""},
		{"not form-decoded", []string{basic("bob%2D+:a+b%20c")}, "bob%2D+", "a+b%20c", true, ""},
		{"colons in the password", []string{basic("bob:a:b:")}, "bob", "a:b:", true, ""},
		{"empty password", []string{basic("bob:")}, "bob", "", true, ""},
		{"UTF-8", []string{basic("ü:€")}, "ü", "€", true, ""},
		{"longest", []string{basic("u:" + long)}, "u", long, true, ""},
		{"param-08 lower-case scheme", []string{"basic" + basic("a:b")[5:]}, "a", "b", true, ""},
		{"param-08 upper-case scheme", []string{"BASIC" + basic("a:b")[5:]}, "a", "b", true, ""},
		{"param-08 no colon", []string{basic("bob")}, "", "", false, oauth.InvalidClient},
		{"param-08 empty name", []string{basic(":secret")}, "", "", false, oauth.InvalidClient},
		{"param-08 both empty", []string{basic(":")}, "", "", false, oauth.InvalidClient},
		{"param-08 nothing", []string{"Basic"}, "", "", false, oauth.InvalidClient},
		{"param-08 only a space", []string{"Basic "}, "", "", false, oauth.InvalidClient},
		{"param-08 two spaces", []string{"Basic  Ym9iOng="}, "", "", false, oauth.InvalidClient},
		{"param-08 trailing space", []string{"Basic Ym9iOng= "}, "", "", false, oauth.InvalidClient},
		{"param-08 tab", []string{"Basic\tYm9iOng="}, "", "", false, oauth.InvalidRequest},
		{"param-08 no scheme", []string{" Ym9iOng="}, "", "", false, oauth.InvalidRequest},
		{"param-08 empty header", []string{""}, "", "", false, oauth.InvalidRequest},
		{"param-08 not base64", []string{"Basic ***"}, "", "", false, oauth.InvalidClient},
		{"param-08 no padding", []string{"Basic Ym9iOng"}, "", "", false, oauth.InvalidClient},
		{"param-08 URL alphabet", []string{"Basic Pz8_Og=="}, "", "", false, oauth.InvalidClient},
		{"param-08 changed trailing bits", []string{"Basic Ym9iOng1Mh=="}, "", "", false, oauth.InvalidClient},
		{"param-08 newline inside", []string{"Basic Ym9i\nOng="}, "", "", false, oauth.InvalidClient},
		{"param-08 text after padding", []string{"Basic Ym9iOng=Ym9i"}, "", "", false, oauth.InvalidClient},
		{"param-08 over the limit", []string{basic("u:" + long + "xxx")}, "", "", false, oauth.InvalidClient},
		{"param-08 100 KiB", []string{basic("u:" + strings.Repeat("x", 100<<10))}, "", "", false, oauth.InvalidClient},
		{"param-09 NUL", []string{basic("bob\x00:x")}, "", "", false, oauth.InvalidClient},
		{"param-09 newline", []string{basic("bob:x\n")}, "", "", false, oauth.InvalidClient},
		{"param-09 DEL", []string{basic("bob:x\x7f")}, "", "", false, oauth.InvalidClient},
		{"param-09 Latin-1", []string{basic("m\xfcller:x")}, "", "", false, oauth.InvalidClient},
		{"param-07 two headers", []string{basic("a:b"), basic("a:b")}, "", "", false, oauth.InvalidRequest},
		{"param-07 Basic and Bearer", []string{basic("a:b"), "Bearer x"}, "", "", false, oauth.InvalidRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			user, secret, ok, err := Basic(auth(tt.lines...))
			wantCode(t, err, tt.code)
			if user != tt.user || secret != tt.secret || ok != tt.ok {
				t.Errorf("got %q, %q, %v", user, secret, ok)
			}
		})
	}
}

func TestClientBasicFormDecodesBothHalves(t *testing.T) {
	tests := []struct {
		name, text, id, secret string
		code                   oauth.Code
	}{
		{"plain", "mover:s3cret", "mover", "s3cret", ""},
		{"hyphens left alone", "my-client:a-b_c.~", "my-client", "a-b_c.~", ""},
		{"hyphens encoded, as openid-client does", "my%2Dclient:a%2Db", "my-client", "a-b", ""},
		{"plus is a space", "a:b+c", "a", "b c", ""},
		{"encoded plus and percent", "a:b%2Bc%25", "a", "b+c%", ""},
		{"param-08 encoded colon in the id", "urn%3Ax:s", "urn:x", "s", ""},
		{"colon left in the secret", "a:b:c", "a", "b:c", ""},
		{"param-08 empty secret", "a:", "a", "", ""},
		{"undecodable secret", "a:100%", "", "", oauth.InvalidClient},
		{"undecodable id", "a%zz:b", "", "", oauth.InvalidClient},
		{"param-09 encoded NUL", "a%00:b", "", "", oauth.InvalidClient},
		{"param-09 encoded newline", "a:b%0A", "", "", oauth.InvalidClient},
		{"param-09 encoded Latin-1", "a:%fc", "", "", oauth.InvalidClient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, secret, ok, err := ClientBasic(auth(basic(tt.text)))
			wantCode(t, err, tt.code)
			if id != tt.id || secret != tt.secret || ok != (tt.code == "") {
				t.Errorf("got %q, %q, %v", id, secret, ok)
			}
		})
	}
	if _, _, ok, err := ClientBasic(nil); ok || err != nil {
		t.Errorf("without a header: %v, %v", ok, err)
	}
}

func TestBearerTakesOneToken(t *testing.T) {
	long := strings.Repeat("t", MaxToken)
	tests := []struct {
		name  string
		lines []string
		token string
		ok    bool
		code  oauth.Code
	}{
		{"none", nil, "", false, ""},
		{"another scheme", []string{basic("a:b")}, "", false, ""},
		{"plain", []string{"Bearer abc.DEF-_~+/0=="}, "abc.DEF-_~+/0==", true, ""},
		{"lower-case scheme", []string{"bearer abc"}, "abc", true, ""},
		{"longest", []string{"Bearer " + long}, long, true, ""},
		{"too long", []string{"Bearer " + long + "t"}, "", false, oauth.InvalidToken},
		{"no token", []string{"Bearer"}, "", false, oauth.MissingToken},
		{"two spaces", []string{"Bearer  abc"}, "", false, oauth.InvalidToken},
		{"two tokens", []string{"Bearer abc def"}, "", false, oauth.InvalidToken},
		{"comma", []string{"Bearer abc,Bearer def"}, "", false, oauth.InvalidToken},
		{"padding alone", []string{"Bearer =="}, "", false, oauth.InvalidToken},
		{"padding inside", []string{"Bearer a=b"}, "", false, oauth.InvalidToken},
		{"quotes", []string{`Bearer "abc"`}, "", false, oauth.InvalidToken},
		{"not ASCII", []string{"Bearer ü"}, "", false, oauth.InvalidToken},
		{"param-07 two headers", []string{"Bearer a", "Bearer a"}, "", false, oauth.InvalidRequest},
		{"tab", []string{"Bearer\tabc"}, "", false, oauth.InvalidRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			token, ok, err := Bearer(auth(tt.lines...))
			wantCode(t, err, tt.code)
			if token != tt.token || ok != tt.ok {
				t.Errorf("got %q, %v", token, ok)
			}
		})
	}
}

func TestKeyTakesItsOwnSchemeOnly(t *testing.T) {
	const key = "83abef1e-e7d7-4beb-91fc-79ad90084d5b"
	if got, ok, err := Key(auth("Key " + key)); got != key || !ok || err != nil {
		t.Errorf("got %q, %v, %v", got, ok, err)
	}
	if _, ok, err := Key(auth("Bearer " + key)); ok || err != nil {
		t.Errorf("a bearer token counts as a key: %v, %v", ok, err)
	}
}

func TestSchemeSplitsTheHeader(t *testing.T) {
	scheme, rest, err := Scheme(auth("DPoP a b"))
	if scheme != "dpop" || rest != "a b" || err != nil {
		t.Errorf("got %q, %q, %v", scheme, rest, err)
	}
}

func TestHeaderRefusalsQuoteNothing(t *testing.T) {
	for _, line := range []string{basic("hunter2"), "Basic hunter2", "Bearer hunter2 hunter2", "hunter2\t"} {
		_, _, _, err := Basic(auth(line))
		if err == nil {
			_, _, err = Bearer(auth(line))
		}
		if err == nil || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// FuzzBasic checks that each accepted header is the only one of its meaning (but
// for the scheme's case), and that ClientBasic is exactly Basic and form-decoding.
func FuzzBasic(f *testing.F) {
	for _, s := range []string{
		basic("a:b"), basic("a%2D:b+c"), "basic QTo=", "Basic QTp=", "Basic QTo=\n", "Basic  QTo=", "Bearer x", "Basic", "", basic("é:\x00"),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		h := auth(line)
		user, password, ok, err := Basic(h)
		id, secret, clientOK, clientErr := ClientBasic(h)
		if err != nil {
			if ok || clientErr == nil {
				t.Fatal("refused by Basic alone")
			}
			return
		}
		if !ok {
			if clientOK || clientErr != nil {
				t.Fatal("ClientBasic sees a Basic header, Basic does not")
			}
			return
		}
		if again := basic(user + ":" + password); again[6:] != line[6:] || !strings.EqualFold(line[:6], "basic ") {
			t.Fatalf("%q means the same as %q", line, again)
		}
		if strings.Contains(user, ":") || user == "" || hasControl(user+password) {
			t.Fatalf("accepted %q and %q", user, password)
		}
		if clientErr == nil {
			back := basic(url.QueryEscape(id) + ":" + url.QueryEscape(secret))
			id2, secret2, ok2, err := ClientBasic(auth(back))
			if len(back) <= MaxBasic && (!ok2 || err != nil || id2 != id || secret2 != secret) {
				t.Fatalf("%q and %q do not survive encoding: %v", id, secret, err)
			}
		}
	})
}

// FuzzBearer checks that an accepted token stands in the header byte for byte
// and in the alphabet of RFC 6750.
func FuzzBearer(f *testing.F) {
	for _, s := range []string{"Bearer abc", "bearer a=", "Bearer =", "Bearer a b", "Bearer", "Bearer\ta", "BEARER a~b", basic("a:b"), ""} {
		f.Add(s)
	}
	const chars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="
	f.Fuzz(func(t *testing.T, line string) {
		token, ok, err := Bearer(auth(line))
		if !ok {
			if token != "" {
				t.Fatalf("token %q without ok", token)
			}
			return
		}
		if err != nil || line[7:] != token || !strings.EqualFold(line[:7], "bearer ") || len(token) > MaxToken {
			t.Fatalf("%q gives %q, %v", line, token, err)
		}
		if strings.Trim(token, chars) != "" || strings.HasPrefix(token, "=") {
			t.Fatalf("token %q", token)
		}
		if again, ok, err := Bearer(auth("Bearer " + token)); again != token || !ok || err != nil {
			t.Fatalf("%q is not read again: %v", token, err)
		}
	})
}
