// Package browser_test walks through the pages with a real browser: every page in
// light and dark, on a desk and on a small phone, with scripts and without. What a
// visitor finds wrong on the way fails the test.
package browser_test

import (
	"cmp"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"jeton/internal/servertest"
)

func TestTheFirstAdministratorIsMadeInABrowser(t *testing.T) {
	base, link := serve(t)
	r := walk(t, "setup", base, map[string]any{"link": link, "password": "correct horse battery"})
	if n := len(r.of("step")); n != 8*7+1 {
		t.Errorf("%d pages were looked at", n)
	}
	for _, m := range r.of("measure") {
		if m.Usable > 2000 || m.Painted < 0 || m.Bytes > 30_000 || m.Requests > 4 {
			t.Errorf("%s on a slow phone: usable after %d ms, %d bytes in %d requests", m.Page, m.Usable, m.Bytes, m.Requests)
		}
	}
}

func TestADemoSaysSoInABrowser(t *testing.T) {
	walk(t, "demo", site(t, servertest.Options{}), nil)
}

func TestAPersonSignsInAndAllowsAClient(t *testing.T) {
	walk(t, "signin", site(t, servertest.Options{World: world("")}), nil)
}

func TestAClientMayDemandMoreOfASignIn(t *testing.T) {
	walk(t, "asks", site(t, servertest.Options{World: world("")}), nil)
}

func TestARequestThatCannotBeFollowedIsExplained(t *testing.T) {
	walk(t, "errors", site(t, servertest.Options{World: world("")}), nil)
}

func TestAPersonLooksAfterTheirAccount(t *testing.T) {
	walk(t, "account", site(t, servertest.Options{World: world("")}, members(t)), map[string]any{"keys": map[string]string{
		"good": string(servertest.PublicPEM("browser")), "private": string(servertest.PrivatePEM("browser")), "weak": weak,
	}})
}

func TestAClientSignsAPersonOut(t *testing.T) {
	party, socket := door(t)
	walk(t, "logout", site(t, servertest.Options{World: world(party)}), map[string]any{"door": 3}, socket)
}

func TestAnOrganizationLooksLikeItself(t *testing.T) {
	walk(t, "brand", site(t, servertest.Options{World: world("")}), nil)
}

func TestTheWholeWayIsThereInFrench(t *testing.T) {
	b, err := os.ReadFile("../../internal/page/catalogue/fr.json")
	if err != nil {
		t.Fatal(err)
	}
	walk(t, "french", site(t, servertest.Options{World: world("")}), map[string]any{"texts": json.RawMessage(b)})
}

func TestTheKeyboardIsEnough(t *testing.T) {
	walk(t, "keyboard", site(t, servertest.Options{World: world("")}), nil)
}

// The best of three: a machine that is busy with something else says nothing about
// the page.
func TestTheSignInPageIsThereWithinASecondOnASlowPhone(t *testing.T) {
	all := walk(t, "speed", site(t, servertest.Options{World: world("")}), nil).of("measure")
	best := slices.MinFunc(all, func(a, b line) int { return cmp.Compare(a.Usable, b.Usable) })
	if len(all) < 3 || best.Usable >= 1000 || best.Painted < 0 {
		t.Errorf("of %d measured at best usable after %d ms", len(all), best.Usable)
	}
	for _, m := range all {
		if m.Bytes >= 30_000 || m.Requests > 4 {
			t.Errorf("%d bytes in %d requests", m.Bytes, m.Requests)
		}
	}
}

// The journey goes to pages with one fault each: a harness that finds nothing there
// finds nothing anywhere.
func TestEveryFaultOfAPageIsFound(t *testing.T) {
	r := start(t, "bad", "", nil)
	type fault struct{ page, rule, text string }
	always := []fault{
		{"styled", "csp", "style-src"},
		{"image", "axe", "image-alt"},
		{"wide", "sideways", "px of page in"},
		{"host", "host", "http://127.0.0.2:8420"},
		{"missing", "status", "404"},
		{"missing", "demand", "nobody sees"},
	}
	scripted := []fault{
		{"inline", "csp", "script-src"},
		{"markup", "csp", "require-trusted-types-for"},
		{"broken", "script", "an error nobody caught"},
		{"broken", "console", "an error on the console"},
	}
	plain := append(slices.Clone(always), fault{"noscript", "axe", "image-alt"})
	for cell, want := range map[string][]fault{
		"light-1280": slices.Concat(always, scripted), "light-320": slices.Concat(always, scripted),
		"light-1280-noscript": plain, "light-320-noscript": plain,
		"dark-320-noscript": {{"party-called", "demand", `{"method":"GET","path":"/callback","query":{"code":"a&b","state":"s"}}`}},
	} {
		for _, f := range want {
			if !slices.ContainsFunc(r.of("finding"), func(l line) bool {
				return l.Cell == cell && l.Page == f.page && l.Rule == f.rule && strings.Contains(l.Text, f.text)
			}) {
				t.Errorf("%s: %s was not found on the page %s", cell, f.rule, f.page)
			}
		}
	}
	for _, l := range r.of("finding") {
		if slices.Contains([]string{"good", "party", "party-link", "silent"}, l.Page) {
			t.Errorf("found on a page without a fault: %s", l)
		}
	}
	if !slices.ContainsFunc(r.of("finding"), func(l line) bool { return l.Rule == "error" && strings.Contains(l.Text, "Timeout") }) {
		t.Error("a button that leads nowhere is not a finding")
	}
	if m := r.of("measure"); len(m) != 1 || m[0].Usable < 300 || m[0].Requests < 2 || m[0].Bytes < 500 {
		t.Errorf("measured: %+v; two requests after each other take two round trips of 150 ms", m)
	}
}

func TestAJourneyThatEndsEarlyIsNotAReport(t *testing.T) {
	for output, want := range map[string]string{
		`{"kind":"step","page":"home"}`: "no end",
		`{"kind":"end"}`:                "no page was looked at",
		"not a report":                  "not a report",
		`{"kind":"step","page":"home"}` + "\n" + `{"kind":"finding","rule":"csp","text":"x"}` + "\n" + `{"kind":"end"}`: "",
	} {
		_, err := parse([]byte(output))
		if got := ""; err != nil && want == "" || err == nil && want != "" || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v%s, want %q", output, err, got, want)
		}
	}
}
