package rp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// goSite is a web site of a few lines over go-oidc and x/oauth2: one person at a time.
type goSite struct {
	config   oauth2.Config
	provider *oidc.Provider
	bye      string

	mu           sync.Mutex
	state, nonce string
	verifier     string
	token        *oauth2.Token
	id           string
}

func (g *goSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var what any
	var err error
	switch r.URL.Path {
	case "/login":
		g.state, g.nonce, g.verifier = oauth2.GenerateVerifier(), oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
		http.Redirect(w, r, g.config.AuthCodeURL(g.state, oidc.Nonce(g.nonce), oauth2.S256ChallengeOption(g.verifier)), http.StatusFound)
		return
	case "/callback":
		what, err = g.finish(r.Context(), r.URL.Query())
	case "/refresh":
		g.token.Expiry = time.Now().Add(-time.Minute) // as if its time had come
		what, err = g.shown(r.Context())
	case "/logout":
		var document struct {
			EndSession string `json:"end_session_endpoint"`
		}
		if err = g.provider.Claims(&document); err == nil {
			http.Redirect(w, r, document.EndSession+"?"+url.Values{"id_token_hint": {g.id}, "post_logout_redirect_uri": {g.bye}}.Encode(), http.StatusFound)
			return
		}
	case "/bye":
		what = known{SignedOut: true}
	default:
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		what = known{Error: err.Error()}
	}
	b, err := json.Marshal(what)
	if err != nil {
		b = []byte(err.Error())
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!doctype html><html lang="en"><head><title>Site</title><link rel="icon" href="data:,"></head><body>%s</body></html>`, html.EscapeString(string(b)))
}

func (g *goSite) finish(ctx context.Context, q url.Values) (any, error) {
	switch {
	case q.Get("error") != "":
		return nil, fmt.Errorf("refused: %s", q.Get("error"))
	case q.Get("state") != g.state || q.Get("iss") != g.config.Endpoint.AuthURL[:strings.Index(g.config.Endpoint.AuthURL, "/oauth2/")]:
		return nil, fmt.Errorf("not the answer to this request: %v", q)
	}
	token, err := g.config.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(g.verifier))
	if err != nil {
		return nil, err
	}
	g.token = token
	return g.shown(ctx)
}

// shown verifies the ID token there is and reads userinfo, refreshing first if it is
// time.
func (g *goSite) shown(ctx context.Context) (any, error) {
	token, err := g.config.TokenSource(ctx, g.token).Token()
	if err != nil {
		return nil, err
	}
	g.token = token
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return nil, fmt.Errorf("no ID token in %v", token)
	}
	g.id = raw
	id, err := g.provider.Verifier(&oidc.Config{ClientID: g.config.ClientID}).Verify(ctx, raw)
	if err != nil {
		return nil, err
	}
	if id.Nonce != g.nonce { // of a refreshed one: none (OpenID Connect Core §12.2)
		return nil, fmt.Errorf("nonce %q, want %q", id.Nonce, g.nonce)
	}
	g.nonce = ""
	if err := id.VerifyAccessToken(token.AccessToken); err != nil { // at_hash
		return nil, err
	}
	var k known
	if err := id.Claims(&k.Claims); err != nil {
		return nil, err
	}
	info, err := g.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return nil, err
	}
	if err := info.Claims(&k.Info); err != nil {
		return nil, err
	}
	k.Token, k.Refresh, k.ID = token.AccessToken, token.RefreshToken, raw
	return k, nil
}

func TestASiteWithGoOIDCSignsPeopleInAndOut(t *testing.T) {
	for name, row := range map[string][]string{
		"RS256, secret in the body": {"auth: client_secret_post"},
		"ES256, userinfo signed":    {"id_token: {alg: ES256}", "userinfo_signed_response_alg: ES256"},
		"EdDSA, opaque, no consent": {"id_token: {alg: EdDSA}", "access_token: {format: opaque}", "own: true", "consent: never"},
	} {
		t.Run(name, func(t *testing.T) {
			j := serve(t)
			g := &goSite{}
			s := httptest.NewServer(g)
			t.Cleanup(s.Close)
			g.bye = s.URL + "/bye"
			j.register(t, "rp", s.URL+"/callback", g.bye, row...)
			var err error
			if g.provider, err = oidc.NewProvider(t.Context(), j.URL); err != nil {
				t.Fatal(err)
			}
			g.config = oauth2.Config{
				ClientID: "rp", ClientSecret: secret, RedirectURL: s.URL + "/callback", Endpoint: g.provider.Endpoint(),
				Scopes: []string{oidc.ScopeOpenID, "profile", "email", "groups"},
			}

			p := j.person(t, s.URL)
			p.open(s.URL + "/login")
			p.signIn()
			if !slices.Contains(row, "consent: never") {
				p.allow()
			}
			p.at(s.URL + "/callback")
			first := p.shown()
			first.ada(t, j)

			p.open(s.URL + "/refresh")
			second := p.shown()
			second.ada(t, j)
			if second.Token == first.Token || second.Refresh == first.Refresh || second.ID == first.ID {
				t.Errorf("refreshed %+v, before %+v", second, first)
			}

			p.open(s.URL + "/logout")
			p.at(s.URL + "/bye")
			if p.open(s.URL + "/refresh"); p.Status != http.StatusBadGateway || !strings.Contains(p.Text, "invalid_grant") {
				t.Errorf("after signing out the site's tokens go on\n%s", p.page)
			}
			p.open(s.URL + "/login")
			p.wants("Sign in", clientName)
		})
	}
}
