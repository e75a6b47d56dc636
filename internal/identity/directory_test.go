package identity

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jeton/internal/audit"
	"jeton/internal/hash"
	"jeton/internal/oauth"
	"jeton/internal/ratelimit"
)

const (
	right    = oauth.Secret("correct horse battery")
	wrong    = oauth.Secret("incorrect horse battery")
	home     = "192.0.2.10"
	stranger = "203.0.113.66"
	// crypt(3) of "correct horse"
	bcrypted = "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2"
)

// shelf is a Store in memory.
type shelf struct {
	mu    sync.Mutex
	users map[int64]User
	err   error // every look-up fails
	put   error // SetPassword fails
}

func (s *shelf) find(same func(User) bool) (*User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	for _, u := range s.users {
		if same(u) {
			return &u, nil
		}
	}
	return nil, fmt.Errorf("shelf: %w", ErrNotFound)
}

func (s *shelf) UserByName(_ context.Context, org, realm, canon string) (*User, error) {
	return s.find(func(u User) bool { return u.Org == org && u.Realm == realm && u.Canon == canon })
}

func (s *shelf) User(_ context.Context, org string, id int64) (*User, error) {
	return s.find(func(u User) bool { return u.Org == org && u.ID == id })
}

func (s *shelf) UserByMail(_ context.Context, org, mail string) (*User, error) {
	return s.find(func(u User) bool { return u.Org == org && u.Mail == mail && mail != "" })
}

func (s *shelf) SetPassword(_ context.Context, org string, id int64, old, replacement string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.users[id]
	if s.put != nil || !ok || u.Org != org || u.Password != old {
		return false, s.put
	}
	u.Password = replacement
	s.users[id] = u
	return true, nil
}

// world is a Directory with alice, who can sign in, and others who cannot.
type world struct {
	*Directory
	store *shelf
	at    time.Time
}

func newWorld(t testing.TB, cost hash.Cost) *world {
	t.Helper()
	w := &world{store: &shelf{users: map[int64]User{}}, at: time.Unix(1_700_000_000, 0)}
	now := func() time.Time { return w.at }
	h := hash.New(hash.Options{Workers: 4, Queue: 1000, Now: now, Cost: cost})
	encoded, err := h.Make(t.Context(), right)
	if err != nil {
		t.Fatal(err)
	}
	for i, u := range []User{
		{Canon: "alice", Name: "Alice", Mail: "alice@example.org", Enabled: true, Password: encoded},
		{Canon: "disabled", Mail: "disabled@example.org", Password: encoded},
		{Canon: "expired", Enabled: true, Password: encoded, Expires: w.at.Unix()},
		{Canon: "passwordless", Enabled: true},
		{Canon: "unreadable", Enabled: true, Password: "$1$salt$qJH7.N4xYta3aEG/dfqo/0"},
		{Canon: "bcrypted", Enabled: true, Password: bcrypted},
		{Canon: "ivy", Realm: "other", Mail: "ivy@example.org", Enabled: true, Password: encoded},
	} {
		u.ID, u.Org = int64(i+1), "acme"
		if u.Realm == "" {
			u.Realm = "local"
		}
		w.store.users[u.ID] = u
	}
	w.Directory = &Directory{Store: w.store, Hasher: h, Throttle: ratelimit.NewThrottle(ratelimit.Limits{}, nil, now), Now: now}
	return w
}

func quick(t testing.TB) *world { return newWorld(t, hash.Cost{Memory: 64, Passes: 1}) }

func (w *world) try(t testing.TB, a Attempt) (*User, []audit.Check, error) {
	t.Helper()
	if a.Org == "" {
		a.Org = "acme"
	}
	r := &audit.Record{}
	u, err := w.Verify(audit.With(t.Context(), r), a)
	return u, r.Checks, err
}

func (w *world) in(t testing.TB, name string, password oauth.Secret, addr string) bool {
	t.Helper()
	u, _, err := w.try(t, Attempt{Name: name, Password: password, Addr: addr})
	if err != nil && !oauth.Is(err, oauth.BadPassword) {
		t.Fatalf("%s: %v", name, err)
	}
	return u != nil
}

func TestTheRightPasswordLetsAUserInUnderEverySpelling(t *testing.T) {
	w := quick(t)
	for _, a := range []Attempt{
		{Name: "alice"}, {Name: "Alice"}, {Name: "ＡＬＩＣＥ"}, {Name: "alice", Realm: "local"}, {Name: "alice", DefaultRealm: "local"},
		{Name: "alice", Realm: "local", DefaultRealm: "other"}, {Name: "Alice@Example.ORG", Mail: true},
		{Name: "ivy", Realm: "other"}, {Name: "ivy", DefaultRealm: "other"}, {Name: "ivy@example.org", Mail: true, DefaultRealm: "other"},
	} {
		a.Password = right
		if u, checks, err := w.try(t, a); err != nil || u == nil {
			t.Errorf("%+v: %v, %+v", a, err, checks)
		}
	}
	for _, a := range []Attempt{
		{Name: "alice", Org: "umbrella"}, {Name: "alice", Realm: "other"}, {Name: "alice", Realm: "Local"}, {Name: "ivy"},
		{Name: "alice@example.org"}, {Name: "ivy@example.org", Mail: true}, {Name: "ALICE "}, {Name: ""},
		{Name: strings.Repeat("a", 1<<20)}, {Name: "alice", Realm: strings.Repeat("r", 1<<20)},
	} {
		a.Password = right
		if u, _, err := w.try(t, a); !oauth.Is(err, oauth.BadPassword) || u != nil {
			t.Errorf("%.80v got in: %v, %v", a, u, err)
		}
	}
}

// Unknown, wrong, disabled, expired and throttled: one refusal; the record alone
// has the reason.
func TestEveryFailureLooksTheSameAndTheRecordTellsThemApart(t *testing.T) {
	w := quick(t)
	for range 10 {
		w.in(t, "throttled", wrong, "")
	}
	for _, c := range []struct {
		name     string
		password oauth.Secret
		want     audit.Check
	}{
		{"alice", wrong, audit.Check{Name: "password", Want: "the user's password", Got: "another"}},
		{"nobody", right, audit.Check{Name: "user", Want: "a user of the realm", Got: "nobody", Next: unknown.next}},
		{"disabled", right, audit.Check{Name: "enabled", Want: "enabled", Got: "disabled", Next: disabled.next}},
		{"expired", right, audit.Check{Name: "enabled", Want: "not expired", Got: "expired", Next: expired.next}},
		{"passwordless", right, audit.Check{Name: "password", Want: noPassword.want, Got: "none", Next: noPassword.next}},
		{"throttled", right, audit.Check{Name: "throttle", Want: "few failures", Got: "wait 30s", Next: "wait, or reset the throttle of the user"}},
		{"unreadable", right, audit.Check{Name: "password", Want: "a password hash this server can verify", Got: "not a password hash this server can verify: unknown prefix", Next: "set a new password"}},
		{"alice", "", audit.Check{Name: "user", Want: "a name and a password within the limits", Got: "a password of 0 bytes"}},
		{"alice", oauth.Secret(strings.Repeat("x", 1025)), audit.Check{Name: "user", Want: "a name and a password within the limits", Got: "a password of 1025 bytes"}},
	} {
		u, checks, err := w.try(t, Attempt{Name: c.name, Password: c.password})
		e, ok := errors.AsType[*oauth.Error](err)
		if u != nil || !ok || e.Code != oauth.BadPassword || e.Description != oauth.BadPassword.Text() || e.Unwrap() != nil {
			t.Errorf("%s: %v, %v", c.name, u, err)
		}
		checks = slices.DeleteFunc(checks, func(k audit.Check) bool { return k.OK })
		if diff := cmp.Diff([]audit.Check{c.want}, checks); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if strings.Contains(fmt.Sprint(checks), "horse") {
			t.Error("the password is in the record")
		}
	}
}

func TestGuessingIsThrottledAndThenTheRightPasswordLooksWrong(t *testing.T) {
	w := quick(t)
	for i := range 100 {
		if w.in(t, "alice", oauth.Secret(fmt.Sprint("guess", i)), stranger) {
			t.Fatal("a guess got in")
		}
	}
	if w.in(t, "alice", right, stranger) {
		t.Fatal("the right password got in while throttled")
	}
	w.at = w.at.Add(30 * time.Second)
	if !w.in(t, "alice", right, stranger) {
		t.Error("the right password is refused after the delay")
	}
}

func TestAnOwnerGetsInFromAKnownSourceWhileStrangersGuess(t *testing.T) {
	w := quick(t)
	if !w.in(t, "alice", right, home) {
		t.Fatal("first login")
	}
	for range 360 {
		w.at = w.at.Add(10 * time.Second)
		w.in(t, "alice", wrong, stranger)
	}
	if w.in(t, "alice", right, stranger) {
		t.Error("the stranger is not throttled")
	}
	if !w.in(t, "alice", right, home) {
		t.Error("the owner is kept out")
	}
}

func TestSpellingsShareOneCounter(t *testing.T) {
	for name, a := range map[string]Attempt{
		"case": {Name: "ALICE"}, "fullwidth": {Name: "ａlice"}, "realm given": {Name: "alice", Realm: "local"},
		"mail": {Name: "alice@example.org", Mail: true}, "mail in capitals": {Name: "ALICE@EXAMPLE.ORG", Mail: true},
	} {
		w := quick(t)
		a.Password = wrong
		for range 10 {
			w.try(t, a)
		}
		if w.in(t, "alice", right, home) {
			t.Errorf("%s: failures were counted apart", name)
		}
	}
	w := quick(t) // spaces are refused before they could count, and let nobody in
	for range 20 {
		if w.in(t, "alice ", right, stranger) {
			t.Fatal("a trailing space got in")
		}
	}
	if !w.in(t, "alice", right, stranger) {
		t.Error("refused spellings locked the account")
	}
}

func TestNamesThatDoNotExistAreThrottledLikeThoseThatDo(t *testing.T) {
	w := quick(t)
	for _, name := range []string{"nobody", "disabled", "expired", "passwordless", "alice", "unreadable"} {
		for range 10 {
			w.in(t, name, wrong, "")
		}
		_, checks, _ := w.try(t, Attempt{Name: name, Password: wrong})
		if len(checks) != 1 || checks[0].Name != "throttle" {
			t.Errorf("%s is not throttled: %+v", name, checks)
		}
	}
}

func TestManyGuessesAtOnceThrottleTheAccountOnce(t *testing.T) {
	w := quick(t)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			a := Attempt{Org: "acme", Name: "alice", Password: oauth.Secret(fmt.Sprint("guess", i)), Addr: fmt.Sprintf("10.0.%d.1", i)}
			if u, err := w.Verify(context.Background(), a); u != nil || !oauth.Is(err, oauth.BadPassword) {
				t.Errorf("guess %d: %v, %v", i, u, err)
			}
		})
	}
	wg.Wait()
	if w.in(t, "alice", right, stranger) {
		t.Error("the account is not throttled")
	}
	w.at = w.at.Add(30 * time.Second) // guesses under way when the delay began have not lengthened it
	if !w.in(t, "alice", right, stranger) {
		t.Error("the account is throttled for longer than the first delay")
	}
}

// A guess that was right but ended after the budget was spent is refused.
func TestARightGuessAmongManyIsRefusedOnceTheBudgetIsSpent(t *testing.T) {
	w := quick(t)
	spend := func() time.Time { // the hasher reads its clock while a comparison is under way
		for range 10 {
			_ = w.Throttle.Failed(t.Context(), AccountKey("acme", "local", "bcrypted"), "198.51.100.7")
		}
		return w.at
	}
	w.Hasher = hash.New(hash.Options{Now: spend})
	u, checks, err := w.try(t, Attempt{Name: "bcrypted", Password: "correct horse", Addr: stranger})
	if u != nil || !oauth.Is(err, oauth.BadPassword) {
		t.Fatalf("got in: %v", err)
	}
	if len(checks) != 2 || checks[0].Name != "user" || !checks[0].OK || checks[1].Name != "throttle" {
		t.Errorf("%+v", checks)
	}
	if w.store.users[6].Password != bcrypted {
		t.Error("a refused guess had the hash replaced")
	}
}

func TestAGoodLoginReplacesAnImportedHash(t *testing.T) {
	w := quick(t)
	if !w.in(t, "bcrypted", "correct horse", home) {
		t.Fatal("imported hash refused")
	}
	after := w.store.users[6].Password
	if kind, err := hash.Recognise(after); kind != hash.KindArgon2id || err != nil {
		t.Errorf("kept as %q, %v", kind, err)
	}
	if !w.in(t, "bcrypted", "correct horse", home) || w.in(t, "bcrypted", "correct horse2", home) {
		t.Error("the new hash is not of the same password")
	}
	if w.store.users[6].Password != after {
		t.Error("replaced again")
	}
}

func TestALoginSucceedsWhenTheHashCannotBeReplaced(t *testing.T) {
	w := quick(t)
	w.store.put = errors.New("read-only")
	u, checks, err := w.try(t, Attempt{Name: "bcrypted", Password: "correct horse"})
	if err != nil || u == nil {
		t.Fatalf("%v", err)
	}
	if last := checks[len(checks)-1]; last.Name != "rehash" || last.Got != "read-only" {
		t.Errorf("the record does not say so: %+v", checks)
	}
}

func TestAStoreThatFailsIsNoRefusal(t *testing.T) {
	w := quick(t)
	w.store.err = errors.New("connection lost")
	u, _, err := w.try(t, Attempt{Name: "alice", Password: right})
	if u != nil || !errors.Is(err, w.store.err) {
		t.Fatalf("%v, %v", u, err)
	}
	if e := oauth.AsRefusal(err); e.Code != oauth.ServerError {
		t.Errorf("answered as %s", e.Code)
	}
	for _, look := range []func() (*User, error){
		func() (*User, error) { return w.ByID(t.Context(), "acme", 1) },
		func() (*User, error) { return w.ByName(t.Context(), "acme", "", "alice") },
		func() (*User, error) { return w.ByMail(t.Context(), "acme", "alice@example.org") },
	} {
		if u, err := look(); u != nil || !errors.Is(err, w.store.err) || errors.Is(err, ErrNotFound) {
			t.Errorf("%v, %v", u, err)
		}
	}
}

func TestTooManyLoginsAtOnceAreToldToComeBackAndDoNotCount(t *testing.T) {
	w := quick(t)
	w.Hasher = hash.New(hash.Options{Workers: 1, Queue: 1, Cost: hash.Cost{Memory: 64 * 1024, Passes: 2}})
	w.Throttle = ratelimit.NewThrottle(ratelimit.Limits{Free: 1000}, nil, nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	codes := map[oauth.Code]int{}
	for range 50 {
		for _, name := range []string{"alice", "nobody"} {
			wg.Go(func() {
				_, err := w.Verify(context.Background(), Attempt{Org: "acme", Name: name, Password: wrong, Addr: home})
				e := oauth.AsRefusal(err)
				mu.Lock()
				defer mu.Unlock()
				codes[e.Code]++
				if e.Code == oauth.Unavailable && e.RetryAfter <= 0 {
					t.Error("no Retry-After")
				}
			})
		}
	}
	wg.Wait()
	if codes[oauth.Unavailable] == 0 || codes[oauth.BadPassword] == 0 || codes[oauth.Unavailable]+codes[oauth.BadPassword] != 100 {
		t.Errorf("answers: %v", codes)
	}
	counted := 0
	for _, name := range []string{"alice", "nobody"} {
		n, _ := w.Throttle.Throttled(AccountKey("acme", "local", name))
		counted += n
	}
	if counted != codes[oauth.BadPassword] {
		t.Errorf("%d counted, %d compared", counted, codes[oauth.BadPassword])
	}
}

func TestFailuresOfEveryClassTakeTheSameTime(t *testing.T) {
	w := newWorld(t, hash.Cost{Memory: 8 * 1024, Passes: 1})
	w.Throttle = ratelimit.NewThrottle(ratelimit.Limits{Free: 1 << 30, Hard: 1 << 30}, nil, nil)
	strict := *w.Directory
	strict.Throttle = ratelimit.NewThrottle(ratelimit.Limits{Free: 1}, nil, nil)
	_ = strict.Throttle.Failed(t.Context(), AccountKey("acme", "local", "alice"), "")
	ways := map[string]func() error{"throttled": func() error {
		_, err := strict.Verify(t.Context(), Attempt{Org: "acme", Name: "alice", Password: right})
		return err
	}}
	for class, name := range map[string]string{"wrong": "alice", "unknown": "nobody", "disabled": "disabled", "expired": "expired", "passwordless": "passwordless"} {
		ways[class] = func() error {
			_, err := w.Verify(t.Context(), Attempt{Org: "acme", Name: name, Password: wrong})
			return err
		}
	}
	// A busy machine can make one round look uneven, a real difference shows in all.
	var uneven string
	for range 5 {
		if uneven = unevenness(t, ways, "wrong"); uneven == "" {
			return
		}
	}
	t.Error(uneven)
}

// unevenness compares the medians of 31 refusals of each class with those of the
// one named; "" when all are within a fifth.
func unevenness(t *testing.T, ways map[string]func() error, than string) string {
	t.Helper()
	took := map[string][]time.Duration{}
	for range 31 { // in turns, so that what else the machine does slows all alike
		for class, way := range ways {
			start := time.Now()
			if err := way(); !oauth.Is(err, oauth.BadPassword) {
				t.Fatalf("%s: %v", class, err)
			}
			took[class] = append(took[class], time.Since(start))
		}
	}
	want := median(took[than])
	for _, class := range slices.Sorted(maps.Keys(took)) {
		// The promise is 5 ms; a class that skipped its hash would be off by all of it.
		if got := median(took[class]); (got - want).Abs() > want/5 {
			return fmt.Sprintf("%s takes %v, %s %v", class, got, than, want)
		}
	}
	return ""
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func TestLookUpsForGrantsFindOnlyUsersWhoMaySignIn(t *testing.T) {
	w := quick(t)
	id := func(n int64) func() (*User, error) {
		return func() (*User, error) { return w.ByID(t.Context(), "acme", n) }
	}
	named := func(realm, name string) func() (*User, error) {
		return func() (*User, error) { return w.ByName(t.Context(), "acme", realm, name) }
	}
	mail := func(s string) func() (*User, error) {
		return func() (*User, error) { return w.ByMail(t.Context(), "acme", s) }
	}
	for name, get := range map[string]func() (*User, error){
		"id": id(1), "name": named("", "ALICE"), "mail": mail("ALICE@example.org"), "realm": named("other", "ivy"),
	} {
		if u, err := get(); err != nil || u == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, get := range map[string]func() (*User, error){
		"unknown id": id(99), "disabled id": id(2), "expired id": id(3), "other realm": named("", "ivy"), "expired name": named("", "expired"),
		"no name": named("", "al ice "), "disabled mail": mail("disabled@example.org"), "no mail": mail("alice"), "unknown mail": mail("x@example.org"),
	} {
		if u, err := get(); !errors.Is(err, ErrNotFound) || u != nil {
			t.Errorf("%s: %v, %v", name, u, err)
		}
	}
}
