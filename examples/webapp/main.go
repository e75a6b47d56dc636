// Command webapp is a web application that signs people in: the whole of it.
// docs/quickstart/web-app.md goes through it.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

func main() {
	listen := cmp.Or(os.Getenv("LISTEN"), "127.0.0.1:8421")
	provider, err := oidc.NewProvider(context.Background(), cmp.Or(os.Getenv("ISSUER"), "http://127.0.0.1:8420"))
	if err != nil {
		log.Fatal(err)
	}
	config := oauth2.Config{
		ClientID: cmp.Or(os.Getenv("CLIENT_ID"), "portal"), ClientSecret: cmp.Or(os.Getenv("CLIENT_SECRET"), "demo-portal-secret"),
		Endpoint: provider.Endpoint(), RedirectURL: "http://" + listen + "/callback", Scopes: []string{"openid", "profile", "email"},
	}
	verifier := provider.Verifier(&oidc.Config{ClientID: config.ClientID})

	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		// What belongs to this sign-in stays in this browser: state against forged
		// answers, nonce against another's ID token, the PKCE verifier against a stolen code.
		state, nonce, pkce := oauth2.GenerateVerifier(), oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
		for name, value := range map[string]string{"state": state, "nonce": nonce, "pkce": pkce} {
			http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/callback", MaxAge: 600, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		}
		http.Redirect(w, r, config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(pkce)), http.StatusSeeOther)
	})
	http.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		cookie := func(name string) string {
			if c, err := r.Cookie(name); err == nil {
				return c.Value
			}
			return ""
		}
		if state := r.FormValue("state"); state == "" || state != cookie("state") || r.FormValue("error") != "" {
			http.Error(w, "not signed in: "+r.FormValue("error"), http.StatusForbidden)
			return
		}
		token, err := config.Exchange(r.Context(), r.FormValue("code"), oauth2.VerifierOption(cookie("pkce")))
		if err != nil {
			http.Error(w, "the code was not taken: "+err.Error(), http.StatusBadGateway)
			return
		}
		raw, _ := token.Extra("id_token").(string)
		id, err := verifier.Verify(r.Context(), raw)
		if err != nil || id.Nonce != cookie("nonce") {
			http.Error(w, "not the ID token that was asked for", http.StatusBadGateway)
			return
		}
		person, err := provider.UserInfo(r.Context(), config.TokenSource(r.Context(), token))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		// A real application begins a session of its own here and redirects, so that
		// nobody reloads this page: a code counts once.
		fmt.Fprintf(w, "Hello %s, you are number %s.\n", person.Email, id.Subject)
	})
	s := http.Server{Addr: listen, ReadHeaderTimeout: 10 * time.Second}
	log.Printf("open http://%s", listen)
	log.Fatal(s.ListenAndServe())
}
