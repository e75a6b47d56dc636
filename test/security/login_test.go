package security_test

import (
	"fmt"
	"net/http"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"jeton/internal/hash"
	"jeton/internal/identity"
	"jeton/internal/oauth"
	"jeton/internal/server"
	"jeton/internal/servertest"
)

// door is a place where a user's name and password are taken.
type door struct {
	name string
	try  func(s site, user, password, from string) answer
}

// from says where a request comes from, to a server behindProxies; "" is the proxy.
func from(h http.Header, addr string) http.Header {
	if addr == "" {
		return h
	}
	return with(h, "X-Forwarded-For", addr)
}

var doors = []door{
	{"standard", func(s site, user, password, addr string) answer {
		return s.form("/oauth2/token", encoded("grant_type", "password", "username", user, "password", password), from(basic("legacy", "legacy-secret"), addr))
	}},
	{"Faspex", func(s site, user, password, addr string) answer {
		return s.send("POST", faspexToken+"?grant_type=password", "", from(basic(user, password), addr))
	}},
	{"FortiAuthenticator", func(s site, user, password, addr string) answer {
		body := map[string]string{"client_id": "client_id", "client_secret": "client_secret", "grant_type": "password", "username": user, "password": password}
		return s.json(fortiToken, marshal(s.t, body), from(nil, addr))
	}},
	{"Sensu", func(s site, user, password, addr string) answer {
		return s.send("GET", "/auth", "", from(basic(user, password), addr))
	}},
	{"Sensu test", func(s site, user, password, addr string) answer {
		return s.send("GET", "/auth/test", "", from(basic(user, password), addr))
	}},
}

func (a answer) ok() bool { return a.status >= 200 && a.status <= 299 }

// source is an address nobody used before, each in a network of its own.
func source() string {
	n := serial.Add(1)
	return fmt.Sprintf("10.%d.%d.7", n/256%256, n%256)
}

func face(a answer) string {
	h := a.header.Clone()
	for _, name := range []string{"Date", "Jeton-Error-Id"} {
		h.Del(name)
	}
	var lines []string
	for name, values := range h {
		lines = append(lines, fmt.Sprint(name, values))
	}
	sort.Strings(lines)
	return fmt.Sprint(a.status, "\n", a.body, "\n", strings.Join(lines, "\n"))
}

func TestLogin01EveryReasonLooksTheSame(t *testing.T) {
	s := open(t, behindProxies)
	for range 30 { // sam's account is slowed, from anywhere he is not known
		doors[0].try(s, "sam", "wrong", source())
	}
	for _, d := range doors {
		t.Run(d.name, func(t *testing.T) {
			s := s.on(t)
			faces := map[string]string{}
			for reason, try := range map[string][2]string{
				"unknown": {"nobody", "some-password"}, "wrong": {"bob", "some-password"}, "disabled, right": {"gone", "gones-password"},
				"disabled, wrong": {"gone", "some-password"}, "expired, right": {"late", "lates-password"}, "without a password": {"ada", "some-password"},
				"throttled, right": {"sam", "demo-sam"}, "throttled, wrong": {"sam", "some-password"}, "a name nobody can have": {"a  b", "some-password"},
				"of another organization": {"ada@example.com", "some-password"}, "a long name": {strings.Repeat("a", 300), "some-password"},
			} {
				a := d.try(s, try[0], try[1], source())
				r := s.refused(reason, a, 400, 401)
				if r != nil && r.Code != string(oauth.BadPassword) {
					t.Errorf("%s: recorded as %s", reason, r.Code)
				}
				faces[reason] = face(a)
			}
			for reason, f := range faces {
				if f != faces["wrong"] {
					t.Errorf("%s:\n%s\na wrong password:\n%s", reason, f, faces["wrong"])
				}
			}
			if a := d.try(s, "bob", "bobs-password", source()); !a.ok() {
				t.Errorf("the right password: %v", a)
			}
		})
	}
}

func median(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}

// medians times every class, one after the other in turns, so that whatever else the
// machine does meets all of them alike.
func medians(rounds int, before func(), classes map[string]func(round int)) map[string]time.Duration {
	took := map[string][]time.Duration{}
	for i := range rounds {
		before()
		for name, f := range classes {
			start := time.Now()
			f(i)
			took[name] = append(took[name], time.Since(start))
		}
	}
	out := map[string]time.Duration{}
	for name, list := range took {
		out[name] = median(list)
	}
	return out
}

// alike repeats a measurement until all medians lie within the greater of abs and
// part of the reference class, three times at most.
func alike(t *testing.T, reference string, abs time.Duration, part float64, measure func() map[string]time.Duration) {
	t.Helper()
	var report string
	for range 3 {
		m := measure()
		limit := max(abs, time.Duration(float64(m[reference])*part))
		good := true
		for _, took := range m {
			good = good && (took-m[reference]).Abs() <= limit
		}
		if good {
			return
		}
		report = fmt.Sprintf("%v, at most %s apart from %s", m, limit, reference)
	}
	t.Error(report)
}

func TestLogin02EveryReasonTakesTheSameTime(t *testing.T) {
	s := open(t, behindProxies, func(c *server.Config) { c.HashCost = hash.Cost{Memory: 4 << 10, Passes: 1} })
	for _, d := range []door{doors[0], doors[3]} {
		t.Run(d.name, func(t *testing.T) {
			s := s.on(t)
			try := func(user, password string) func(int) {
				return func(int) { d.try(s, user, password, source()) }
			}
			// A comparison takes some 3 ms at this cost: leaving it out would show.
			// Every class must reach the work itself, so nobody may be slowed by now; and the
			// client's secret is checked anew only once in a while.
			fresh := func() {
				s.Clock.Add(16 * time.Minute)
				try("warm", "wrong")(0)
			}
			alike(t, "wrong", slack*1200*time.Microsecond, 0.05, func() map[string]time.Duration {
				for _, name := range []string{"bob", "gone", "late"} {
					u, err := s.Core.Admin.UserByName(t.Context(), "default", "local", name)
					if err != nil {
						t.Fatal(err)
					}
					if err := s.Core.Admin.UnlockUser(t.Context(), "default", u.ID); err != nil {
						t.Fatal(err)
					}
				}
				return medians(100, fresh, map[string]func(int){
					"wrong": try("bob", "wrong"), "disabled": try("gone", "gones-password"),
					"unknown": func(i int) { try(fmt.Sprint("nobody-", i), "wrong")(i) },
				})
			})
		})
	}
}

func TestLogin03GuessingIsSlowedOverAllInletsTogether(t *testing.T) {
	for start := range doors {
		t.Run("beginning with "+doors[start].name, func(t *testing.T) {
			s := open(t, behindProxies)
			first := 0
			for i := 1; i <= 100; i++ {
				d := doors[(start+i)%len(doors)]
				if a := d.try(s, "bob", fmt.Sprint("wrong-", i), source()); a.ok() {
					t.Fatalf("wrong password: %v", a)
				} else if r := s.Record(t, a.header.Get("Jeton-Error-Id")); failed(r) == "throttle" && first == 0 {
					first = i
				}
			}
			if first < 5 || first > 11 {
				t.Errorf("slowed from guess %d on", first)
			}
			for _, d := range doors {
				wrong, right := d.try(s, "bob", "wrong", source()), d.try(s, "bob", "bobs-password", source())
				if right.ok() || face(wrong) != face(right) {
					t.Errorf("%s: the right password while throttled:\n%s\na wrong one:\n%s", d.name, face(right), face(wrong))
				}
			}
			s.Clock.Add(31 * time.Second)
			for _, d := range doors {
				if a := d.try(s, "bob", "bobs-password", source()); !a.ok() {
					t.Errorf("%s: the right password after the wait: %v", d.name, a)
				}
			}
			if a := doors[start].try(s, "sam", "demo-sam", source()); !a.ok() {
				t.Errorf("another user: %v", a)
			}
		})
	}
}

func TestLogin04AnAttackerDoesNotKeepTheOwnerOut(t *testing.T) {
	s := open(t, behindProxies)
	home := source()
	if a := doors[0].try(s, "bob", "bobs-password", home); !a.ok() {
		t.Fatalf("%v", a)
	}
	for minute := range 60 {
		for i := range 4 { // all the guesses that are let through, and more
			doors[(minute+i)%len(doors)].try(s, "bob", fmt.Sprint("wrong-", minute, i), source())
			s.Clock.Add(15 * time.Second)
		}
		if d := doors[minute%len(doors)]; !d.try(s, "bob", "bobs-password", home).ok() {
			t.Fatalf("minute %d: the owner is kept out of %s on his own device", minute, d.name)
		}
	}
	s.Clock.Add(15 * time.Minute) // the longest delay there is
	for _, d := range doors {
		if a := d.try(s, "bob", "bobs-password", source()); !a.ok() {
			t.Errorf("%s: a new device after the wait: %v", d.name, a)
		}
	}
}

// spelled are ways to write bob that mean him.
var spelled = []string{"bob", "BOB", "Bob", "bOB", "ｂｏｂ", "ＢＯＢ", "Bｏb"}

func TestLogin05AllSpellingsOfANameCountOnOneAccount(t *testing.T) {
	s := open(t, behindProxies)
	for i, name := range spelled { // each is bob
		if a := doors[i%len(doors)].try(s, name, "bobs-password", source()); !a.ok() {
			t.Errorf("%s at %s: %v", name, doors[i%len(doors)].name, a)
		}
	}
	for i := range 10 {
		doors[i%len(doors)].try(s, spelled[i%len(spelled)], "wrong", source())
	}
	for _, name := range spelled {
		for _, d := range doors {
			a := d.try(s, name, "bobs-password", source())
			if a.ok() {
				t.Errorf("%s gets in as %s at %s after ten wrong passwords", name, "bob", d.name)
			} else if r := s.Record(t, a.header.Get("Jeton-Error-Id")); failed(r) != "throttle" || r.User != "bob" {
				t.Errorf("%s at %s: %s, user %s", name, d.name, failed(r), r.User)
			}
		}
	}
	// Neither do the other fields of a request make another account of him.
	body := strings.Replace(strings.Replace(fortiLogin, "luser1", "bob", 1), "12345678", "bobs-password", 1)
	for _, more := range []string{`"realm":"local"`, `"realm":""`, `"iam_user":"x","iam_account":"y"`} {
		s.refused(more, s.json(fortiToken, body[:len(body)-1]+","+more+"}", from(nil, source())), 401)
	}
	s.Clock.Add(time.Minute)
	if a := doors[0].try(s, "Bob", "bobs-password", source()); !a.ok() {
		t.Errorf("%v", a)
	}
}

func TestLogin06SprayingSlowsItsSourceAndNobodyElse(t *testing.T) {
	s := open(t, behindProxies)
	const attacker = "192.0.2.66"
	slowed := 0
	for i := range 1000 {
		a := doors[i%len(doors)].try(s, fmt.Sprint("user-", i), "Summer2026!", attacker)
		if a.ok() {
			t.Fatal(a)
		}
		if slowed == 0 && failed(s.Record(t, a.header.Get("Jeton-Error-Id"))) == "throttle" {
			slowed = i + 1
		}
	}
	if slowed == 0 || slowed > 110 {
		t.Errorf("the source is slowed from try %d on", slowed)
	}
	for _, d := range doors {
		if a := d.try(s, "sam", "demo-sam", attacker); a.ok() {
			t.Errorf("%s: the sprayer's one hit counts", d.name)
		}
		if a := d.try(s, "sam", "demo-sam", source()); !a.ok() {
			t.Errorf("%s: another source: %v", d.name, a)
		}
	}
	s.Clock.Add(time.Hour)
	if a := doors[0].try(s, "sam", "demo-sam", attacker); !a.ok() {
		t.Errorf("after an hour: %v", a)
	}
}

func TestLogin07NamesHaveOneForm(t *testing.T) {
	s := open(t)
	create := func(name, password string) error {
		return s.Core.Admin.CreateUser(t.Context(), &identity.User{Org: "default", Realm: "local", Name: name, Enabled: true}, servertest.Secret(password))
	}
	if err := create("Émile", "emiles-password"); err != nil {
		t.Fatal(err)
	}
	if err := create("kelvin", "kelvins-password"); err != nil {
		t.Fatal(err)
	}
	same := map[string][]string{
		"emiles-password":  {"Émile", "émile", "E\u0301mile", "e\u0301mile", "ÉMILE", "Éｍile"},
		"kelvins-password": {"kelvin", "KELVIN", "\u212aelvin", "ｋelvin"},
	}
	for password, names := range same {
		for _, name := range names {
			for _, d := range doors {
				if a := d.try(s, name, password, ""); !a.ok() {
					t.Errorf("%+q at %s: %v", name, d.name, a)
				}
			}
			if err := create(name, "another-password"); !oauth.Is(err, oauth.Conflict) && !oauth.Is(err, oauth.InvalidValue) {
				t.Errorf("a second %+q: %v", name, err)
			}
		}
	}
	admin := bearer(s.must(s.send("GET", "/auth", "", basic("admin", "P@ssw0rd!"))).member("access_token"))
	for _, name := range []string{"BOB", "ｂｏｂ", "Bob"} {
		s.refused(name, s.send("POST", "/api/core/v2/users", `{"username":"`+name+`","password":"wool-and-water"}`, admin), 409)
	}
	// Look-alikes are other names, and what has no stable form is no name.
	for _, name := range []string{"kelvın", "kelvin ", " kelvin", "kelvin\u200b", "kel\u00advin", "kelvin\u0000", "kеlvin", "kelvin\t", "kelvin.", "kelvin@local", "local\\kelvin", "kel vin", "kelvin\u0301"} {
		for _, d := range doors {
			if a := d.try(s, name, "kelvins-password", ""); a.ok() {
				t.Errorf("%+q gets in as kelvin at %s", name, d.name)
			}
		}
		s.Clock.Add(16 * time.Minute)
		if name != strings.TrimSpace(name) {
			if err := create(name, "another-password"); err == nil {
				t.Errorf("%+q is registered", name)
			}
		}
	}
}

func TestLogin09PasswordsCountToTheLastByte(t *testing.T) {
	s := open(t)
	set := func(name, password string) {
		t.Helper()
		err := s.Core.Admin.CreateUser(t.Context(), &identity.User{Org: "default", Realm: "local", Name: name, Enabled: true}, servertest.Secret(password))
		if err != nil {
			t.Fatal(err)
		}
	}
	passwords := map[string]string{
		"p64": strings.Repeat("0123456789abcdef", 4), "p128": strings.Repeat("0123456789abcdef", 8), "p1024": strings.Repeat("0123456789abcdef", 64),
		"spaces": "  with spaces  before, between and after  ", "twin": strings.Repeat("x", 72) + "right", "colon": "with:a:colon and %41 + &=\"\\",
		"unicode": "Passwörter, 密码, пароль",
	}
	for name, password := range passwords {
		set(name, password)
		for _, d := range doors {
			if a := d.try(s, name, password, ""); !a.ok() {
				t.Errorf("%s at %s: %v", name, d.name, a)
			}
			for what, wrong := range map[string]string{"cut": password[:len(password)-1], "one more": password + "x", "trimmed": strings.TrimSpace(password), "upper": strings.ToUpper(password)} {
				if wrong != password && what != "one more" || len(wrong) <= 1024 && wrong != password {
					if a := d.try(s, name, wrong, ""); a.ok() {
						t.Errorf("%s, %s, at %s is let in", name, what, d.name)
					}
				}
			}
			if a := d.try(s, name, password, ""); !a.ok() {
				t.Errorf("%s at %s: %v", name, d.name, a)
			}
		}
	}
	if a := doors[0].try(s, "twin", strings.Repeat("x", 72)+"wrong", ""); a.ok() {
		t.Error("only 72 bytes count")
	}
	for what, bad := range map[string]string{"NUL": "bobs-password\x00", "1 MiB": strings.Repeat("a", 1<<20), "1025 bytes": strings.Repeat("a", 1025), "empty": ""} {
		for _, d := range doors {
			var a answer
			within(t, what, 100*time.Millisecond, func() { a = d.try(s.bare(), "bob", bad, "") })
			if a.ok() || a.status >= 500 {
				t.Errorf("%s at %s: %v", what, d.name, a)
			}
		}
	}
	if err := s.Core.Admin.CreateUser(t.Context(), &identity.User{Org: "default", Realm: "local", Name: "long", Enabled: true}, servertest.Secret(strings.Repeat("a", 1025))); err == nil {
		t.Error("a password of 1025 bytes is taken")
	}
	s.Clock.Add(time.Hour) // all came from one source
	s.password("legacy", "legacy-secret")
}
