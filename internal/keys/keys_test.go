package keys

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"jeton/internal/jose"
	"jeton/internal/vault"
)

// memory is a store in memory that keeps its word like a database: conditional
// writes, all or nothing.
type memory struct {
	mu     sync.Mutex
	rows   map[string]Row
	reads  int
	writes int
	err    error  // given to whoever asks
	before func() // called once, just before a write: what another node does
}

func newMemory() *memory { return &memory{rows: map[string]Row{}} }

func (m *memory) Keys(context.Context) ([]Row, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	list := []Row{}
	for _, r := range m.rows {
		list = append(list, r)
	}
	return list, m.err
}

var errConflict = errors.New("changed meanwhile")

func (m *memory) ChangeKeys(ctx context.Context, put, update []Row, del []string) error {
	if f := m.before; f != nil {
		m.before = nil
		f()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := cmp.Or(m.err, ctx.Err()); err != nil {
		return err
	}
	for _, r := range put {
		for _, have := range m.rows {
			if have.ID == r.ID || have.KID == r.KID && r.KID != "" {
				return errConflict
			}
		}
	}
	for _, r := range update {
		if have, ok := m.rows[r.ID]; !ok || have.Version != r.Version {
			return errConflict
		}
	}
	m.writes++
	for _, r := range slices.Concat(put, update) {
		r.Version++
		m.rows[r.ID] = r
	}
	for _, id := range del {
		delete(m.rows, id)
	}
	return nil
}

// clock is time that a test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Unix(1_700_000_000, 0)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

const day = 24 * time.Hour

var testPurposes = []Purpose{
	{Name: "access", Alg: jose.ES256, Publish: true, Overlap: time.Hour},
	{Name: "id", Alg: jose.RS256, Publish: true},
	{Name: "sensu", Alg: jose.HS256, Publish: true, Overlap: time.Hour, KID: func(*jose.Key) string { return "" }},
	{Name: "dated", Alg: jose.EdDSA, Publish: true, KID: func(k *jose.Key) string {
		return time.Unix(k.Created, 0).UTC().Format("2006-01-02T15:04:05+00:00")
	}},
}

type world struct {
	store *memory
	vault *vault.Vault
	clock *clock
}

func newWorld(t testing.TB) *world {
	t.Helper()
	v, _, err := vault.New(vault.NewKEK())
	if err != nil {
		t.Fatal(err)
	}
	return &world{newMemory(), v, newClock()}
}

// ring is one more node over the same store.
func (w *world) ring(t testing.TB) *Ring {
	t.Helper()
	r, err := New(Options{Store: w.store, Vault: w.vault, Now: w.clock.now, Purposes: testPurposes})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func signing(t testing.TB, r *Ring, org, purpose string) *jose.Key {
	t.Helper()
	k, err := r.Signing(t.Context(), org, purpose, "")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func tick(t testing.TB, r *Ring) {
	t.Helper()
	if err := r.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// kids lists what a relying party finds in the key set.
func kids(t testing.TB, r *Ring, org string, purposes ...string) []string {
	t.Helper()
	body, _, err := r.JWKS(t.Context(), org, jose.KtyFirst, purposes...)
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []struct{ Kid string } }
	if err := json.Unmarshal(body, &set); err != nil || set.Keys == nil {
		t.Fatalf("key set %s: %v", body, err)
	}
	list := []string{}
	for _, k := range set.Keys {
		list = append(list, k.Kid)
	}
	return list
}

func states(r *Ring, org string) string {
	var list []string
	for _, i := range r.List(org) {
		list = append(list, i.State)
	}
	return strings.Join(list, " ")
}

func token(t testing.TB, k *jose.Key) string {
	t.Helper()
	s, err := jose.Sign(k, k.Header("JWT").Bytes(), []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// verifies checks a token the way the rooms do: by its kid.
func verifies(t testing.TB, r *Ring, s string) bool {
	t.Helper()
	tok, err := jose.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	k := r.Find(tok.KID)
	return k != nil && tok.Verify(k) == nil
}

func TestALineBeginsWithAKeyThatSignsAndANextOne(t *testing.T) {
	for _, p := range testPurposes {
		w := newWorld(t)
		r := w.ring(t)
		if w.store.writes != 0 {
			t.Error("keys were made before they were needed")
		}
		k := signing(t, r, "acme", p.Name)
		if k.Org != "acme" || k.Purpose != p.Name || k.Alg != p.Alg || k.Created < w.clock.now().Unix() {
			t.Errorf("%s: key is %+v of %s/%s", p.Name, k, k.Org, k.Purpose)
		}
		if got := states(r, "acme"); got != "signing next" {
			t.Errorf("%s: %s", p.Name, got)
		}
		if again := signing(t, r, "acme", p.Name); again != k || w.store.writes != 1 {
			t.Errorf("%s: another key at the second call, %d writes", p.Name, w.store.writes)
		}
		if other := signing(t, r, "globex", p.Name); other.ID == k.ID && k.ID != "" || bytes.Equal(other.Secret, k.Secret) && k.Secret != nil {
			t.Errorf("%s: two organizations share a key", p.Name)
		}
	}
}

func TestATokenVerifiesUntilItsOverlapEndsAndNoLonger(t *testing.T) {
	w := newWorld(t)
	r := w.ring(t)
	old := signing(t, r, "acme", "access")
	s := token(t, old)
	w.clock.add(DefaultPeriod - time.Minute)
	tick(t, r)
	if signing(t, r, "acme", "access").ID != old.ID {
		t.Error("rotated too early")
	}
	w.clock.add(time.Minute)
	tick(t, r)
	if signing(t, r, "acme", "access").ID == old.ID {
		t.Error("not rotated")
	}
	if got := states(r, "acme"); got != "signing next retiring" {
		t.Error(got)
	}
	w.clock.add(time.Hour + slack - time.Second)
	tick(t, r)
	if !verifies(t, r, s) {
		t.Error("a token that has not ended does not verify")
	}
	w.clock.add(time.Second)
	if verifies(t, r, s) { // even before the next Tick
		t.Error("verifies after the overlap")
	}
	tick(t, r)
	if got := states(r, "acme"); got != "signing next" || len(w.store.rows) != 2 {
		t.Errorf("%s, %d rows", got, len(w.store.rows))
	}
}

func TestAKeyIsPublishedADayBeforeItSigns(t *testing.T) {
	w := newWorld(t)
	r := w.ring(t)
	signing(t, r, "acme", "access")
	first := map[string]time.Time{}
	note := func() {
		for _, kid := range kids(t, r, "acme", "access") {
			if _, ok := first[kid]; !ok {
				first[kid] = w.clock.now()
			}
		}
	}
	note()
	start := w.clock.now()
	last := ""
	rotations := 0
	for range 24 * 400 {
		w.clock.add(time.Hour)
		tick(t, r)
		k := signing(t, r, "acme", "access")
		if k.ID != last {
			if at, ok := first[k.ID]; !ok || at != start && w.clock.now().Sub(at) < day {
				t.Fatalf("signs %v after it was published", w.clock.now().Sub(at))
			}
			rotations, last = rotations+1, k.ID
		}
		note()
		if len(kids(t, r, "acme", "access")) < 2 {
			t.Fatal("no next key in the set")
		}
	}
	if rotations != 5 { // the first key and one more every 90 days
		t.Errorf("%d keys signed in 400 days", rotations)
	}
}

func TestALateServerStillPublishesBeforeItSigns(t *testing.T) {
	w := newWorld(t)
	r := w.ring(t)
	k := signing(t, r, "acme", "access")
	for id, row := range w.store.rows { // the next key was lost
		if row.State == Next {
			delete(w.store.rows, id)
		}
	}
	w.clock.add(2 * DefaultPeriod)
	tick(t, r)
	if signing(t, r, "acme", "access").ID != k.ID || states(r, "acme") != "signing next" {
		t.Error("a key signs that nobody has seen")
	}
	w.clock.add(day - time.Second)
	tick(t, r)
	if signing(t, r, "acme", "access").ID != k.ID {
		t.Error("rotated before the next key was published for a day")
	}
	w.clock.add(time.Second)
	tick(t, r)
	if signing(t, r, "acme", "access").ID == k.ID {
		t.Error("not rotated a day later")
	}
}

func TestAdministrationRotatesAtOnce(t *testing.T) {
	w := newWorld(t)
	r := w.ring(t)
	old := signing(t, r, "acme", "access")
	s := token(t, old)
	next := r.List("acme")[1].KID
	if err := r.Rotate(t.Context(), "acme", "access", ""); err != nil {
		t.Fatal(err)
	}
	if k := signing(t, r, "acme", "access"); k.ID != next {
		t.Errorf("%s signs, not the published %s", k.ID, next)
	}
	if got := states(r, "acme"); got != "signing next retiring" || !verifies(t, r, s) {
		t.Errorf("%s", got)
	}
	if err := r.Rotate(t.Context(), "new", "access", jose.ES384); err != nil || states(r, "new") != "signing next" {
		t.Errorf("a line without keys: %v, %s", err, states(r, "new"))
	}
	if err := r.Rotate(t.Context(), "acme", "none", ""); !errors.Is(err, ErrUnknown) {
		t.Errorf("unknown purpose: %v", err)
	}
}

func TestRetiringAKey(t *testing.T) {
	for _, c := range []struct {
		name          string
		which         int // in List: 0 signing, 1 next, 2 retiring
		atOnce        bool
		states        string
		stillVerifies bool
	}{
		{"signing, with overlap", 0, false, "signing next retiring retiring", true},
		{"signing, at once", 0, true, "signing next retiring", false},
		{"next", 1, false, "signing next retiring", false},
		{"next, at once", 1, true, "signing next retiring", false},
		{"retiring already", 2, false, "signing next retiring", true},
		{"retiring, at once", 2, true, "signing next", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.ring(t)
			signing(t, r, "acme", "access")
			if err := r.Rotate(t.Context(), "acme", "access", ""); err != nil {
				t.Fatal(err)
			}
			kid := r.List("acme")[c.which].KID
			if err := r.Retire(t.Context(), "acme", kid, c.atOnce); err != nil {
				t.Fatal(err)
			}
			if got := states(r, "acme"); got != c.states {
				t.Error(got)
			}
			if (r.Find(kid) != nil) != c.stillVerifies {
				t.Errorf("key found: %v", !c.stillVerifies)
			}
			if signing(t, r, "acme", "access").ID == kid && c.which == 0 {
				t.Error("still signs")
			}
		})
	}
	w := newWorld(t)
	r := w.ring(t)
	k := signing(t, r, "acme", "access")
	if err := r.Retire(t.Context(), "globex", k.ID, true); !errors.Is(err, ErrUnknown) || r.Find(k.ID) == nil {
		t.Errorf("another organization's key: %v", err)
	}
	signing(t, r, "acme", "sensu")
	id := r.List("acme")[2].ID
	if err := r.Retire(t.Context(), "acme", id, true); err != nil || len(r.Verifying("acme", "sensu", "")) != 2 {
		t.Errorf("a key without kid, by id: %v", err)
	}
}

func TestKeysWithoutKIDAreTriedAll(t *testing.T) {
	w := newWorld(t)
	r := w.ring(t)
	s := token(t, signing(t, r, "acme", "sensu"))
	if err := r.Rotate(t.Context(), "acme", "sensu", ""); err != nil {
		t.Fatal(err)
	}
	list := r.Verifying("acme", "sensu", "")
	if len(list) != 3 {
		t.Fatalf("%d keys", len(list))
	}
	tok, err := jose.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(list, func(k *jose.Key) bool { return tok.Verify(k) == nil }) {
		t.Error("the token of the retiring key does not verify")
	}
	if list[0] != signing(t, r, "acme", "sensu") {
		t.Error("the signing key is not first")
	}
	if r.Find("") != nil || r.Verifying("globex", "sensu", "") != nil || r.Verifying("acme", "access", "") != nil {
		t.Error("keys of others are listed")
	}
	if got := kids(t, r, "acme", "sensu"); len(got) != 0 {
		t.Errorf("a symmetric key is published: %v", got)
	}
	ec, err := r.Signing(t.Context(), "acme", "sensu", jose.ES512)
	if err != nil || ec.Alg != jose.ES512 || ec.ID != "" || len(r.Verifying("acme", "sensu", "")) != 5 {
		t.Errorf("ES512 beside HS256: %v, %v", ec, err)
	}
}

func TestOnlyKnownPurposesAndFittingAlgorithmsSign(t *testing.T) {
	r := newWorld(t).ring(t)
	for _, c := range []struct {
		purpose string
		alg     jose.Alg
		ok      bool
	}{
		{"access", jose.ES384, true}, {"access", jose.EdDSA, true}, {"access", jose.HS256, false},
		{"access", "none", false}, {"nothing", "", false}, {"sensu", jose.HS256, true},
	} {
		k, err := r.Signing(t.Context(), "acme", c.purpose, c.alg)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrUnknown) || c.ok && k.Alg != c.alg {
			t.Errorf("%s %s: %v, %v", c.purpose, c.alg, k, err)
		}
	}
	for name, purposes := range map[string][]Purpose{
		"twice": {testPurposes[0], testPurposes[0]}, "no name": {{Alg: jose.ES256}}, "no alg": {{Name: "x"}},
		"negative": {{Name: "x", Alg: jose.ES256, Overlap: -1}},
	} {
		w := newWorld(t)
		if _, err := New(Options{Store: w.store, Vault: w.vault, Purposes: purposes}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestConcurrentCallersGetOneKey(t *testing.T) {
	for _, purpose := range []string{"access", "id"} {
		w := newWorld(t)
		rings := []*Ring{w.ring(t), w.ring(t)}
		var mu sync.Mutex
		seen := map[string]int{}
		var wait sync.WaitGroup
		for i := range 16 {
			wait.Go(func() {
				k, err := rings[i%2].Signing(context.Background(), "acme", purpose, "")
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				seen[k.ID]++
			})
		}
		wait.Wait()
		if w.store.reads > 6 { // each node at start, before it generates and after
			t.Errorf("%s: %d reads", purpose, w.store.reads)
		}
		if len(seen) != 1 || w.store.writes != 1 || len(w.store.rows) != 2 {
			t.Errorf("%s: %d keys, %d writes, %d rows", purpose, len(seen), w.store.writes, len(w.store.rows))
		}
	}
}

func TestTwoNodesConverge(t *testing.T) {
	w := newWorld(t)
	a, b := w.ring(t), w.ring(t)
	k := signing(t, a, "acme", "access")
	s := token(t, k)
	if verifies(t, b, s) {
		t.Error("node b knows a key it has not read")
	}
	w.clock.add(fresh) // an unknown kid makes b read
	if !verifies(t, b, s) {
		t.Error("node b does not find the key of node a")
	}
	if signing(t, b, "acme", "access").ID != k.ID {
		t.Error("node b signs with another key")
	}
	w.clock.add(DefaultPeriod)
	tick(t, a)
	if !verifies(t, b, token(t, signing(t, a, "acme", "access"))) {
		t.Error("node b has not known the next key beforehand")
	}
	tick(t, b)
	if x, y := signing(t, a, "acme", "access").ID, signing(t, b, "acme", "access").ID; x != y || x == k.ID {
		t.Errorf("%s and %s sign", x, y)
	}
	if states(a, "acme") != states(b, "acme") {
		t.Errorf("%s, %s", states(a, "acme"), states(b, "acme"))
	}
}

func TestTheLoserOfARaceFindsTheWorkDone(t *testing.T) {
	for name, do := range map[string]func(r *Ring) error{
		"tick":   func(r *Ring) error { return r.Tick(context.Background()) },
		"rotate": func(r *Ring) error { return r.Rotate(context.Background(), "acme", "access", "") },
	} {
		w := newWorld(t)
		a, b := w.ring(t), w.ring(t)
		signing(t, a, "acme", "access")
		w.clock.add(DefaultPeriod)
		w.store.before = func() {
			if err := do(b); err != nil {
				t.Error(err)
			}
		}
		if err := do(a); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := states(a, "acme"); got != "signing next retiring" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestAFailingStoreIsReportedAndSurvived(t *testing.T) {
	w := newWorld(t)
	r := w.ring(t)
	k := signing(t, r, "acme", "access")
	w.store.err = errors.New("down")
	w.clock.add(DefaultPeriod)
	if err := r.Tick(t.Context()); !errors.Is(err, w.store.err) {
		t.Errorf("got %v", err)
	}
	if signing(t, r, "acme", "access").ID != k.ID || r.Find(k.ID) == nil {
		t.Error("keys were forgotten")
	}
	if _, err := r.Signing(t.Context(), "new", "access", ""); !errors.Is(err, w.store.err) {
		t.Errorf("a key that was not stored is used: %v", err)
	}
	kids(t, r, "acme", "access")
	w.store.err = nil
	tick(t, r)
	if signing(t, r, "acme", "access").ID == k.ID {
		t.Error("not rotated once the store was back")
	}
}

func TestStrangersCannotMakeTheRingReadAllTheTime(t *testing.T) {
	w := newWorld(t)
	r := w.ring(t)
	signing(t, r, "acme", "access")
	w.clock.add(fresh)
	before := w.store.reads
	for i := range 100 {
		r.Find(fmt.Sprint("unknown ", i))
		r.Verifying("acme", "access", fmt.Sprint("unknown ", i))
	}
	if n := w.store.reads - before; n != 1 {
		t.Errorf("%d reads", n)
	}
	w.clock.add(fresh)
	w.store.err = errors.New("down")
	before = w.store.reads
	for i := range 100 {
		r.Find(fmt.Sprint("unknown ", i))
	}
	if n := w.store.reads - before; n != 1 {
		t.Errorf("%d reads of a store in trouble", n)
	}
}

func TestARestartKeepsTheKeys(t *testing.T) {
	w := newWorld(t)
	r := w.ring(t)
	tokens := map[string]string{}
	for _, p := range testPurposes {
		tokens[p.Name] = token(t, signing(t, r, "acme", p.Name))
	}
	again := w.ring(t)
	for name, s := range tokens {
		tok, err := jose.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		list := again.Verifying("acme", name, tok.KID)
		if !slices.ContainsFunc(list, func(k *jose.Key) bool { return tok.Verify(k) == nil }) {
			t.Errorf("%s: does not verify after a restart", name)
		}
		if k := signing(t, again, "acme", name); tok.Verify(k) != nil || k.Org != "acme" || k.Purpose != name {
			t.Errorf("%s: another key signs after a restart", name)
		}
	}
	if w.store.writes != len(testPurposes) {
		t.Errorf("%d writes", w.store.writes)
	}
}

func TestKeysOfAnotherVaultAreNotReplacedButReported(t *testing.T) {
	w := newWorld(t)
	signing(t, w.ring(t), "acme", "access")
	other := newWorld(t)
	r, err := New(Options{Store: w.store, Vault: other.vault, Now: w.clock.now, Purposes: testPurposes})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Load(t.Context()); !errors.Is(err, vault.ErrSealed) {
		t.Errorf("got %v", err)
	}
	if _, err := r.Signing(t.Context(), "acme", "access", ""); !errors.Is(err, vault.ErrSealed) || len(w.store.rows) != 2 {
		t.Errorf("got %v, %d rows", err, len(w.store.rows))
	}
}

func TestWhoeverWritesToTheDatabaseCannotPlantAKey(t *testing.T) {
	mine, err := jose.Generate(jose.ES256)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Row){
		"public key":   func(r *Row) { r.Public = jose.MarshalPublicPEM(mine.Public) },
		"organization": func(r *Row) { r.Org = "globex" },
		"purpose":      func(r *Row) { r.Purpose = "id" },
		"algorithm":    func(r *Row) { r.Alg = "HS256" },
		"kid":          func(r *Row) { r.KID = "x" },
		"private key":  func(r *Row) { r.Sealed[40] ^= 1 },
	} {
		w := newWorld(t)
		r := w.ring(t)
		k := signing(t, r, "acme", "access")
		row := w.store.rows["acme/access/ES256/1"]
		row.Sealed = bytes.Clone(row.Sealed)
		change(&row)
		row.Version++
		w.store.rows[row.ID] = row
		if err := r.Reload(t.Context()); !errors.Is(err, vault.ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
		if signing(t, r, "acme", "access") != k {
			t.Errorf("%s: the ring took it", name)
		}
	}
}

func TestPrivatePartsAreStoredSealedAndNeverLogged(t *testing.T) {
	w := newWorld(t)
	var log bytes.Buffer
	r, err := New(Options{Store: w.store, Vault: w.vault, Now: w.clock.now, Purposes: testPurposes, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range testPurposes {
		private, err := jose.MarshalPrivate(signing(t, r, "acme", p.Name))
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range w.store.rows {
			if bytes.Contains(row.Sealed, private[len(private)-16:]) {
				t.Errorf("%s: the private part lies open", p.Name)
			}
		}
		if bytes.Contains(log.Bytes(), private[len(private)-16:]) {
			t.Errorf("%s: the private part is in the log", p.Name)
		}
	}
	if !strings.Contains(log.String(), "state=signing") {
		t.Errorf("log says %s", log.String())
	}
	for _, i := range r.List("acme") {
		if strings.Contains(i.Public, "PRIVATE") || (i.Public == "") != (i.Alg == jose.HS256) || i.Published == (i.Alg == jose.HS256) {
			t.Errorf("%+v", i)
		}
	}
}

func TestAKIDIsGivenOnce(t *testing.T) {
	w := newWorld(t)
	a, b := w.ring(t), w.ring(t)
	seen := map[string]bool{}
	for i := range 10 { // all in one second, on two nodes
		signing(t, []*Ring{a, b}[i%2], fmt.Sprint("org", i), "dated")
	}
	for _, row := range w.store.rows {
		if seen[row.KID] || row.KID == "" {
			t.Errorf("kid %q twice", row.KID)
		}
		seen[row.KID] = true
		if k := a.Find(row.KID); row.State == Signing && k != nil && (k.Org != row.Org || k.Purpose != "dated") {
			t.Errorf("kid %q finds a key of %s", row.KID, k.Org)
		}
	}
	r, err := New(Options{Store: w.store, Vault: w.vault, Now: w.clock.now,
		Purposes: []Purpose{{Name: "x", Alg: jose.ES256, KID: func(*jose.Key) string { return "same" }}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Signing(t.Context(), "acme", "x", ""); err == nil {
		t.Error("two keys of one name were made")
	}
}

func TestKeySetsAreMadeOncePerChange(t *testing.T) {
	w := newWorld(t)
	r := w.ring(t)
	body, etag, err := r.JWKS(t.Context(), "acme", jose.AlgFirst, "access", "dated")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(kids(t, r, "acme", "access", "dated")); n != 4 {
		t.Errorf("%d keys in the first set", n)
	}
	if err := r.Reload(t.Context()); err != nil { // nothing has changed
		t.Fatal(err)
	}
	again, same, _ := r.JWKS(t.Context(), "acme", jose.AlgFirst, "access", "dated")
	if &again[0] != &body[0] || same != etag || !strings.HasPrefix(string(body), `{"keys":[{"alg":"ES256","use":"sig","kid":`) {
		t.Errorf("made again, or in another order: %s", body)
	}
	if _, other, _ := r.JWKS(t.Context(), "acme", jose.KtyFirst, "access", "dated"); other == etag {
		t.Error("two styles share an etag")
	}
	if err := r.Rotate(t.Context(), "acme", "access", ""); err != nil {
		t.Fatal(err)
	}
	if _, changed, _ := r.JWKS(t.Context(), "acme", jose.AlgFirst, "access", "dated"); changed == etag {
		t.Error("the etag did not change with the keys")
	}
	if _, _, err := r.JWKS(t.Context(), "acme", jose.KtyFirst, "nothing"); !errors.Is(err, ErrUnknown) {
		t.Errorf("unknown purpose: %v", err)
	}
	if got := kids(t, r, "acme", "sensu"); len(got) != 0 || len(r.Verifying("acme", "sensu", "")) != 0 {
		t.Errorf("a set made symmetric keys: %v", got)
	}
	b := w.ring(t)
	w.clock.add(fresh)
	if x, y := kids(t, r, "acme", "access"), kids(t, b, "acme", "access"); !slices.Equal(x, y) {
		t.Errorf("nodes publish %v and %v", x, y)
	}
}

func TestKeysOfAForgottenPurposeFadeAway(t *testing.T) {
	w := newWorld(t)
	r := w.ring(t)
	k := signing(t, r, "acme", "access")
	bare, err := New(Options{Store: w.store, Vault: w.vault, Now: w.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	w.clock.add(2 * DefaultPeriod)
	tick(t, bare)
	if bare.Find(k.ID) == nil || states(bare, "acme") != "signing next" {
		t.Error("keys were dropped with their purpose")
	}
	for range 2 { // the signing key, then the next one
		if err := bare.Retire(t.Context(), "acme", bare.List("acme")[0].KID, false); err != nil {
			t.Fatal(err)
		}
	}
	w.clock.add(DefaultOverlap + slack)
	tick(t, bare)
	if len(w.store.rows) != 0 {
		t.Errorf("%d rows are left", len(w.store.rows))
	}
}

func TestARestoredDatabaseWithTwoSigningKeysIsHealed(t *testing.T) {
	w := newWorld(t)
	r := w.ring(t)
	signing(t, r, "acme", "access")
	for id, row := range w.store.rows {
		row.State, row.Signs = Signing, row.Created
		row.Version++
		w.store.rows[id] = row
	}
	tick(t, r)
	if got := states(r, "acme"); got != "signing next retiring" {
		t.Error(got)
	}
}

func TestWaitingForKeysEndsWithTheRequest(t *testing.T) {
	r := newWorld(t).ring(t)
	r.lock <- struct{}{} // somebody is busy
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Signing(ctx, "acme", "access", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if r.Find("unknown") != nil {
		t.Error("found")
	}
}

// Whatever two nodes and an administrator do in whatever order: a token verifies
// on every node that has read the store until its overlap ends, the set always has
// the signing and a next key, and no two keys share a kid.
func TestUnderAnyHistoryTokensVerifyAndSetsAreComplete(t *testing.T) {
	type issued struct {
		text string
		at   time.Time
	}
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		nodes := []*Ring{w.ring(t), w.ring(t)}
		var tokens []issued
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			node := nodes[rapid.IntRange(0, 1).Draw(rt, "node")]
			switch rapid.IntRange(0, 3).Draw(rt, "step") {
			case 0:
				w.clock.add(time.Duration(rapid.IntRange(1, 100).Draw(rt, "days")) * day)
			case 1:
				w.clock.add(time.Duration(rapid.IntRange(1, 50).Draw(rt, "minutes")) * time.Minute)
			case 2:
				tokens = append(tokens, issued{token(t, signing(t, node, "acme", "access")), w.clock.now()})
			case 3:
				if err := node.Rotate(t.Context(), "acme", "access", ""); err != nil {
					rt.Fatal(err)
				}
			}
			for _, n := range nodes { // every minute on every node
				tick(t, n)
			}
			check(t, rt, w, nodes)
			for _, tok := range tokens {
				if w.clock.now().Sub(tok.at) < time.Hour && !(verifies(t, nodes[0], tok.text) && verifies(t, nodes[1], tok.text)) {
					rt.Fatal("a live token does not verify")
				}
			}
		}
	})
}

func check(t *testing.T, rt *rapid.T, w *world, nodes []*Ring) {
	t.Helper()
	if len(w.store.rows) == 0 {
		return
	}
	count, names := map[State]int{}, map[string]bool{}
	for _, row := range w.store.rows {
		count[row.State]++
		names[row.KID] = true
	}
	if count[Signing] != 1 || count[Next] != 1 || len(names) != len(w.store.rows) {
		rt.Fatalf("states %v, %d names of %d", count, len(names), len(w.store.rows))
	}
	set := kids(t, nodes[0], "acme", "access")
	for _, n := range nodes {
		if !slices.Contains(set, signing(t, n, "acme", "access").ID) {
			rt.Fatal("a key signs that is not published")
		}
	}
	if len(set) < 2 {
		rt.Fatal("no next key in the set")
	}
}

func BenchmarkSigning(b *testing.B) {
	w := newWorld(b)
	r := w.ring(b)
	signing(b, r, "acme", "access")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Signing(b.Context(), "acme", "access", ""); err != nil {
			b.Fatal(err)
		}
	}
}
