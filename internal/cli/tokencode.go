package cli

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"jeton/internal/jose"
	"jeton/internal/oauth"
)

// grantCode is --grant code: a person signs in in a browser, and this command is the
// client, an app on their machine (RFC 8252).
const grantCode = "code"

// signInLife is how long a sign-in is waited for: as long as the server goes on with
// one.
const signInLife = 10 * time.Minute

// signIn gets a token with a code: it waits on loopback for the browser to bring it.
func (p *play) signIn() error {
	if p.flags.Curl {
		return fail(ExitUsage, "leave out --curl", "a code comes from a browser, and no curl line gets one")
	}
	d, err := p.discover()
	if err != nil {
		return err
	}
	ln, err := (&net.ListenConfig{}).Listen(p.env.Ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen on loopback for the answer: %w", err)
	}
	defer ln.Close()
	w := &waiting{state: newState(), issuer: d.Issuer, nonce: newState(), got: make(chan answered, 1)}
	p.redirect = "http://" + ln.Addr().String() + callbackPath
	p.verifier = oauth.Secret(verifier())
	p.open(d.Authorization + "?" + w.query(p).Encode())
	code, err := w.wait(p.env.Ctx, ln, p.client)
	if err != nil {
		return err
	}
	p.code = code
	got, err := p.ask()
	if err != nil {
		return err
	}
	if err := w.check(got.id, p.client); err != nil {
		return err
	}
	return p.save(got)
}

// discovered is what is used of a discovery document (OpenID Connect Discovery §3).
type discovered struct {
	Issuer        string `json:"issuer"`
	Authorization string `json:"authorization_endpoint"`
}

// discover reads the server's own description. Its issuer is the URL that was asked
// (RFC 8414 §3.3): another one would be another server's.
func (p *play) discover() (d discovered, err error) {
	r, err := http.NewRequestWithContext(p.env.Ctx, http.MethodGet, p.base+"/.well-known/openid-configuration", nil)
	if err != nil {
		return d, fmt.Errorf("ask for the server's description: %w", err)
	}
	c, err := p.httpClient()
	if err != nil {
		return d, err
	}
	resp, err := c.Do(r)
	if err != nil {
		return d, fail(ExitUnreachable, "check --server, and that it runs", "%s did not answer: %v", p.base, cause(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil || resp.StatusCode != http.StatusOK || json.Unmarshal(body, &d) != nil || d.Authorization == "" {
		return d, fail(ExitFailed, "see whether --server names a Jeton server", "%s does not describe an authorization endpoint", p.base)
	}
	if d.Issuer != p.base || !strings.HasPrefix(d.Authorization, p.base+"/") {
		return d, fail(ExitUsage, "add --server "+oneLine(d.Issuer)+" if that is meant", "%s calls itself %s", p.base, oneLine(d.Issuer))
	}
	return d, nil
}

// verifier is a PKCE verifier (RFC 7636 §4.1).
func verifier() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// open prints where to sign in, and opens it where a person sits before a screen.
func (p *play) open(to string) {
	fmt.Fprintf(p.env.Stderr, "Sign in here; Ctrl-C gives up:\n  %s\n", to)
	if !p.env.TTY || p.noBrowser || p.flags.NoInput {
		return
	}
	opener := "xdg-open"
	if runtime.GOOS == "darwin" {
		opener = "open"
	}
	if cmd := exec.CommandContext(p.env.Ctx, opener, to); cmd.Start() == nil { // without one the person opens it
		go func() { _ = cmd.Wait() }()
	}
}

const callbackPath = "/callback"

// waiting is a sign-in under way.
type waiting struct {
	state, nonce, issuer string
	got                  chan answered
}

// answered is what the browser brought.
type answered struct {
	code oauth.Secret
	err  error
}

// query is the authorization request.
func (w *waiting) query(p *play) url.Values {
	sum := sha256.Sum256([]byte(p.verifier.Reveal()))
	q := url.Values{
		"response_type": {"code"}, "client_id": {p.client}, "redirect_uri": {p.redirect}, "state": {w.state}, "nonce": {w.nonce},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	for name, v := range map[string]string{"scope": p.scope, "resource": p.resource, "login_hint": p.user} {
		if v != "" {
			q.Set(name, v)
		}
	}
	return q
}

// wait answers on loopback until the browser brings the answer to this request.
func (w *waiting) wait(ctx context.Context, ln net.Listener, client string) (oauth.Secret, error) {
	s := &http.Server{Handler: http.HandlerFunc(w.serve), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, MaxHeaderBytes: 32 << 10}
	go func() { _ = s.Serve(ln) }() // ends with Close
	defer func() {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if s.Shutdown(late) != nil { // the last page is written first
			_ = s.Close()
		}
	}()
	timer := time.NewTimer(signInLife)
	defer timer.Stop()
	select {
	case a := <-w.got:
		return a.code, a.err
	case <-ctx.Done():
		return "", fail(ExitFailed, "jeton token oidc --grant code --client "+client, "given up before anybody signed in")
	case <-timer.C:
		return "", fail(ExitFailed, "jeton token oidc --grant code --client "+client, "nobody signed in for %s", span(signInLife))
	}
}

// serve takes the answer. A request with another state is not the answer, whoever
// sent it, and the waiting goes on.
func (w *waiting) serve(out http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if r.Method != http.MethodGet || r.URL.Path != callbackPath || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(w.state)) != 1 {
		note(out, http.StatusNotFound, "Nothing is waited for here.")
		return
	}
	a := answered{code: oauth.Secret(q.Get("code"))}
	switch {
	case q.Get("iss") != w.issuer: // RFC 9207 §2.4
		a = answered{err: fail(ExitFailed, "try again; if it stays, see who answers at that address", "the answer is of %q, not of %s", oneLine(q.Get("iss")), w.issuer)}
	case q.Get("error") != "":
		a = answered{err: fail(ExitRefused, "run the command again to be asked again", "the server refused: %s", oneLine(q.Get("error")+" "+q.Get("error_description")))}
	case a.code == "":
		a = answered{err: fail(ExitFailed, "try again", "the answer has no code")}
	}
	if a.err != nil {
		note(out, http.StatusOK, "That did not work; the terminal says why. You can close this window.")
	} else {
		note(out, http.StatusOK, "Done. You can close this window and go back to the terminal.")
	}
	select {
	case w.got <- a:
	default: // one answer counts
	}
}

// note is a page of one sentence that runs and loads nothing, and is not kept: the
// code stands in its address.
func note(out http.ResponseWriter, status int, text string) {
	h := out.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	out.WriteHeader(status)
	_, _ = io.WriteString(out, "<!doctype html><html lang=\"en\"><title>Jeton</title><h1>"+text+"</h1></html>\n")
}

// check compares what an ID token says with what was asked (OpenID Connect Core
// §3.1.3.7); it came straight from the token endpoint, so its signature need not be
// looked at (point 6).
func (w *waiting) check(token, client string) error {
	if token == "" { // openid was not asked for
		return nil
	}
	t, err := jose.Parse(token)
	if err != nil {
		return fail(ExitFailed, "add --trace to see it", "the ID token cannot be read: %v", err)
	}
	for name, want := range map[string]string{"iss": w.issuer, "aud": client, "nonce": w.nonce} {
		if got, _ := t.Claims.Text(name); got != want {
			return fail(ExitFailed, "try again", "the ID token's %s is %q, not %q", name, oneLine(got), want)
		}
	}
	return nil
}
