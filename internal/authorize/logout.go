package authorize

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"

	"jeton/internal/audit"
	"jeton/internal/oauth"
	"jeton/internal/session"
)

// Logout is a client's wish that a person be signed out (OpenID Connect
// RP-Initiated Logout §2). It travels sealed with the browser.
type Logout struct {
	Org      string `json:"o"`
	Dialect  string `json:"d"`
	Client   string `json:"c,omitempty"` // "" = unknown
	Redirect string `json:"r,omitempty"` // where to go afterwards, registered; "" = nowhere
	State    string `json:"s,omitempty"`
	Session  string `json:"i,omitempty"` // sid of the ID token that was sent as a hint
	User     int64  `json:"u,omitempty"` // its sub
	Locales  string `json:"l,omitempty"`
	Created  int64  `json:"t"`
}

// Hinted is what an ID token sent as a hint says.
type Hinted struct {
	Client  string
	Session string
	User    int64
}

// BeginLogout judges a wish. Nobody is sent to a URI that its client has not
// registered, and none is believed to be a client's without an ID token that it was
// given; what is wrong is for a page.
func (s *Service) BeginLogout(ctx context.Context, l Logout, hint *Hinted) (Logout, error) {
	rec := audit.From(ctx)
	rec.Name("logout")
	if len(l.State)+len(l.Locales) > maxValue {
		return l, badValue("state", "state is too long")
	}
	if hint != nil {
		if l.Client != "" && l.Client != hint.Client {
			rec.Fail("client_id", hint.Client, l.Client, "send the client_id the ID token was given to")
			return l, badValue("client_id", "client_id is not that of the id_token_hint")
		}
		l.Client, l.Session, l.User = hint.Client, hint.Session, hint.User
	}
	if l.Redirect != "" {
		if hint == nil {
			rec.Fail("post_logout_redirect_uri", "with id_token_hint", "without", "send id_token_hint")
			return l, badValue("id_token_hint", "post_logout_redirect_uri needs id_token_hint")
		}
		c, ok := s.Clients.Client(l.Org, l.Client)
		if !ok || !c.Enabled || c.Dialect != l.Dialect || !slices.Contains(c.PostLogoutURIs, l.Redirect) {
			rec.Fail("post_logout_redirect_uri", "one that is registered, byte for byte", l.Redirect, "jeton client set "+l.Client+" post_logout_redirect_uris+=URI")
			return l, oauth.Refuse(oauth.BadRedirect, "post_logout_redirect_uri is not registered")
		}
	}
	l.Created = s.Now().UnixMilli()
	rec.Name("") // nothing has happened yet, and anybody can ask: the session's end is the event
	return l, nil
}

const logoutLabel = "logout request"

// SealLogout hides a wish for the way.
func (s *Service) SealLogout(l Logout) string {
	b, err := json.Marshal(l)
	if err != nil { // of texts and numbers: it never does
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(s.Seal.Seal(logoutLabel, b, []byte(l.Org)))
}

// OpenLogout reads a sealed wish; StalePage stands for one that is too old or none.
func (s *Service) OpenLogout(org, sealed string) (Logout, error) {
	var l Logout
	b, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || len(sealed) > maxSealed {
		return l, oauth.Refuse(oauth.StalePage, "")
	}
	plain, err := s.Seal.Unseal(logoutLabel, b, []byte(org))
	if err != nil || json.Unmarshal(plain, &l) != nil || s.Now().UnixMilli()-l.Created > int64(Life/time.Millisecond) {
		return Logout{}, oauth.Refuse(oauth.StalePage, "")
	}
	return l, nil
}

// Sure reports whether the wish is certainly about this session, so that nobody
// need be asked: a picture on another site cannot sign a person out.
func (l Logout) Sure(at *session.Session) bool {
	return at != nil && ((l.Session != "" && l.Session == at.ID) || (l.Session == "" && l.User != 0 && l.User == at.User))
}

// Answer is where the browser goes afterwards; Redirect "" = nowhere.
func (l Logout) Answer() Answer {
	a := Answer{Redirect: l.Redirect}
	if l.State != "" {
		a.Params = [][2]string{{"state", l.State}}
	}
	return a
}
