package web

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/http"

	"jeton/internal/audit"
	"jeton/internal/dialect"
	"jeton/internal/identity"
	"jeton/internal/oauth"
	"jeton/internal/page"
)

// places are the pages of the account by their short names. Wherever a request says
// which page comes next, it says one of these names: an address is never read from it.
var places = map[string]string{
	"overview": "/account",
	"profile":  "/account/profile",
	"password": "/account/password",
	"sessions": "/account/sessions",
	"clients":  "/account/clients",
	"keys":     "/account/keys",
	"activity": "/account/activity",
}

// mountAccount adds the pages of a person's own account.
func (f *Face) mountAccount(m *dialect.Mux) {
	for _, route := range []struct {
		method, place, below string
		handle               func(*visit) (dialect.Reply, error)
	}{
		{"GET", "overview", "", f.overview},
		{"GET", "profile", "", f.profile},
		{"POST", "profile", "", f.saveProfile},
		{"GET", "password", "", f.password},
		{"POST", "password", "", f.savePassword},
		{"GET", "sessions", "", f.sessions},
		{"POST", "sessions", "/end", f.endSession},
		{"GET", "clients", "", f.clients},
		{"GET", "clients", "/remove", f.confirmRemoval},
		{"POST", "clients", "/remove", f.removeClient},
		{"GET", "keys", "", f.keys},
		{"POST", "keys", "/add", f.addKey},
		{"GET", "keys", "/remove", f.confirmKey},
		{"POST", "keys", "/remove", f.removeKey},
		{"GET", "activity", "", f.activity},
	} {
		open := f.shown
		if route.method == http.MethodPost {
			open = f.changed
		}
		m.Handle(route.method, places[route.place]+route.below, f.member(route.place, open, route.handle))
	}
}

// member is a handler for the one who is signed in. Anybody else signs in first and
// comes back to the page; so does who has a password to change.
func (f *Face) member(place string, open func(*dialect.Request) (*visit, error), handle func(*visit) (dialect.Reply, error)) dialect.Handler {
	return func(r *dialect.Request) (dialect.Reply, error) {
		v, err := open(r)
		if err != nil {
			return dialect.Reply{}, err
		}
		switch {
		case v.user == nil:
			return v.see(v.Site + "/login?r=" + place), nil
		case v.user.PasswordDue:
			return v.see(v.Site + "/login/password?r=" + place), nil
		}
		// The session's look-up gives no more of a person than pages on the way to a token
		// need.
		if v.user, err = f.Core.Admin.User(r.Context(), r.Org.ID, v.user.ID); err != nil {
			return dialect.Reply{}, err
		}
		v.place = place
		return handle(v)
	}
}

// shown opens a page of the account.
func (f *Face) shown(r *dialect.Request) (*visit, error) {
	v := &visit{Request: r}
	return v, f.identify(v)
}

// changed opens a form of a page of the account. What it changes is done by the
// person: nothing in the form says whose account it is.
func (f *Face) changed(r *dialect.Request) (*visit, error) {
	v, err := f.posted(r)
	if err == nil && v.user != nil {
		v.acts()
	}
	return v, err
}

// acts notes who makes the change: the person themselves, and of which realm.
func (v *visit) acts() {
	if rec := v.Audit(); rec != nil {
		rec.Actor = audit.Clean(v.user.Name)
		rec.Pass("user", accountOf(v.user))
	}
}

func accountOf(u *identity.User) string { return identity.AccountKey(u.Org, u.Realm, u.Canon) }

// home is where a browser goes when no client waits for it.
func (v *visit) home() string {
	return cmp.Or(places[v.to], places[v.fields.Text("current")], places["overview"])
}

// signInHere is the sign-in page of somebody no client waits for. With "again" who is
// signed in proves once more who they are.
func (f *Face) signInHere(v *visit) (dialect.Reply, error) {
	q, err := v.Query()
	if err != nil {
		return dialect.Reply{}, err
	}
	if v.user == nil {
		return f.draw(v, http.StatusOK, f.signInPage(v, "", ""))
	}
	if !q.Has("again") || v.fresh(f.Core.Now()) {
		return v.see(v.Site + v.home()), nil
	}
	x := f.signInPage(v, v.user.Name, v.user.Realm)
	x.Problem = page.Note{Kind: "info", Key: "signin.confirm"}
	return f.draw(v, http.StatusOK, x)
}

// again sends somebody whose sign-in is not fresh to prove who they are, and back.
func (v *visit) again() dialect.Reply { return v.see(v.Site + "/login?r=" + v.place + "&again=1") }

// present draws a page of the account.
func (f *Face) present(v *visit, view any) (dialect.Reply, error) {
	return f.presentIn(v, http.StatusOK, view)
}

func (f *Face) presentIn(v *visit, status int, view any) (dialect.Reply, error) {
	x := f.frame(v)
	x.Current = v.place
	return f.drawIn(v, status, x, view)
}

// rejected draws the form again that was not good enough; the record says so.
func (f *Face) rejected(v *visit, view any, why *oauth.Error) (dialect.Reply, error) {
	reply, err := f.presentIn(v, http.StatusUnprocessableEntity, view)
	reply.Refused = why
	return reply, err
}

// message is what the next page says of the change that was made: a text of the
// catalogue and what it speaks of.
type message struct {
	Key   string
	Name  string `json:",omitempty"`
	Count int    `json:",omitempty"`
	User  int64
	Until int64 // unix seconds
}

// Messages travel in a cookie only this server can read or write, for this browser
// and person alone: an address that says something happened could be a lie.
const (
	messageLabel = "account message"
	messageLife  = 60 // seconds
)

func messageCookie(secure bool) string {
	if secure {
		return "__Host-jeton-note"
	}
	return "jeton-note"
}

// done answers a change with a 303 to a page that says so.
func (f *Face) done(v *visit, place string, m message) (dialect.Reply, error) {
	m.User, m.Until = v.user.ID, f.Core.Now().Unix()+messageLife
	plain, err := json.Marshal(m)
	if err != nil {
		return dialect.Reply{}, err
	}
	sealed := f.Core.Vault.Seal(messageLabel, plain, []byte(v.browser))
	v.cookies = append(v.cookies, v.messageCookie(base64.RawURLEncoding.EncodeToString(sealed), messageLife))
	return v.see(v.Site + places[place]), nil
}

func (v *visit) messageCookie(value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: messageCookie(v.Secure), Value: value, Path: "/", MaxAge: age,
		Secure: v.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// note is the message for this page, once; what is not ours says nothing.
func (f *Face) note(v *visit) page.Note {
	c, err := v.Cookie(messageCookie(v.Secure))
	if err != nil {
		return page.Note{}
	}
	v.cookies = append(v.cookies, v.messageCookie("", -1))
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(c.Value)
	if err != nil {
		return page.Note{}
	}
	plain, err := f.Core.Vault.Unseal(messageLabel, sealed, []byte(v.browser))
	var m message
	if err != nil || json.Unmarshal(plain, &m) != nil || m.User != v.user.ID || m.Until < f.Core.Now().Unix() {
		return page.Note{}
	}
	n := page.Note{Kind: "ok", Key: m.Key, Args: []any{m.Count}}
	if m.Name != "" {
		n.Args = []any{m.Name}
	}
	return n
}
