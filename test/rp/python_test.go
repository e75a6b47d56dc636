package rp_test

import (
	"os/exec"
	"testing"
)

func TestASiteWithAuthlibSignsPeopleInAndOut(t *testing.T) {
	j := serve(t)
	// The system's Python has authlib from its package.
	cmd := exec.Command("/usr/bin/python3", "-B", "app.py", j.URL, "rp", plain)
	cmd.Env = append(cmd.Environ(), "AUTHLIB_INSECURE_TRANSPORT=1")
	app := site(t, cmd)
	j.register(t, "rp", app+"/callback", app+"/bye")
	p := j.person(t, app)

	p.open(app + "/login")
	p.signIn()
	p.allow()
	p.at(app + "/callback")
	first := p.shown()
	first.ada(t, j)
	p.back(app+"/callback", "GET")

	p.open(app + "/refresh")
	second := p.shown()
	second.ada(t, j)
	if second.Token == first.Token || second.Refresh == first.Refresh {
		t.Errorf("refreshed %+v, before %+v", second, first)
	}

	// A browser brings no cookies with a form of another site: the request must go on
	// all the same, and find who is signed in.
	for _, how := range []string{"", "?prompt=none"} {
		p.open(app + "/form" + how)
		p.at(app + "/callback")
		p.shown().ada(t, j)
		if pages := p.ourPages(); len(pages) != 0 {
			t.Errorf("a request by a form showed %q", pages)
		}
	}

	p.open(app + "/logout")
	p.at(app + "/bye")
	if k := p.shown(); !k.SignedOut || k.State != "s" {
		t.Errorf("after signing out: %+v", k)
	}
	p.open(app + "/login?prompt=none")
	if k := p.shown(); k.Error != "login_required" {
		t.Errorf("after signing out: %+v", k)
	}
}
