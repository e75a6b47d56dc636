package web

import (
	"cmp"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"jeton/internal/dialect"
	"jeton/internal/identity"
	"jeton/internal/identity/saml"
	"jeton/internal/oauth"
	"jeton/internal/page"
)

// overview is the account's first page.
func (f *Face) overview(v *visit) (dialect.Reply, error) {
	open, err := f.Core.Admin.SessionsOf(v.Context(), v.user)
	if err != nil {
		return dialect.Reply{}, err
	}
	allowed, err := f.Core.Admin.Consents(v.Context(), v.user)
	if err != nil {
		return dialect.Reply{}, err
	}
	x := page.Overview{
		Name: displayName(v.user), Mail: v.user.Email, Sessions: len(open), Clients: len(allowed), Keys: len(v.user.Keys), Note: f.note(v),
	}
	if v.user.Created != 0 {
		x.Since = time.Unix(v.user.Created, 0)
	}
	return f.present(v, x)
}

// detail is one line of the profile that people change by themselves. These are all
// there are: whatever else a form holds is not looked at.
type detail struct {
	name, auto string
	read       func(*identity.User) string
	write      func(*identity.User, string)
	// check gives the value as it is kept, and the text of what is wrong with it.
	check func(string) (kept, wrong string)
}

var details = []detail{
	{"given_name", "given-name", func(u *identity.User) string { return u.GivenName }, func(u *identity.User, s string) { u.GivenName = s }, checkText},
	{"family_name", "family-name", func(u *identity.User) string { return u.FamilyName }, func(u *identity.User, s string) { u.FamilyName = s }, checkText},
	{"display_name", "nickname", func(u *identity.User) string { return u.DisplayName }, func(u *identity.User, s string) { u.DisplayName = s }, checkText},
	{"email", "email", func(u *identity.User) string { return u.Email }, setMail, checkMail},
	{"phone", "tel", attribute("phone_number"), setPhone, checkPhone},
	{"locale", "language", attribute("locale"), func(u *identity.User, s string) { setAttribute(u, "locale", s) }, checkLocale},
}

// attribute reads an attribute that is a text.
func attribute(name string) func(*identity.User) string {
	return func(u *identity.User) string {
		s, _ := u.Attr[name].(string)
		return s
	}
}

// setAttribute changes a copy: users that were read may share their attributes.
func setAttribute(u *identity.User, name string, value any) {
	attr := maps.Clone(u.Attr)
	if attr == nil {
		attr = map[string]any{}
	}
	if value == nil || value == "" {
		delete(attr, name)
	} else {
		attr[name] = value
	}
	u.Attr = attr
}

// setMail: what people say of themselves nobody has verified (OpenID Connect Core
// §5.1). Another spelling of the same address is the same address.
func setMail(u *identity.User, s string) {
	canon, _ := identity.CanonicalMail(s)
	u.Email = s
	if canon == u.Mail {
		return
	}
	setAttribute(u, "email_verified", nil)
	if s != "" {
		setAttribute(u, "email_verified", false)
	}
}

func setPhone(u *identity.User, s string) {
	setAttribute(u, "phone_number", s)
	setAttribute(u, "phone_number_verified", nil)
	if s != "" {
		setAttribute(u, "phone_number_verified", false)
	}
}

const maxDetail = 254 // characters, as on the page

func checkText(s string) (string, string) {
	switch {
	case utf8.RuneCountInString(s) > maxDetail:
		return s, "profile.wrong.long"
	case strings.ContainsFunc(s, func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }): // control characters, and those that turn the reading direction
		return s, "profile.wrong.value"
	}
	return s, ""
}

func checkMail(s string) (string, string) {
	if s == "" {
		return s, ""
	}
	if utf8.RuneCountInString(s) > maxDetail {
		return s, "profile.wrong.long"
	}
	if _, err := identity.CanonicalMail(s); err != nil {
		return s, "profile.wrong.email"
	}
	return checkText(s)
}

var (
	phoneSigns = strings.NewReplacer(" ", "", "-", "", ".", "", "(", "", ")", "", "/", "")
	phoneForm  = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)                    // ITU-T E.164
	localeForm = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,4}$`) // RFC 5646 §2.1
)

func checkPhone(s string) (string, string) {
	kept := phoneSigns.Replace(s)
	if kept != "" && !phoneForm.MatchString(kept) {
		return s, "profile.wrong.phone"
	}
	return kept, ""
}

func checkLocale(s string) (string, string) {
	if s != "" && !localeForm.MatchString(s) {
		return s, "profile.wrong.value"
	}
	return s, ""
}

// origin is who manages a person's details, "" when they do it themselves: the identity
// provider they come from, or the organization, in a file.
func (f *Face) origin(v *visit) string {
	if v.user.Source == "" {
		return ""
	}
	for _, p := range v.Org.Providers {
		if v.user.Source == saml.Source(p) {
			return cmp.Or(p.Title, p.Name)
		}
	}
	return brand(v.Org).Name
}

func (f *Face) profile(v *visit) (dialect.Reply, error) {
	x := f.profilePage(v, func(d detail) string { return d.read(v.user) })
	x.Note = f.note(v)
	return f.present(v, x)
}

// profilePage shows values of the details; what nobody changes here is shown too.
func (f *Face) profilePage(v *visit, value func(detail) string) page.Profile {
	x := page.Profile{Source: f.origin(v)}
	x.Fields = append(x.Fields, page.Field{Name: "username", Key: "field.username", Value: v.user.Name, Fixed: true})
	for _, d := range details {
		x.Fields = append(x.Fields, page.Field{Name: d.name, Key: "field." + d.name, Value: value(d), Auto: d.auto, Fixed: x.Source != ""})
	}
	if len(v.Org.Realms) > 1 {
		x.Fields = append(x.Fields, page.Field{Name: "realm", Key: "field.realm", Value: v.user.Realm, Fixed: true})
	}
	if len(v.user.Groups) > 0 {
		x.Fields = append(x.Fields, page.Field{Name: "groups", Key: "field.groups", Value: strings.Join(v.user.Groups, ", "), Fixed: true})
	}
	return x
}

func (f *Face) saveProfile(v *visit) (dialect.Reply, error) {
	v.Audit().Name("user.change")
	if f.origin(v) != "" {
		return dialect.Reply{}, oauth.Refuse(oauth.AccessDenied, "these details are not managed here")
	}
	changes, field, wrong := profileChanges(v)
	if wrong == "" && changes["email"] != nil {
		if !v.fresh(f.Core.Now()) {
			v.Audit().Name("") // nothing happened yet
			return v.again(), nil
		}
		var err error
		if field, wrong, err = f.taken(v); err != nil {
			return dialect.Reply{}, err
		}
	}
	if wrong != "" {
		x := f.profilePage(v, func(d detail) string { return typed(v, d) })
		x.Wrong, x.Problem = field, wrong
		return f.rejected(v, x, &oauth.Error{Code: oauth.InvalidValue, Param: field, Description: "the value cannot be used"})
	}
	if len(changes) == 0 {
		v.Audit().Name("")
		return f.done(v, "profile", message{Key: "profile.saved"})
	}
	_, err := f.Core.Admin.ChangeUser(v.Context(), v.Org.ID, v.user.ID, "user.change", func(u *identity.User) error {
		if u.Source != "" { // came into a file's care meanwhile
			return oauth.Refuse(oauth.AccessDenied, "these details are not managed here")
		}
		for _, change := range changes {
			change(u)
		}
		return nil
	})
	if err != nil {
		return dialect.Reply{}, err
	}
	return f.done(v, "profile", message{Key: "profile.saved"})
}

// typed is what the form says of a detail; one it does not hold stays as it is.
func typed(v *visit, d detail) string {
	if !v.fields.Has(d.name) {
		return d.read(v.user)
	}
	return strings.TrimSpace(v.fields.Text(d.name))
}

// profileChanges are the details the form changes, or the first that cannot be and why.
func profileChanges(v *visit) (changes map[string]func(*identity.User), field, wrong string) {
	changes = map[string]func(*identity.User){}
	for _, d := range details {
		value := typed(v, d)
		if value == d.read(v.user) {
			continue
		}
		kept, wrong := d.check(value)
		if wrong != "" {
			return nil, d.name, wrong
		}
		changes[d.name] = func(u *identity.User) { d.write(u, kept) }
	}
	return changes, "", ""
}

// taken says whether somebody else goes by the address that was typed.
func (f *Face) taken(v *visit) (field, wrong string, err error) {
	mail, err := identity.CanonicalMail(strings.TrimSpace(v.fields.Text("email")))
	if err != nil || mail == v.user.Mail { // none, or another spelling
		return "", "", nil
	}
	taken, err := f.Core.Admin.AddressTaken(v.Context(), v.user, mail)
	if err != nil || !taken {
		return "", "", err
	}
	return "email", "profile.wrong.taken", nil
}

// password is the page to change the password; it has no other use, so who is not
// freshly signed in signs in first.
func (f *Face) password(v *visit) (dialect.Reply, error) {
	if v.user.Password == "" {
		return f.elsewhere(v)
	}
	if !v.fresh(f.Core.Now()) {
		return v.again(), nil
	}
	return f.present(v, page.NewPassword{Minimum: minimum, Problem: f.note(v)})
}

// elsewhere is for who has no password here: their details say where they come from.
func (f *Face) elsewhere(v *visit) (dialect.Reply, error) {
	from := cmp.Or(f.origin(v), brand(v.Org).Name)
	x := f.profilePage(v, func(d detail) string { return d.read(v.user) })
	x.Note = page.Note{Kind: "info", Key: "password.elsewhere", Args: []any{from}}
	v.place = "profile"
	return f.present(v, x)
}

func (f *Face) savePassword(v *visit) (dialect.Reply, error) {
	if v.user.Password == "" {
		return dialect.Reply{}, oauth.Refuse(oauth.AccessDenied, "there is no password here to change")
	}
	if !v.fresh(f.Core.Now()) {
		return v.again(), nil
	}
	open, err := f.Core.Admin.SessionsOf(v.Context(), v.user)
	if err != nil {
		return dialect.Reply{}, err
	}
	field, note, err := f.changePassword(v)
	if err != nil {
		return dialect.Reply{}, err
	}
	if field != "" {
		return f.passwordAgain(v, page.NewPassword{Minimum: minimum, Problem: note, Wrong: field})
	}
	said := message{Key: "password.changed"}
	if len(open) > 1 {
		said.Key = "password.changed.others"
	}
	return f.done(v, "overview", said)
}

// passwordAgain draws the form for a new password again that was not good enough; the
// record says so.
func (f *Face) passwordAgain(v *visit, x page.NewPassword) (dialect.Reply, error) {
	why := &oauth.Error{Code: oauth.InvalidValue, Param: x.Wrong, Description: "the password cannot be used"}
	if x.Problem.Key == "password.wrong.old" {
		why = oauth.AsRefusal(oauth.Refuse(oauth.BadPassword, ""))
	}
	if x.Due {
		reply, err := f.draw(v, http.StatusUnprocessableEntity, x)
		reply.Refused = why
		return reply, err
	}
	return f.rejected(v, x, why)
}
