package page

import (
	"fmt"
	"html/template"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func raw(t *testing.T, lang string) *tongue {
	t.Helper()
	x, err := loadTongue(lang)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// written is a text as its catalogue has it.
func written(parts text) string {
	var b strings.Builder
	for _, p := range parts {
		switch {
		case p.arg < 0:
			b.WriteString(p.words)
		case p.more == "":
			fmt.Fprintf(&b, "{%d}", p.arg)
		default:
			fmt.Fprintf(&b, "{%d|%s|%s}", p.arg, p.one, p.more)
		}
	}
	return b.String()
}

func TestEveryLanguageSaysTheSame(t *testing.T) {
	first := raw(t, Languages[0])
	arguments := func(parts text) []int {
		used := map[int]bool{}
		for _, p := range parts {
			if p.arg >= 0 {
				used[p.arg] = true
			}
		}
		return slices.Sorted(maps.Keys(used))
	}
	for _, lang := range Languages[1:] {
		other := raw(t, lang)
		if diff := cmp.Diff(slices.Sorted(maps.Keys(first.texts)), slices.Sorted(maps.Keys(other.texts))); diff != "" {
			t.Errorf("%s has other texts:\n%s", lang, diff)
		}
		for key, parts := range first.texts {
			if diff := cmp.Diff(arguments(parts), arguments(other.texts[key])); diff != "" {
				t.Errorf("%s, %s speaks of other things:\n%s", lang, key, diff)
			}
		}
		if one[lang] == nil {
			t.Errorf("%s has no rule for one", lang)
		}
	}
}

func TestTextsAreSetAsTheirLanguageSetsThem(t *testing.T) {
	wrong := map[string]*regexp.Regexp{
		"a straight apostrophe":  regexp.MustCompile(`'`),
		"two spaces":             regexp.MustCompile(`  |^ | $`),
		"three dots":             regexp.MustCompile(`\.\.\.`),
		"a straight double mark": regexp.MustCompile(`"`),
	}
	french := map[string]*regexp.Regexp{
		"no narrow space before ? ! ;":   regexp.MustCompile(`[^\x{202f}][?!;]`),
		"no hard space before a colon":   regexp.MustCompile(`[^\x{a0}]:`),
		"no hard space inside of « »":    regexp.MustCompile(`«[^\x{a0}]|[^\x{a0}]»`),
		"a hard space before no sign":    regexp.MustCompile(`\x{202f}[^?!;]|\x{a0}[^:»]`),
		"an English plural left behind":  regexp.MustCompile(`\b(the|your|this)\b`),
		"e-mail written in another form": regexp.MustCompile(`(?i)\bemail\b|courriel`),
	}
	for _, lang := range Languages {
		for key, parts := range raw(t, lang).texts {
			s := written(parts)
			rules := wrong
			if lang == "fr" {
				rules = maps.Clone(wrong)
				maps.Copy(rules, french)
			}
			for what, rule := range rules {
				if rule.MatchString(s) {
					t.Errorf("%s, %s has %s: %s", lang, key, what, s)
				}
			}
		}
	}
}

func TestEveryTextCanBeReached(t *testing.T) {
	s := newSet(t, Options{})
	used := map[string]bool{}
	for _, p := range s.pages[Languages[0]] {
		maps.Copy(used, asked(p))
	}
	for _, key := range chosen {
		used[key] = true
	}
	// By what a handler fills in: notes, problems, fields, scopes, events, confirmations.
	free := []string{"problem.", "confirm.", "activity.", "scope.", "field.", "signin.", "password.", "code.", "consent.", "profile.", "sessions.", "clients.", "keys.", "time.month."}
	for _, key := range CatalogueKeys("") {
		if !used[key] && !slices.ContainsFunc(free, func(p string) bool { return strings.HasPrefix(key, p) }) {
			t.Errorf("nothing says %s", key)
		}
	}
}

func TestEveryProblemAndConfirmationIsComplete(t *testing.T) {
	s := newSet(t, Options{})
	for _, key := range []string{"link", "client", "redirect", "request", "stale", "turn", "csrf", "notfound", "method", "busy", "down", "fault", "denied", "login", "host"} {
		for _, lang := range Languages {
			for _, args := range [][]any{nil, {""}, {"Report Builder"}} {
				page := body(t, draw(t, s, sample{key, 400, Frame{Lang: lang}, Problem{Key: key, Args: args}}))
				if strings.Contains(page, "{0}") || strings.Contains(page, "<h1> ") {
					t.Errorf("%s %s: %s", lang, key, page)
				}
			}
		}
	}
	for key, args := range map[string][]any{"session": {"Chrome"}, "sessions": {1}, "client": {"Report Builder", 1}, "key": {"Laptop"}} {
		draw(t, s, sample{key, 200, Frame{}, Confirm{Key: key, Args: args}})
	}
	for _, kind := range []string{"totp", "sms", "email", "recovery"} {
		draw(t, s, sample{kind, 200, Frame{}, CodeEntry{Kind: kind}})
	}
}

func TestNumbersTakeTheirForm(t *testing.T) {
	for lang, want := range map[string]map[int]string{
		"en": {0: "Wait 0 minutes.", 1: "Wait 1 minute.", 5: "Wait 5 minutes."},
		"fr": {0: "Patientez 0 minute.", 1: "Patientez 1 minute.", 5: "Patientez 5 minutes."},
	} {
		for n, sentence := range want {
			got, err := raw(t, lang).say("signin.pause", n)
			if err != nil || !strings.HasSuffix(got, sentence) {
				t.Errorf("%s %d: %q, %v", lang, n, got, err)
			}
		}
	}
	for _, args := range [][]any{nil, {"five"}} {
		if got, err := raw(t, "en").say("signin.pause", args...); err == nil {
			t.Errorf("%v: %q", args, got)
		}
	}
}

func TestTimesAreToldAsPeopleTellThem(t *testing.T) {
	for lang, rows := range map[string]map[time.Duration]string{
		"en": {-time.Hour: "just now", 30 * time.Second: "just now", 2 * time.Minute: "2 minutes ago", 90 * time.Minute: "1 hour ago", 25 * time.Hour: "1 day ago", 29 * day: "29 days ago", 21 * 24 * time.Hour * 2: "on 11 October 2026"},
		"fr": {30 * time.Second: "à l’instant", 2 * time.Minute: "il y a 2 minutes", 52 * day: "le 1er octobre 2026"},
	} {
		for d, want := range rows {
			got, err := raw(t, lang).ago(now.Add(-d), now)
			if err != nil || got != want {
				t.Errorf("%s %v: %q, %v, want %q", lang, d, got, err, want)
			}
		}
	}
	if got := element(now, "just now"); got != `<time datetime="2026-11-22T05:02:11Z" title="2026-11-22 05:02:11 UTC">just now</time>` {
		t.Errorf("%s", got)
	}
}

func TestRichTextKeepsDataApart(t *testing.T) {
	got, err := raw(t, "en").rich("layout.as", "<b>ada\u202e")
	if err != nil || got != template.HTML("Signed in as <bdi>&lt;b&gt;ada</bdi>") {
		t.Errorf("%s, %v", got, err)
	}
}

func TestThePseudoLanguageIsLongerAndBracketed(t *testing.T) {
	en := raw(t, "en")
	p := pseudo(en)
	for key := range en.texts {
		was, err := en.say(key, 2, 2, 2)
		if err != nil {
			t.Fatal(err)
		}
		is, err := p.say(key, 2, 2, 2)
		if err != nil || !strings.HasPrefix(is, "[") || !strings.HasSuffix(is, "]") || utf8.RuneCountInString(is) < utf8.RuneCountInString(was)*13/10 {
			t.Errorf("%s: %q became %q", key, was, is)
		}
	}
}

func TestTheLanguageIsTheOneAsked(t *testing.T) {
	tests := []struct{ locales, accept, want string }{
		{"", "", "en"},
		{"fr", "en", "fr"},
		{"de fr en", "en", "fr"},
		{"fr-CA", "", "fr"},
		{"de", "fr;q=0.9", "fr"},
		{"", "fr-FR,fr;q=0.9,en;q=0.8", "fr"},
		{"", "de,en;q=0.5,fr;q=0.7", "fr"},
		{"", "en-GB,fr;q=0.1", "en"},
		{"", "ja", "en"},
		{"", "fr;q=zero", "en"},
		{"\x00 !! fr", "", "fr"},
	}
	for _, x := range tests {
		if got := Match(x.locales, x.accept); got != x.want {
			t.Errorf("%q, %q: %s, want %s", x.locales, x.accept, got, x.want)
		}
	}
}

func TestLongWishesAreCutShort(t *testing.T) {
	for _, part := range []string{"de-", "a,", "de;q=0.1,", "-,", "x", "de "} {
		long := strings.Repeat(part, 100<<10/len(part))
		start := time.Now()
		got := Match(long, long)
		if took := time.Since(start); took > 50*time.Millisecond || !slices.Contains(Languages, got) {
			t.Errorf("%q repeated: %s in %v", part, got, took)
		}
	}
}

// FuzzMatch: whatever is asked for, the answer is a language there is.
func FuzzMatch(f *testing.F) {
	f.Add("fr en", "en;q=0.1")
	f.Add("x-pseudo", "*")
	f.Fuzz(func(t *testing.T, locales, accept string) {
		if got := Match(locales, accept); !slices.Contains(Languages, got) {
			t.Fatalf("%q, %q: %s", locales, accept, got)
		}
	})
}
