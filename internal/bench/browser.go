package bench

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"html"
	"net/url"
	"strings"
)

// verifier and challenge are a PKCE pair (RFC 7636 §4).
const verifier = "a-verifier-of-forty-three-characters-or-more"

var challenge = func() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}()

// authorizePath is the authorization request of client i.
func (t *Target) authorizePath(i int) string {
	id, _ := t.World.Client(Code, i)
	return "/oauth2/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {id}, "redirect_uri": {Callback}, "scope": {"openid read"},
		"state": {"af0ifjsldkj"}, "nonce": {"n-0S6_WzA2Mj"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}.Encode()
}

var errPage = errors.New("the page is not the one expected")

// signIn signs user i in through the pages and gives the cookies their browser has.
func (t *Target) signIn(c *Conn, i int) (cookies string, err error) {
	status, body, err := c.Do(Request("GET", "/login", t.Addr, ""))
	if err != nil {
		return "", err
	}
	_, rest, ok := bytes.Cut(body, []byte(`name="token" value="`))
	token, _, closed := bytes.Cut(rest, []byte(`"`))
	if status != 200 || !ok || !closed || len(c.Cookies) == 0 {
		return "", errPage
	}
	browser := strings.Join(c.Cookies, "; ")
	form := url.Values{"token": {html.UnescapeString(string(token))}, "name": {t.World.User(i)}, "password": {password}}.Encode()
	status, body, err = c.Do(Request("POST", "/login", t.Addr, form, formType, "Cookie: "+browser, "Sec-Fetch-Site: same-origin"))
	if err != nil {
		return "", err
	}
	if status != 303 || len(c.Cookies) == 0 {
		return "", unexpected(status, body)
	}
	return browser + "; " + strings.Join(c.Cookies, "; "), nil
}

// code asks for a code with a live session: no page is shown.
func (t *Target) code(c *Conn, request []byte) (string, error) {
	status, body, err := c.Do(request)
	if err != nil {
		return "", err
	}
	_, rest, ok := strings.Cut(c.Location, "code=")
	code, _, _ := strings.Cut(rest, "&")
	if status != 303 || !ok || len(code) < 43 || !strings.HasPrefix(c.Location, Callback) {
		return "", unexpected(status, body)
	}
	return code, nil
}

func (t *Target) authorizing(i int) ([]byte, error) {
	c := Dial(t.Addr)
	defer c.Close()
	cookies, err := t.signIn(c, i)
	if err != nil {
		return nil, err
	}
	request := Request("GET", t.authorizePath(i), t.Addr, "", "Cookie: "+cookies)
	_, err = t.code(c, request) // the first one keeps what nobody was asked
	return request, err
}

func authorizeOnly(t *Target, i int) (Step, error) {
	request, err := t.authorizing(i)
	return func(c *Conn) error {
		_, err := t.code(c, request)
		return err
	}, err
}

// codeFlow is the whole of it: RFC 6749 §4.1 with a browser that is signed in.
func codeFlow(t *Target, i int) (Step, error) {
	request, err := t.authorizing(i)
	id, secret := t.World.Client(Code, i)
	auth := basic(id, secret)
	return func(c *Conn) error {
		code, err := t.code(c, request)
		if err != nil {
			return err
		}
		_, body, err := ask(c, t.form(tokenPath, auth, "grant_type", "authorization_code", "code", code,
			"redirect_uri", Callback, "code_verifier", verifier), 200, jwt)
		if err == nil && !jwt(Member(body, "id_token")) {
			err = unexpected(200, body)
		}
		return err
	}, err
}

// signInPage is what somebody without a session sees: the redirect to the page, and
// the page.
func signInPage(t *Target, i int) (Step, error) {
	request := Request("GET", t.authorizePath(i), t.Addr, "")
	return func(c *Conn) error {
		status, body, err := c.Do(request)
		if err != nil {
			return err
		}
		at, err := url.Parse(c.Location)
		if err != nil || status != 303 || at.Path != "/login" {
			return unexpected(status, body)
		}
		status, body, err = c.Do(Request("GET", at.RequestURI(), t.Addr, ""))
		if err == nil && (status != 200 || !bytes.Contains(body, []byte(`name="password"`))) {
			err = unexpected(status, body)
		}
		return err
	}, nil
}
