package page

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"time"

	"jeton/internal/oauth"
)

// Guard ties forms to the browser they were shown to. A browser gets a random name
// of its own in a cookie; a form carries a token made of that name. A page of
// another site can read neither, and a name it plants is not one of ours.
type Guard struct {
	Derive func(label string, n int) []byte // n bytes of key for a purpose, always the same
	Now    func() time.Time
}

// Sizes and labels. Two labels: a cookie's seal must never be of use as a token.
const (
	randomBytes = 16
	dayBytes    = 2 // since 1970: enough until 2149
	idBytes     = randomBytes + dayBytes
	keyBytes    = 32
	sealLabel   = "browser cookie"
	tokenLabel  = "form token"
	maxBrowsers = 4  // cookies of our name that are looked at
	maxDays     = 90 // browsers that restore their session keep its cookies for years
)

var base64url = base64.RawURLEncoding

// BrowserCookie is the name of the browser's cookie: a browser takes a __Host-
// cookie from this very host and by https only; on loopback there is no https.
func BrowserCookie(secure bool) string {
	if secure {
		return "__Host-jeton-browser"
	}
	return "jeton-browser"
}

// Browser names the browser a request came from. The cookie is not nil when the
// browser had no name, or one that is not ours, and gets a new one: a name somebody
// else chose would make their tokens this browser's. The cookie lasts as long as
// the browser runs.
func (g Guard) Browser(r *http.Request, secure bool) (id string, cookie *http.Cookie) {
	for i, c := range r.CookiesNamed(BrowserCookie(secure)) {
		if i == maxBrowsers {
			break
		}
		if id, ok := g.open(c.Value); ok {
			return id, nil
		}
	}
	name := make([]byte, randomBytes, idBytes)
	_, _ = rand.Read(name) // never fails: crypto/rand ends the program instead
	id = base64url.EncodeToString(binary.BigEndian.AppendUint16(name, uint16(g.today())))
	return id, &http.Cookie{
		Name: BrowserCookie(secure), Value: id + "." + g.mac(sealLabel, id), Path: "/",
		Secure: secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

func (g Guard) open(value string) (id string, ok bool) {
	id, seal, found := strings.Cut(value, ".")
	if !found || len(id) != base64url.EncodedLen(idBytes) || !hmac.Equal([]byte(seal), []byte(g.mac(sealLabel, id))) {
		return "", false
	}
	name, err := base64url.Strict().DecodeString(id)
	if err != nil {
		return "", false
	}
	age := g.today() - int64(binary.BigEndian.Uint16(name[randomBytes:]))
	return id, age <= maxDays
}

// today counts days since 1970.
func (g Guard) today() int64 { return g.Now().Unix() / (24 * 60 * 60) }

// Token is what the forms shown to browser id carry.
func (g Guard) Token(id string) string { return g.mac(tokenLabel, id) }

func (g Guard) mac(label, id string) string {
	h := hmac.New(sha256.New, g.Derive(label, keyBytes))
	h.Write([]byte(id))
	return base64url.EncodeToString(h.Sum(nil))
}

// Check refuses a form, oauth.Forbidden, that was not sent from a page this browser
// was shown: the browser must not say that another site sent it, and the token
// must be the browser's.
func (g Guard) Check(r *http.Request, id, token string) error {
	if !quiet(r) {
		if err := http.NewCrossOriginProtection().Check(r); err != nil {
			return oauth.Refuse(oauth.Forbidden, "the form was sent from another site").Because(err)
		}
	}
	if id == "" || token == "" || !hmac.Equal([]byte(token), []byte(g.Token(id))) {
		return oauth.Refuse(oauth.Forbidden, "the form was not sent from the page this browser was shown")
	}
	return nil
}

// quiet reports a browser that says nothing of where a form comes from: our pages
// send no referrer, for which browsers write "Origin: null" (Fetch §3.2), and those
// from before 2023 send no Sec-Fetch-Site either. The token alone decides then.
func quiet(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "null"
}
