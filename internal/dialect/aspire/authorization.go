package aspire

import (
	"encoding/json"
	"fmt"
	"strings"

	"jeton/internal/client"
	"jeton/internal/core"
	"jeton/internal/dialect"
	"jeton/internal/grant"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

// answer is the pair of tokens. RefreshToken is null for a client that is not
// registered for refreshing.
type answer struct {
	Token        string  `json:"Token"`
	RefreshToken *string `json:"RefreshToken"`
}

// credentials is the body of POST /Authorization.
type credentials struct {
	ClientID string
	Secret   oauth.Secret
}

// authenticate logs a client in. A Bearer header that came along is not looked at:
// the vendor's console sends a made-up one.
func (f face) authenticate(r *dialect.Request) (dialect.Reply, error) {
	if badCredentialsStatus(r.Org) == "401" {
		r.Speak(voiceUnauthorized)
	}
	if err := f.limit(r.Org, "login"); err != nil {
		return dialect.Reply{}, err
	}
	body, err := object(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	cred, err := readCredentials(body)
	if err != nil {
		return dialect.Reply{}, err
	}
	return f.token(r, &grant.Request{Client: f.present(r, cred), Grant: grant.ClientCredentials{}})
}

// refresh renews a pair of tokens. The request names no client: its refresh token
// does.
func (f face) refresh(r *dialect.Request) (dialect.Reply, error) {
	if err := f.limit(r.Org, "login"); err != nil {
		return dialect.Reply{}, err
	}
	body, err := object(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	token, err := need(body, "RefreshToken")
	if err != nil {
		return dialect.Reply{}, err
	}
	return f.token(r, &grant.Request{ByToken: true, Grant: &grant.Refresh{Token: token}})
}

func (f face) token(r *dialect.Request, ask *grant.Request) (dialect.Reply, error) {
	ask.Org, ask.Dialect, ask.Issuer, ask.Addr, ask.Profile = r.Org, Name, r.Base, r.Addr, profile(r.Org)
	t, err := f.core.Exchange.Token(r.Context(), ask)
	if err != nil {
		return dialect.Reply{}, err
	}
	a := answer{Token: t.Access}
	if t.Refresh != "" {
		a.RefreshToken = &t.Refresh
	}
	return ok(a), nil
}

// present is how the credentials are shown to the core. Swapped ones would put the
// secret where records keep the client's id, so nothing is shown in its place.
func (f face) present(r *dialect.Request, c credentials) client.Credentials {
	id := c.ClientID
	if _, swapped := f.core.Clients.Client(r.Org.ID, c.Secret.Reveal()); swapped {
		r.Audit().Fail("fields", "the client id in ClientId", "a client id in Secret", "swap ClientId and Secret in the request")
		id = ""
	}
	return client.Credentials{ID: id, Method: client.SecretPost, Secret: c.Secret}
}

func readCredentials(body wire.Object) (credentials, error) {
	id, err := need(body, "ClientId")
	if err != nil {
		return credentials{}, err
	}
	secret, err := need(body, "Secret")
	return credentials{id, oauth.Secret(secret)}, err
}

// need is the text of a member that must be there; null and "" count as absent.
func need(body wire.Object, name string) (string, error) {
	text, _, err := body.Text(name)
	if err == nil && text == "" {
		err = oauth.Missing(name)
	}
	return text, err
}

// object reads a JSON body whose member names have no case. ASP.NET reads JSON by
// these media types.
func object(r *dialect.Request) (wire.Object, error) {
	media := r.Media()
	isJSON := media == "application/json" || media == "text/json" ||
		strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json")
	if !isJSON {
		return wire.Object{}, oauth.Refuse(oauth.UnsupportedMedia, "send application/json")
	}
	b, err := r.Bytes()
	if err != nil {
		return wire.Object{}, err
	}
	return wire.JSONFold(b)
}

// badCredentialsStatus may be written as a number or as text.
func badCredentialsStatus(org *client.Org) json.Number {
	return core.Setting(org, Name, settingStatus, json.Number("404"))
}

// limit counts a request of all API clients of the organization together. Logins
// and calls are counted apart: a stranger who tries secrets must not be able to stop
// those who hold a token.
func (f face) limit(org *client.Org, kind string) error { return limit(f.core, org, kind) }

func limit(c *core.Core, org *client.Org, kind string) error {
	rate := core.Setting(org, Name, settingRate, perMinute)
	if rate <= 0 {
		return nil
	}
	allowed, wait, _ := c.Limits.AllowRate(Name+"/"+kind+"/"+org.ID, rate)
	if allowed {
		return nil
	}
	return &oauth.Error{
		Code: oauth.RateLimited, RetryAfter: wait,
		Description: fmt.Sprintf("The limit is %d requests per minute for all API clients together.", rate),
	}
}
