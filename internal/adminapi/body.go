package adminapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"jeton/internal/audit"
	"jeton/internal/config"
	"jeton/internal/dialect"
	"jeton/internal/identity"
	"jeton/internal/jose"
	"jeton/internal/oauth"
	look "jeton/internal/page"
	"jeton/internal/wire"
)

// object reads the body as a JSON object, its numbers as they were written.
func object(r *dialect.Request) (map[string]any, error) {
	b, err := strict(r)
	if err != nil {
		return nil, err
	}
	return decode(b)
}

// strict is the body, once it is known to be a JSON object without repeated names
// and of bounded depth.
func strict(r *dialect.Request) ([]byte, error) {
	if _, err := r.JSON(); err != nil {
		if e := oauth.AsRefusal(err); e.Param != "" {
			return nil, refuse(e.Code, pointer(e.Param), e.Description)
		}
		return nil, err
	}
	return r.Bytes()
}

func decode(b []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var out map[string]any
	if err := dec.Decode(&out); err != nil {
		return nil, oauth.Refuse(oauth.MalformedBody, "send a JSON object")
	}
	return out, nil
}

// read decodes the body into v, which lists every member there may be.
func read(r *dialect.Request, v any) error {
	b, err := strict(r)
	if err != nil {
		return err
	}
	return into(b, v)
}

func into(b []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	wrong, mistyped := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case err == nil:
		return nil
	case mistyped:
		return refuse(oauth.InvalidValue, pointer(wrong.Field), "a "+wrong.Value+" cannot stand here")
	case strings.HasPrefix(err.Error(), unknownField):
		name := strings.Trim(strings.TrimPrefix(err.Error(), unknownField), `"`)
		return refuse(oauth.InvalidValue, pointer(name), "member "+audit.Clean(name)+" is not known here")
	}
	return oauth.Refuse(oauth.MalformedBody, "send a JSON object")
}

// unknownField begins the error of package json for a member the type lacks; it
// has no type of its own.
const unknownField = "json: unknown field "

// pointer writes a path like keys[0].pem as RFC 6901 does.
func pointer(path string) string {
	if path == "" {
		return ""
	}
	path = strings.NewReplacer("~", "~0", "/", "~1").Replace(path)
	return "/" + strings.NewReplacer("].", "/", "[", "/", "]", "", ".", "/").Replace(path)
}

// merge applies a merge patch (RFC 7396 §2).
func merge(target, patch map[string]any) map[string]any {
	if target == nil {
		target = map[string]any{}
	}
	for name, v := range patch {
		inner, is := v.(map[string]any)
		switch {
		case v == nil:
			delete(target, name)
		case is:
			old, _ := target[name].(map[string]any)
			target[name] = merge(old, inner)
		default:
			target[name] = v
		}
	}
	return target
}

// only refuses members that cannot be sent.
func only(o map[string]any, why map[string]string) error {
	var list []Fault
	for name, text := range why {
		if _, sent := o[name]; sent {
			list = append(list, Fault{"/" + name, text})
		}
	}
	if len(list) > 0 {
		return faulty(list)
	}
	return nil
}

// load reads one object in the form configuration files have, with their checks:
// a rule for clients and users is written once. section is "clients" or "users".
func (a *api) load(section string, o map[string]any) (*config.World, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text) // JSON is YAML, but for the escapes Go writes for HTML
	enc.SetEscapeHTML(false)
	if err := enc.Encode(map[string]any{"version": config.Version, section: []any{o}}); err != nil {
		return nil, fmt.Errorf("adminapi: write the object: %w", err)
	}
	w, problems := config.Load("request", text.Bytes(), a.options())
	if len(problems) > 0 {
		return nil, faulty(faults(problems, section+"[0]"))
	}
	return w, nil
}

// faults words problems of a document as faults of the object at path.
func faults(problems []config.Problem, path string) []Fault {
	list := make([]Fault, len(problems))
	for i, p := range problems {
		at := strings.TrimPrefix(strings.TrimPrefix(p.Path, path), ".")
		text := p.Text
		if p.Next != "" {
			text += "; " + p.Next
		}
		list[i] = Fault{pointer(at), text}
	}
	return list
}

// options are the checks of configuration files against what this server has. It
// follows no reference to a file: that would let callers read the server's.
func (a *api) options() config.Options {
	o := config.Options{
		AllowPlain: true, Dialects: Dialects(a.Faces),
		ReadFile:  func(string) ([]byte, error) { return nil, errNotServed },
		CheckKey:  CheckKey,
		Canonical: identity.Canonical, CheckAccent: look.CheckAccent,
	}
	for _, org := range a.core.Clients.Orgs() {
		o.Existing = append(o.Existing, *org)
	}
	return o
}

// CheckKey refuses a public key that must not be registered.
func CheckKey(text string) error { _, err := jose.ParsePublic(text); return err }

// placement are the settings of an organization every dialect has: by which host
// name or path prefix it is reached.
var placement = []string{"host", "prefix"}

// Dialects is what the checks of configuration files know of the dialects there
// are.
func Dialects(faces []*dialect.Dialect) map[string]config.Dialect {
	out := make(map[string]config.Dialect, len(faces))
	for _, d := range faces {
		c, o := settings(d.Settings), settings(d.OrgSettings)
		c["whitelist_enabled"] = config.Setting{Kind: config.SettingBool} // Admin.Apply sets it for a client with listed users
		for _, name := range placement {
			o[name] = config.Setting{Kind: config.SettingText}
		}
		out[d.Name] = config.Dialect{Client: c, Organization: o, Never: d.Profile.Never, CheckScope: d.CheckScope}
	}
	return out
}

func settings(list []dialect.Setting) map[string]config.Setting {
	out := make(map[string]config.Setting, len(list))
	for _, s := range list {
		out[s.Name] = config.Setting{Kind: config.SettingKind(s.Kind), Choices: s.Choices}
	}
	return out
}

// created answers with a new object and where it is.
func created(r *dialect.Request, id string, body any) dialect.Reply {
	return dialect.Reply{Status: http.StatusCreated, Body: body}.With("Location", r.URL.Path+"/"+pathEscape(id))
}

func done() dialect.Reply { return dialect.Reply{Status: http.StatusNoContent} }

// large reads a body beyond the usual limit.
func large(r *dialect.Request, limit int64) ([]byte, error) {
	if m := r.Media(); m != "application/json" {
		return nil, oauth.Refuse(oauth.UnsupportedMedia, "send application/json")
	}
	return wire.ReadBody(r.Request, limit)
}
