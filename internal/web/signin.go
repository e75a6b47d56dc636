package web

import (
	"cmp"
	"net/http"
	"strings"
	"time"

	"jeton/internal/authorize"
	"jeton/internal/client"
	"jeton/internal/dialect"
	"jeton/internal/hash"
	"jeton/internal/identity"
	"jeton/internal/oauth"
	"jeton/internal/page"
	"jeton/internal/session"
)

// signIn asks who somebody is.
func (f *Face) signIn(r *dialect.Request) (dialect.Reply, error) {
	v, err := f.open(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	if v.pending == nil {
		return f.signInHere(v)
	}
	if q, err := r.Query(); err == nil && q.Has("switch") {
		v.pending.Again(f.Core.Now())
	}
	d, due, err := f.due(v, authorize.Login)
	if err != nil || !due {
		return f.next(v)
	}
	name := v.pending.LoginHint
	if name == "" && d.Again && v.user != nil {
		name = v.user.Name
	}
	x := f.signInPage(v, name, "")
	if d.Again {
		x.Problem = page.Note{Kind: "info", Key: "signin.again", Args: []any{x.Client}}
	}
	return f.draw(v, http.StatusOK, x)
}

func (f *Face) signInPage(v *visit, name, realm string) page.SignIn {
	x := page.SignIn{Client: f.clientName(v), Name: name, Local: true, Realm: cmp.Or(realm, f.realm(v))}
	for _, r := range v.Org.Realms {
		x.Realms = append(x.Realms, page.Choice{Value: r.Name, Label: cmp.Or(r.Title, r.Name)})
	}
	for _, p := range v.Org.Providers {
		if !p.Disabled {
			x.Sources = append(x.Sources, page.Choice{Value: sitePath(v.Site) + "/login/saml/" + p.Name + "?r=" + f.seal(v), Label: cmp.Or(p.Title, p.Name)})
		}
	}
	return x
}

// realm is whose users sign in when nobody says.
func (f *Face) realm(v *visit) string {
	if v.pending != nil {
		if c, ok := f.Core.Clients.Client(v.Org.ID, v.pending.Client); ok && c.Realm != "" {
			return c.Realm
		}
	}
	return v.Org.DefaultRealm()
}

// submitSignIn checks a name and a password. Whoever proves who they are gets a
// session under a secret this browser has never seen before.
func (f *Face) submitSignIn(r *dialect.Request) (dialect.Reply, error) {
	v, err := f.posted(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	r.Audit().Name("login")
	name, realm, password := strings.TrimSpace(v.fields.Text("name")), v.fields.Text("realm"), v.fields.Text("password")
	wrong := func(field, key string, refused error) (dialect.Reply, error) {
		x := f.signInPage(v, name, realm)
		x.Wrong, x.Problem = field, page.Note{Kind: "danger", Key: key}
		reply, err := f.draw(v, http.StatusUnprocessableEntity, x)
		if refused != nil {
			reply.Refused = oauth.AsRefusal(refused)
		}
		return reply, err
	}
	switch {
	case name == "":
		return wrong("name", "signin.empty.name", oauth.Missing("name"))
	case password == "":
		return wrong("password", "signin.empty.password", oauth.Missing("password"))
	case realm != "" && !offered(v.Org, realm):
		return dialect.Reply{}, oauth.Refuse(oauth.InvalidRequest, "there is no such realm")
	}
	u, err := f.Core.Users.Verify(v.Context(), identity.Attempt{
		Org: v.Org.ID, Realm: realm, DefaultRealm: f.realm(v), Name: name, Mail: true, Password: oauth.Secret(password), Due: true,
		Addr: v.Addr, Dialect: Name,
	})
	if oauth.Is(err, oauth.BadPassword) {
		return wrong("password", "signin.mismatch", err)
	}
	if err != nil {
		return dialect.Reply{}, err
	}
	if err := f.enter(v, u, []string{"pwd"}, "local"); err != nil {
		return dialect.Reply{}, err
	}
	return f.next(v)
}

func offered(o *client.Org, realm string) bool {
	for _, r := range o.Realms {
		if r.Name == realm {
			return true
		}
	}
	return realm == o.DefaultRealm()
}

// enter opens a session for somebody who has just proven who they are.
func (f *Face) enter(v *visit, u *identity.User, amr []string, source string) error {
	old := ""
	if c, err := v.Cookie(session.CookieName(v.Org, v.Secure)); err == nil {
		old = c.Value
	}
	v.Audit().Name("login")
	v.Audit().SetUser(u.Name)
	begun := session.Session{AMR: amr, Source: source, Agent: agent(v.Header.Get("User-Agent")), Addr: v.Addr}
	if !v.proven.IsZero() {
		begun.AuthTime = v.proven.UnixMilli()
	}
	secret, s, err := f.Core.Sessions.Open(v.Context(), v.Org, u, begun, old)
	if err != nil {
		return err
	}
	v.session, v.user = s, u
	v.cookies = append(v.cookies, sessionCookie(v, secret, 0))
	return nil
}

// sessionCookie keeps the session's secret; age < 0 takes it away. It ends with the
// browser: the server's own ends are in its database.
func sessionCookie(v *visit, secret string, age int) *http.Cookie {
	return &http.Cookie{
		Name: session.CookieName(v.Org, v.Secure), Value: secret, Path: "/", MaxAge: age,
		Secure: v.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// accounts asks which account to go on with.
func (f *Face) accounts(r *dialect.Request) (dialect.Reply, error) {
	v, err := f.open(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	_, due, err := f.due(v, authorize.Account)
	if v.pending == nil {
		return dialect.Reply{}, err
	}
	if err != nil || !due {
		return f.next(v)
	}
	return f.draw(v, http.StatusOK, page.Accounts{Client: f.clientName(v), Name: displayName(v.user), Mail: v.user.Email})
}

func (f *Face) pick(r *dialect.Request) (dialect.Reply, error) {
	v, err := f.posted(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	if v.pending == nil {
		return dialect.Reply{}, oauth.Refuse(oauth.StalePage, "")
	}
	if v.fields.Text("choice") == "other" { // at any time: it only asks for more
		v.pending.Again(f.Core.Now())
		return f.next(v)
	}
	if _, due, err := f.due(v, authorize.Account); err != nil || !due {
		return dialect.Reply{}, cmp.Or(err, error(oauth.Refuse(oauth.NotDue, "")))
	}
	v.pending.Pick(v.user.ID)
	return f.next(v)
}

// duePassword asks for a new password that is due.
func (f *Face) duePassword(r *dialect.Request) (dialect.Reply, error) {
	v, err := f.open(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	if v.user == nil || !v.user.PasswordDue {
		return f.next(v)
	}
	return f.draw(v, http.StatusOK, page.NewPassword{Due: true, Minimum: minimum})
}

// minimum is how many characters a password has at least where it is the only proof.
const minimum = identity.MinPassword

func (f *Face) changeDue(r *dialect.Request) (dialect.Reply, error) {
	v, err := f.posted(r)
	if err != nil {
		return dialect.Reply{}, err
	}
	if v.user == nil || !v.user.PasswordDue {
		return dialect.Reply{}, oauth.Refuse(oauth.NotDue, "")
	}
	v.acts()
	field, note, err := f.changePassword(v)
	if err != nil {
		return dialect.Reply{}, err
	}
	if field != "" {
		return f.passwordAgain(v, page.NewPassword{Due: true, Minimum: minimum, Problem: note, Wrong: field})
	}
	return f.next(v)
}

// changePassword changes the password of whoever is signed in, by the fields old,
// new and again. Every other session and every token of theirs ends with it; this
// browser goes on under a new secret. A field's name and a note say what is wrong.
func (f *Face) changePassword(v *visit) (field string, note page.Note, err error) {
	v.Audit().Name("password.change")
	wrong := func(field, key string, args ...any) (string, page.Note, error) {
		return field, page.Note{Kind: "danger", Key: key, Args: args}, nil
	}
	old, fresh, again := v.fields.Text("old"), v.fields.Text("new"), v.fields.Text("again")
	switch {
	case old == "" || fresh == "" || again == "":
		return wrong("old", "password.wrong.empty")
	case fresh != again:
		return wrong("again", "password.wrong.again")
	case fresh == old:
		return wrong("new", "password.wrong.same")
	case len(fresh) > hash.MaxSecret:
		return wrong("new", "password.wrong.long", hash.MaxSecret)
	case len([]rune(fresh)) < minimum:
		return wrong("new", "password.wrong.short", minimum)
	}
	_, err = f.Core.Users.Verify(v.Context(), identity.Attempt{
		Org: v.Org.ID, Realm: v.user.Realm, Name: v.user.Name, Password: oauth.Secret(old), Due: true, Addr: v.Addr, Dialect: Name,
	})
	if oauth.Is(err, oauth.BadPassword) {
		return wrong("old", "password.wrong.old")
	}
	if err != nil {
		return "", page.Note{}, err
	}
	if err := identity.CheckPassword(oauth.Secret(fresh), true, v.user.Name, v.Org.Name, "jeton"); err != nil {
		return wrong("new", passwordKey(oauth.AsRefusal(err).Description))
	}
	if err := f.Core.Admin.ChangePassword(v.Context(), v.user, oauth.Secret(fresh)); err != nil {
		return "", page.Note{}, err
	}
	u, err := f.Core.Users.ByID(v.Context(), v.Org.ID, v.user.ID)
	if err != nil {
		return "", page.Note{}, err
	}
	return "", page.Note{}, f.enter(v, u, v.session.AMR, v.session.Source)
}

// passwordKey is the text for what the rules of passwords say.
func passwordKey(description string) string {
	switch {
	case strings.Contains(description, "common"):
		return "password.wrong.common"
	case strings.Contains(description, "name"):
		return "password.wrong.own"
	}
	return "password.wrong.value"
}

func displayName(u *identity.User) string {
	if u.DisplayName != "" {
		return u.DisplayName
	}
	if u.GivenName != "" {
		return strings.TrimSpace(u.GivenName + " " + u.FamilyName)
	}
	return u.Name
}

// agent shortens a User-Agent to what a person reads in a list: browser and system.
func agent(ua string) string {
	first := func(names ...[2]string) string {
		for _, n := range names {
			if strings.Contains(ua, n[0]) {
				return n[1]
			}
		}
		return ""
	}
	browser := first([2]string{"Edg/", "Edge"}, [2]string{"OPR/", "Opera"}, [2]string{"Firefox/", "Firefox"}, [2]string{"Chrome/", "Chrome"},
		[2]string{"Safari/", "Safari"}, [2]string{"curl/", "curl"})
	system := first([2]string{"Android", "Android"}, [2]string{"iPhone", "iPhone"}, [2]string{"iPad", "iPad"}, [2]string{"Windows", "Windows"},
		[2]string{"Mac OS X", "macOS"}, [2]string{"CrOS", "ChromeOS"}, [2]string{"Linux", "Linux"})
	switch {
	case browser != "" && system != "":
		return browser + ", " + system
	}
	return browser + system
}

// fresh says whether somebody proved who they are a short while ago: changes of the
// account ask for it.
func (v *visit) fresh(now time.Time) bool {
	return v.session != nil && !v.session.Ahead(now) && now.UnixMilli()-v.session.AuthTime < freshFor.Milliseconds()
}

const freshFor = 5 * time.Minute
