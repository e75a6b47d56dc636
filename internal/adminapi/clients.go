package adminapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"jeton/internal/admin"
	"jeton/internal/client"
	"jeton/internal/config"
	"jeton/internal/dialect"
	"jeton/internal/oauth"
)

// Client is a registered client as it is read: members named as in configuration
// files, times in unix seconds, lives in seconds (0 = never ends). What a request
// may not change is below Settings.
type Client struct {
	ID           string   `json:"id"`
	Organization string   `json:"organization"`
	Dialect      string   `json:"dialect"`
	Name         string   `json:"name"`
	Enabled      bool     `json:"enabled"`
	Auth         string   `json:"auth"`
	Keys         []Key    `json:"keys,omitempty"`
	Grants       []string `json:"grants,omitempty"`
	Scopes       []string `json:"scopes,omitempty"`
	DefaultScope []string `json:"default_scope,omitempty"`
	Audiences    []string `json:"audiences,omitempty"`
	RedirectURIs []string `json:"redirect_uris,omitempty"`
	PKCE         string   `json:"pkce,omitempty"`    // absent: required
	Consent      string   `json:"consent,omitempty"` // absent: once
	Own          bool     `json:"own,omitempty"`
	Reviewed     string   `json:"reviewed,omitempty"` // RFC 3339
	HomeURI      string   `json:"client_uri,omitempty"`
	PolicyURI    string   `json:"policy_uri,omitempty"`
	TermsURI     string   `json:"tos_uri,omitempty"`
	InitiateURI  string   `json:"initiate_login_uri,omitempty"`

	PostLogoutURIs []string `json:"post_logout_redirect_uris,omitempty"`
	BackchannelURI string   `json:"backchannel_logout_uri,omitempty"`
	BackchannelSID bool     `json:"backchannel_logout_session_required,omitempty"`
	DefaultMaxAge  *int64   `json:"default_max_age,omitempty"`
	UserinfoAlg    string   `json:"userinfo_signed_response_alg,omitempty"`
	Claims         []Claim  `json:"claims,omitempty"`

	Introspect   bool                       `json:"introspect,omitempty"`
	Resource     string                     `json:"resource,omitempty"`
	AccessToken  *AccessToken               `json:"access_token,omitempty"`
	IDToken      *IDToken                   `json:"id_token,omitempty"`
	RefreshToken *RefreshToken              `json:"refresh_token,omitempty"`
	Realm        string                     `json:"realm,omitempty"`
	Settings     map[string]json.RawMessage `json:"settings,omitempty"`

	Secrets       []Secret `json:"secrets,omitempty"`
	Source        string   `json:"source,omitempty"`
	Created       int64    `json:"created,omitempty"`
	Updated       int64    `json:"updated,omitempty"`
	RevokedBefore int64    `json:"revoked_before,omitempty"` // unix milliseconds
	Version       int64    `json:"version,omitempty"`
}

// AccessToken, IDToken and RefreshToken say how tokens are made where the client
// does not leave it to its dialect.
type AccessToken struct {
	Format string `json:"format,omitempty"`
	Alg    string `json:"alg,omitempty"`
	Life   *int64 `json:"life,omitempty"`
}

// IDToken is the algorithm and life of ID tokens.
type IDToken struct {
	Alg  string `json:"alg,omitempty"`
	Life *int64 `json:"life,omitempty"`
}

// Claim puts an attribute of users into tokens.
type Claim struct {
	Name  string   `json:"name"`
	From  string   `json:"from"`
	Scope string   `json:"scope,omitempty"`
	In    []string `json:"in,omitempty"`
}

// RefreshToken is the life of unused refresh tokens.
type RefreshToken struct {
	Life *int64 `json:"life"`
}

// Key is a registered public key.
type Key struct {
	ID      string `json:"kid,omitempty"`
	PEM     string `json:"pem"`
	Created int64  `json:"created,omitempty"`
}

// Secret is what can be read of a client's secret.
type Secret struct {
	Hint    string `json:"hint,omitempty"` // its last four characters
	Created int64  `json:"created,omitempty"`
	Ends    int64  `json:"ends,omitempty"` // 0 = no end
}

// NewClient answers the creation of a client, and of a secret: the only time the
// secret is shown.
type NewClient struct {
	Client
	Secret string `json:"secret,omitempty"`
}

// readOnly are the members of a Client that requests do not set, and why.
var readOnly = map[string]string{
	"source": "the server sets it", "created": "the server sets it", "updated": "the server sets it",
	"revoked_before": "use the client's revoke", "version": "the server sets it",
}

func viewClient(c *client.Client) Client {
	v := Client{
		ID: c.ID, Organization: c.Org, Dialect: c.Dialect, Name: c.Name, Enabled: c.Enabled, Auth: string(c.Auth),
		Keys: viewKeys(c.Keys), Scopes: c.Scopes, DefaultScope: c.DefaultScope, Audiences: c.Audiences,
		RedirectURIs: c.RedirectURIs, Introspect: c.Introspect, Resource: c.Resource, Realm: c.Realm, Settings: c.Settings,
		Source: c.Source, Created: c.Created, Updated: c.Updated, RevokedBefore: c.RevokedBefore, Version: c.Version,
		PKCE: c.PKCE, Consent: c.Consent, Own: c.Own, Reviewed: rfc3339(c.ReviewedAt),
		HomeURI: c.HomeURI, PolicyURI: c.PolicyURI, TermsURI: c.TermsURI, InitiateURI: c.InitiateURI,
		PostLogoutURIs: c.PostLogoutURIs, BackchannelURI: c.BackchannelURI, BackchannelSID: c.BackchannelSID,
		DefaultMaxAge: c.DefaultMaxAge, UserinfoAlg: c.UserinfoAlg,
	}
	for _, x := range c.Claims {
		v.Claims = append(v.Claims, Claim(x))
	}
	for _, g := range c.Grants {
		v.Grants = append(v.Grants, shortGrant(g))
	}
	if c.AccessFormat != "" || c.AccessAlg != "" || c.AccessLife != nil {
		v.AccessToken = &AccessToken{string(c.AccessFormat), c.AccessAlg, c.AccessLife}
	}
	if c.IDTokenAlg != "" || c.IDTokenLife != nil {
		v.IDToken = &IDToken{c.IDTokenAlg, c.IDTokenLife}
	}
	if c.RefreshLife != nil {
		v.RefreshToken = &RefreshToken{c.RefreshLife}
	}
	for _, s := range c.Secrets {
		v.Secrets = append(v.Secrets, Secret{s.Hint, s.Created, s.Ends})
	}
	return v
}

func viewKeys(in []client.Key) (out []Key) {
	for _, k := range in {
		out = append(out, Key{k.ID, k.PEM, k.Created})
	}
	return out
}

// shortGrant leaves out the urn some grant types are registered under, as
// configuration files do.
func shortGrant(g oauth.GrantType) string {
	text := string(g)
	if strings.HasPrefix(text, "urn:") {
		return text[strings.LastIndexByte(text, ':')+1:]
	}
	return text
}

func pathEscape(s string) string { return url.PathEscape(s) }

func (a *api) listClients(r *dialect.Request) (dialect.Reply, error) {
	p, err := readPage(r, "client")
	if err != nil {
		return dialect.Reply{}, err
	}
	q, err := r.Query()
	if err != nil {
		return dialect.Reply{}, err
	}
	var list []*client.Client
	for _, c := range a.sortedClients(r.Org.ID) {
		if matches(c, q.Text("dialect"), q.Text("grant"), q.Text("q")) {
			list = append(list, c)
		}
	}
	items, more, last := cut(list, p, func(c *client.Client) string { return c.ID })
	views := make([]Client, len(items))
	for i, c := range items {
		views[i] = viewClient(c)
	}
	return reply(r, "client", views, int64(len(list)), more, last), nil
}

// matches: an empty filter asks for nothing.
func matches(c *client.Client, dialect, grant, part string) bool {
	has := func(g oauth.GrantType) bool { return shortGrant(g) == grant || string(g) == grant }
	part = strings.ToLower(part)
	return (dialect == "" || c.Dialect == dialect) &&
		(grant == "" || slices.ContainsFunc(c.Grants, has)) &&
		(strings.Contains(strings.ToLower(c.ID), part) || strings.Contains(strings.ToLower(c.Name), part))
}

func (a *api) getClient(r *dialect.Request) (dialect.Reply, error) {
	c, err := a.core.Admin.Client(r.Org.ID, r.Var("id"))
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.OK(viewClient(c)), nil
}

// notHere are members of a client in configuration files that this route does not
// take.
var notHere = map[string]string{
	"users": "users are listed for a client by a configuration file, or in the client's dialect",
}

// createClient registers a client. One that authenticates with a secret and sends
// none is given one, which the answer shows.
func (a *api) createClient(r *dialect.Request) (dialect.Reply, error) {
	o, err := object(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	if err := a.prepare(r, o, maps.Clone(readOnly), notHere); err != nil {
		return dialect.Reply{}, err
	}
	var text oauth.Secret
	var kept client.Secret
	if needsSecret(o) {
		text, kept = admin.NewSecret(secretPrefix, a.core.Now())
		o["secrets"] = []any{map[string]any{"hash": kept.Hash}}
	}
	w, err := a.load("clients", o)
	if err != nil {
		return dialect.Reply{}, err
	}
	c := w.Clients[0]
	c.Source = ""
	if text != "" {
		c.Secrets = []client.Secret{kept}
	}
	if err := a.hashSecrets(r, &c, w); err != nil {
		return dialect.Reply{}, err
	}
	if err := a.core.Admin.CreateClient(r.Context(), &c); err != nil {
		return dialect.Reply{}, err
	}
	return created(r, c.ID, NewClient{viewClient(&c), text.Reveal()}), nil
}

// secretPrefix lets secret scanners know a client secret.
const secretPrefix = "jts_"

// prepare puts an object into the organization of the request and refuses what a
// request cannot set.
func (a *api) prepare(r *dialect.Request, o map[string]any, refused ...map[string]string) error {
	for _, list := range refused {
		if err := only(o, list); err != nil {
			return err
		}
	}
	if org, sent := o["organization"]; sent && org != r.Org.ID {
		return refuse(oauth.InvalidValue, "/organization", "the organization is that of the request: name it in the query")
	}
	o["organization"] = r.Org.ID
	return nil
}

// needsSecret reports whether a client authenticates with a secret it was not
// given. An assertion as its only grant needs none (RFC 7521 §3.1).
func needsSecret(o map[string]any) bool {
	if _, given := o["secrets"]; given || o["auth"] == string(client.None) || o["auth"] == string(client.PrivateKeyJWT) {
		return false
	}
	grants, _ := o["grants"].([]any)
	return len(grants) == 0 || slices.ContainsFunc(grants, func(g any) bool { return g != "jwt-bearer" && g != "saml2-bearer" })
}

// hashSecrets makes the kept form of secrets that came as values.
func (a *api) hashSecrets(r *dialect.Request, c *client.Client, w *config.World) error {
	for i := range c.Secrets {
		c.Secrets[i].Created = a.core.Now().Unix()
		plain, given := w.Plain[config.SecretKey{Kind: config.ClientSecret, Org: c.Org, Name: c.ID, Index: i}]
		if !given {
			continue
		}
		var err error
		if c.Secrets[i].Hash, err = a.core.Admin.Hasher.Make(r.Context(), plain); err != nil {
			return err
		}
	}
	return nil
}

// editable is a client as a document that a patch is merged into.
func editable(c *client.Client) (map[string]any, error) {
	v := viewClient(c)
	v.Secrets, v.Source, v.Created, v.Updated, v.RevokedBefore, v.Version = nil, "", 0, 0, 0, 0
	for i := range v.Keys {
		v.Keys[i].Created = 0
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("adminapi: write client %s: %w", c.ID, err)
	}
	o, err := decode(b)
	if err != nil {
		return nil, err
	}
	// The checks ask whether a client can authenticate; its secrets are hashes here.
	for _, s := range c.Secrets {
		o["secrets"] = append(asList(o["secrets"]), map[string]any{"hash": s.Hash, "ends": config.Time(s.Ends).String()})
	}
	return o, nil
}

func asList(v any) []any { l, _ := v.([]any); return l }

// changeClient applies a merge patch (RFC 7396).
func (a *api) changeClient(r *dialect.Request) (dialect.Reply, error) {
	patch, err := object(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	refused := maps.Clone(readOnly)
	refused["secrets"] = "secrets have routes of their own: POST and DELETE …/secrets"
	refused["id"] = "a client keeps its id"
	if patch["id"] == r.Var("id") {
		delete(patch, "id")
	}
	if err := a.prepare(r, patch, refused, notHere); err != nil {
		return dialect.Reply{}, err
	}
	c, err := a.core.Admin.ChangeClient(r.Context(), r.Org.ID, r.Var("id"), "client.change", func(c *client.Client) error {
		return a.patch(c, patch)
	})
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.OK(viewClient(c)), nil
}

func (a *api) patch(c *client.Client, patch map[string]any) error {
	o, err := editable(c)
	if err != nil {
		return err
	}
	w, err := a.load("clients", merge(o, patch))
	if err != nil {
		return err
	}
	next := w.Clients[0]
	next.Secrets, next.Source = c.Secrets, c.Source
	next.Created, next.Updated, next.RevokedBefore, next.Version = c.Created, c.Updated, c.RevokedBefore, c.Version
	*c = next
	return nil
}

func (a *api) deleteClient(r *dialect.Request) (dialect.Reply, error) {
	return done(), a.core.Admin.DeleteClient(r.Context(), r.Org.ID, r.Var("id"))
}

func (a *api) enableClient(on bool) dialect.Handler {
	event := map[bool]string{true: "client.enable", false: "client.disable"}[on]
	return func(r *dialect.Request) (dialect.Reply, error) {
		_, err := a.core.Admin.ChangeClient(r.Context(), r.Org.ID, r.Var("id"), event, func(c *client.Client) error {
			c.Enabled = on
			return nil
		})
		return done(), err
	}
}

func (a *api) revokeClient(r *dialect.Request) (dialect.Reply, error) {
	return done(), a.core.Admin.RevokeClient(r.Context(), r.Org.ID, r.Var("id"))
}

// addSecret gives a client a further secret, shown in this answer alone.
func (a *api) addSecret(r *dialect.Request) (dialect.Reply, error) {
	c, err := a.core.Admin.Client(r.Org.ID, r.Var("id"))
	if err != nil {
		return dialect.Reply{}, err
	}
	if c.Public() || c.Auth == client.PrivateKeyJWT {
		return dialect.Reply{}, oauth.Refuse(oauth.Conflict, "a client with auth "+string(c.Auth)+" has no secrets")
	}
	text, err := a.core.Admin.AddSecret(r.Context(), r.Org.ID, c.ID)
	if err != nil {
		return dialect.Reply{}, err
	}
	if c, err = a.core.Admin.Client(r.Org.ID, c.ID); err != nil {
		return dialect.Reply{}, err
	}
	return dialect.Reply{Status: 201, Body: NewClient{viewClient(c), text.Reveal()}}, nil
}

func (a *api) revokeSecret(r *dialect.Request) (dialect.Reply, error) {
	return done(), a.core.Admin.RevokeSecret(r.Context(), r.Org.ID, r.Var("id"), r.Var("secret"))
}

// rfc3339 is a moment as people and documents write it, "" for none.
func rfc3339(unix int64) string {
	if unix == 0 {
		return ""
	}
	return time.Unix(unix, 0).UTC().Format(time.RFC3339)
}
