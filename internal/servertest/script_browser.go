package servertest

import (
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// answers are the parameters of a client's answer that signin saves, each under its
// own name.
var answers = []string{"code", "state", "error", "error_description", "iss"}

// signin [-deny] [-new] [-redirect] USER PASSWORD PATH
//
// Opens PATH in the script's browser, signs in and allows where a page asks for it,
// and saves what the client gets in $code, $state, $error, $error_description and
// $iss, each "" when it was not sent. $location, and the file of that name, is the
// URL the browser left for, "" = none; $status and $trail are the statuses of the
// last answer and of all of them. With "!" the browser must stay on a page. The last
// page can be read as "reply"; header and explain speak of it.
//
// The browser keeps its cookies for the whole script; -new begins with another one.
// -deny says no where a page asks; -redirect logs where the browser left for.
func cmdSignIn(ts *testscript.TestScript, neg bool, args []string) {
	st := values(ts)
	decision, show := "allow", false
	for ; len(args) > 0 && strings.HasPrefix(args[0], "-"); args = args[1:] {
		switch args[0] {
		case "-deny":
			decision = "deny"
		case "-new":
			st.browser = nil
		case "-redirect":
			show = true
		default:
			ts.Fatalf("signin: unknown flag %s", args[0])
		}
	}
	if len(args) != 3 {
		ts.Fatalf("usage: signin [-deny] [-new] [-redirect] USER PASSWORD PATH")
	}
	if st.browser == nil {
		st.browser = st.server.Browser(scriptTB{ts})
	}
	b := st.browser
	b.T = scriptTB{ts}
	trail := b.walk(args[0], args[1], args[2], decision)
	st.body, st.reply = []byte(b.Page), &http.Response{StatusCode: b.Status, Header: b.Header}
	ts.Check(os.WriteFile(ts.MkAbs("reply"), st.body, 0o600))
	ts.Setenv("status", strings.Fields(trail[len(trail)-1])[0])
	ts.Setenv("trail", statuses(trail))
	left := b.returned()
	if left == neg {
		ts.Fatalf("back at the client: %v\n%s\n%s", left, strings.Join(trail, "\n"), b.Page)
	}
	var got url.Values
	location := ""
	if left {
		got = b.Answer()
	}
	if b.Left != nil {
		location = b.Left.String()
	}
	for _, name := range answers {
		ts.Setenv(name, got.Get(name))
	}
	ts.Setenv("location", location)
	ts.Check(os.WriteFile(ts.MkAbs("location"), []byte(location+"\n"), 0o600))
	if show {
		ts.Logf("%s", location)
	}
}

// walk opens a path and does what the pages ask for, each page once; it gives every
// answer on the way.
func (b *Browser) walk(name, password, path, decision string) (trail []string) {
	b.T.Helper()
	b.Open(path)
	trail = append(trail, b.Trail...)
	for _, page := range []struct {
		action string
		fields []string
	}{
		{"/login", []string{"name", name, "password", password}},
		{"/consent", []string{"decision", decision}},
	} {
		if !b.Asks(page.action) {
			continue
		}
		b.Submit(page.action, page.fields...)
		trail = append(trail, b.Trail...)
	}
	return trail
}

// Asks reports whether the page that is shown has a form whose action ends so.
func (b *Browser) Asks(action string) bool {
	for _, m := range formTag.FindAllStringSubmatch(b.Page, -1) {
		if strings.HasSuffix(attrs(m[1])["action"], action) {
			return true
		}
	}
	return false
}

// returned reports whether the client got its answer, by redirect or by a form.
func (b *Browser) returned() bool {
	if b.Left != nil {
		return true
	}
	for _, m := range formTag.FindAllStringSubmatch(b.Page, -1) {
		to := attrs(m[1])["action"]
		if _, ours := b.local(to); !ours && to != "" {
			return true
		}
	}
	return false
}

// statuses is the trail's statuses alone, "303 200".
func statuses(trail []string) string {
	list := make([]string, len(trail))
	for i, at := range trail {
		list[i], _, _ = strings.Cut(at, " ")
	}
	return strings.Join(list, " ")
}
