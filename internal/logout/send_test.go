package logout

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"jeton/internal/client"
	"jeton/internal/jose"
	"jeton/internal/outbound"
	"jeton/internal/policy"
	"jeton/internal/session"
	"jeton/internal/store"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type clock struct{ seconds atomic.Int64 }

func (c *clock) now() time.Time { return time.Unix(c.seconds.Load(), 0) }

// registry is clients by id, signing with one key.
type registry struct {
	mu  sync.Mutex
	all map[string]*client.Client
	key *jose.Key
	err error
}

func (r *registry) Client(_, id string) (*client.Client, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.all[id]
	return c, ok
}

func (*registry) Profile(dialect string) (policy.Profile, bool) {
	if dialect == "oidc" {
		return policy.Profile{ID: &policy.Form{}}, true
	}
	return policy.Profile{}, dialect == "other"
}

func (r *registry) SignMessage(_ context.Context, _ policy.Profile, _ *client.Client, _ jose.Alg, typ string, claims jose.Object) (string, error) {
	if r.err != nil {
		return "", r.err
	}
	return jose.Sign(r.key, r.key.Header(typ).Bytes(), claims.Bytes())
}

// rig is a sender on a database of its own.
type rig struct {
	*testing.T
	clock   *clock
	store   *store.Store
	clients *registry
	sender  *Sender
	path    string
	next    int
}

func newRig(t *testing.T) *rig {
	t.Helper()
	key, err := jose.Generate(jose.ES256)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, clock: &clock{}, clients: &registry{all: map[string]*client.Client{}, key: key}, path: filepath.Join(t.TempDir(), "jeton.db")}
	r.clock.seconds.Store(1_800_000_000)
	r.store = r.open()
	r.sender = r.node(r.store)
	return r
}

func (r *rig) open() *store.Store {
	r.Helper()
	st, err := store.Open(r.Context(), r.path, store.Options{Relaxed: true, Now: r.clock.now})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		if err := st.Close(); err != nil {
			r.Error(err)
		}
	})
	return st
}

func (r *rig) node(st *store.Store) *Sender {
	s := New(Options{
		Store: st, Clients: r.clients, Signer: r.clients, Now: r.clock.now, Log: slog.New(slog.DiscardHandler),
		HTTP: outbound.New(outbound.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}),
	})
	s.every = 20 * time.Millisecond
	return s
}

// party is a client's endpoint that keeps the tokens it is sent and answers as answer
// says, 200 when that is nil.
type party struct {
	mu     sync.Mutex
	tokens []string
}

func (p *party) count() int { p.mu.Lock(); defer p.mu.Unlock(); return len(p.tokens) }

func (r *rig) party(id string, answer http.HandlerFunc) *party {
	p := &party{}
	at := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method != http.MethodPost || q.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || q.URL.RawQuery != "" {
			r.Errorf("%s %s %v", q.Method, q.URL, q.Header)
		}
		p.mu.Lock()
		p.tokens = append(p.tokens, q.PostFormValue("logout_token"))
		p.mu.Unlock()
		if answer != nil {
			answer(w, q)
		}
	}))
	r.Cleanup(at.Close)
	r.clients.all[id] = &client.Client{Org: "a", ID: id, Dialect: "oidc", Enabled: true, BackchannelURI: at.URL}
	return p
}

// end ends a session of person 7 that served clients.
func (r *rig) end(clients ...string) {
	r.Helper()
	r.next++
	x := &session.Session{ID: strings.Repeat("s", r.next), Org: "a", User: 7, Idle: 1 << 40, Ends: 1 << 40}
	if err := r.store.PutSession(r.Context(), []byte(x.ID), x); err != nil {
		r.Fatal(err)
	}
	var served []session.Served
	for _, id := range clients {
		served = append(served, session.Served{Client: id, Issuer: "https://op.example/" + id})
	}
	err := r.store.EndSession(r.Context(), "a", x.ID, 1, func([]session.Served) []session.Delivery { return r.sender.Tell(x, served) })
	if err != nil {
		r.Fatal(err)
	}
}

// run runs senders until the test or stop ends them.
func (r *rig) run(nodes ...*Sender) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, s := range nodes {
		all.Go(func() { s.Run(ctx) })
	}
	stop = func() { cancel(); all.Wait() }
	r.Cleanup(stop)
	return stop
}

func (r *rig) list() []session.Delivery {
	r.Helper()
	list, err := r.store.ListDeliveries(r.Context(), "a", "", 0, 100)
	if err != nil {
		r.Fatal(err)
	}
	return list
}

// until waits until the one message is as want says and gives it.
func (r *rig) until(what string, want func(session.Delivery) bool) session.Delivery {
	r.Helper()
	for range 500 {
		if list := r.list(); len(list) == 1 && want(list[0]) {
			return list[0]
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.Fatalf("not %s: %+v", what, r.list())
	return session.Delivery{}
}

func tried(n int64) func(session.Delivery) bool {
	return func(d session.Delivery) bool { return d.Tries == n && d.Result != "" && d.Due != 0 }
}

func TestAMessageIsMadeForEachClientThatTakesOne(t *testing.T) {
	r := newRig(t)
	for _, c := range []client.Client{
		{ID: "app", Dialect: "oidc", Enabled: true, BackchannelURI: "https://a.example/"},
		{ID: "off", Dialect: "oidc", BackchannelURI: "https://a.example/"},
		{ID: "deaf", Dialect: "oidc", Enabled: true},
		{ID: "old", Dialect: "other", Enabled: true, BackchannelURI: "https://a.example/"},
		{ID: "alien", Dialect: "unknown", Enabled: true, BackchannelURI: "https://a.example/"},
	} {
		r.clients.all[c.ID] = &c
	}
	r.end("app", "off", "deaf", "old", "alien", "gone")
	list := r.list()
	if len(list) != 1 {
		t.Fatalf("messages %+v", list)
	}
	d := list[0]
	if d.Client != "app" || d.Kind != Kind || d.User != 7 || d.State != session.Waiting || d.Due != 1_800_000_000 ||
		d.Body != `{"iss":"https://op.example/app","sub":"7","sid":"s"}` {
		t.Errorf("message %+v", d)
	}
}

func TestAMessageArrivesAtOnce(t *testing.T) {
	r := newRig(t)
	p := r.party("app", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	r.sender.every = time.Hour
	r.run(r.sender)
	r.end("app")
	r.sender.Wake()
	d := r.until("done", func(d session.Delivery) bool { return d.State == session.Done })
	if !strings.HasPrefix(d.Result, "204 in ") || d.Tries != 1 || p.count() != 1 {
		t.Fatalf("%+v, %d calls", d, p.count())
	}
	token, err := jose.Parse(p.tokens[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := token.Verify(r.clients.key); err != nil || token.Typ != "logout+jwt" {
		t.Errorf("typ %s, %v", token.Typ, err)
	}
	if got, want := token.Claims.Names(), []string{"iss", "sub", "aud", "iat", "exp", "jti", "events", "sid"}; !slices.Equal(got, want) {
		t.Errorf("claims %q", got)
	}
	for name, want := range map[string]string{"iss": "https://op.example/app", "sub": "7", "aud": "app", "sid": "s"} {
		if got, _ := token.Claims.Text(name); got != want {
			t.Errorf("%s %q", name, got)
		}
	}
	if got := string(token.Claims.Raw("events")); got != `{"http://schemas.openid.net/event/backchannel-logout":{}}` {
		t.Errorf("events %s", got)
	}
	if exp, _ := token.Claims.Int("exp"); exp != 1_800_000_120 {
		t.Errorf("exp %d", exp)
	}
}

func TestAMessageIsSentAgainUntilItArrives(t *testing.T) {
	r := newRig(t)
	var status atomic.Int64
	status.Store(http.StatusServiceUnavailable)
	p := r.party("app", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) })
	r.run(r.sender)
	r.end("app")
	d := r.until("tried", tried(1))
	if d.State != session.Waiting || !strings.HasPrefix(d.Result, "503 in ") || d.Due != 1_800_000_005 {
		t.Fatalf("%+v", d)
	}
	r.clock.seconds.Add(4)
	time.Sleep(100 * time.Millisecond)
	if n := p.count(); n != 1 {
		t.Fatalf("%d calls before it was due", n)
	}
	r.clock.seconds.Add(1)
	r.until("tried again", func(d session.Delivery) bool { return d.Tries == 2 && d.Due == 1_800_000_035 })
	status.Store(http.StatusOK)
	r.clock.seconds.Add(30)
	if d = r.until("done", func(d session.Delivery) bool { return d.State == session.Done }); d.Tries != 3 {
		t.Errorf("%+v", d)
	}
	if p.tokens[0] == p.tokens[2] {
		t.Error("a token that ended was sent again")
	}
}

func TestWhatAClientSaysDecidesWhetherItIsAskedAgain(t *testing.T) {
	say := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, x := range map[string]struct {
		answer        http.HandlerFunc
		state, result string
	}{
		"200":              {say(200, "thanks"), session.Done, "200 in # ms"},
		"202":              {say(202, ""), session.Done, "202 in # ms"},
		"400 with reason":  {say(400, `{"error":"invalid_request","error_description":"no \u001b[31msuch\nsid"}`), session.Failed, "400 in # ms: invalid_request no [31msuch sid"},
		"400 with a page":  {say(400, `<html>`), session.Failed, "400 in # ms"},
		"400 with a flood": {say(400, `{"error":"`+strings.Repeat("x", 100000)+`"}`), session.Failed, "400 in # ms: " + strings.Repeat("x", 157) + "…"},
		"404":              {say(404, ""), session.Waiting, "404 in # ms"},
		"501":              {say(501, ""), session.Waiting, "501 in # ms"},
		"302": {func(w http.ResponseWriter, q *http.Request) { http.Redirect(w, q, "/x", http.StatusFound) }, session.Waiting,
			"answered 302: redirects are not followed; register the URL it leads to"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			p := r.party("app", x.answer)
			r.run(r.sender)
			r.end("app")
			d := r.until("tried", func(d session.Delivery) bool { return d.Result != "" })
			if i := strings.Index(d.Result, " in "); i >= 0 { // the milliseconds differ
				rest := d.Result[i+4:]
				d.Result = d.Result[:i+4] + "#" + rest[strings.IndexByte(rest, ' '):]
			}
			if d.State != x.state || d.Result != x.result || p.count() != 1 {
				t.Errorf("%s: %q, %d calls", d.State, d.Result, p.count())
			}
		})
	}
}

func TestAClientThatIsGoneOrChangedIsNotSentWhatItTakesNoMore(t *testing.T) {
	for want, change := range map[string]func(*registry){
		"there is no such client":                                       func(r *registry) { delete(r.all, "app") },
		"the client is disabled":                                        func(r *registry) { r.all["app"].Enabled = false },
		"the client has no backchannel_logout_uri":                      func(r *registry) { r.all["app"].BackchannelURI = "" },
		"the client's dialect has no ID tokens":                         func(r *registry) { r.all["app"].Dialect = "other" },
		"connection refused":                                            func(r *registry) { r.all["app"].BackchannelURI = "http://127.0.0.1:1/" },
		"the logout token could not be made: see the log of the server": func(r *registry) { r.err = errors.New("no key") },
	} {
		t.Run(want, func(t *testing.T) {
			r := newRig(t)
			p := r.party("app", nil)
			r.end("app")
			change(r.clients)
			r.run(r.sender)
			if d := r.until("tried", func(d session.Delivery) bool { return d.Result != "" }); d.Result != want || p.count() != 0 {
				t.Errorf("%+v, %d calls", d, p.count())
			}
		})
	}
}

func TestOfTwoNodesOneSendsAMessage(t *testing.T) {
	r := newRig(t)
	p := r.party("app", func(http.ResponseWriter, *http.Request) { time.Sleep(5 * time.Millisecond) })
	other := r.node(r.open())
	r.run(r.sender, other)
	const n = 30
	for range n {
		r.end("app")
		r.sender.Wake()
		other.Wake()
	}
	for range 500 {
		done := 0
		for _, d := range r.list() {
			if d.State == session.Done && d.Tries == 1 {
				done++
			}
		}
		if done == n {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	seen := map[string]bool{}
	for _, token := range p.tokens {
		x, err := jose.Parse(token)
		if err != nil {
			t.Fatal(err)
		}
		sid, _ := x.Claims.Text("sid")
		seen[sid] = true
	}
	if p.count() != n || len(seen) != n {
		t.Errorf("%d calls about %d sessions, want %d", p.count(), len(seen), n)
	}
}

func TestAMessageOfANodeThatDiedIsSentAfterItsLease(t *testing.T) {
	r := newRig(t)
	p := r.party("app", nil)
	r.end("app")
	now := r.clock.now()
	taken, err := r.store.TakeDeliveries(t.Context(), now.Unix(), now.Add(lease).Unix(), 4) // and then the power fails
	if len(taken) != 1 || err != nil {
		t.Fatalf("%+v %v", taken, err)
	}
	r.run(r.sender)
	r.clock.seconds.Add(int64(lease/time.Second) - 1)
	time.Sleep(100 * time.Millisecond)
	if n := p.count(); n != 0 {
		t.Fatalf("%d calls within the lease", n)
	}
	r.clock.seconds.Add(1)
	if d := r.until("done", func(d session.Delivery) bool { return d.State == session.Done }); d.Tries != 2 || p.count() != 1 {
		t.Errorf("%+v, %d calls", d, p.count())
	}
}

func TestAStopGivesUpCallsAndLeavesTheirMessages(t *testing.T) {
	r := newRig(t)
	var hang atomic.Bool
	hang.Store(true)
	p := r.party("app", func(_ http.ResponseWriter, q *http.Request) {
		if hang.Load() {
			<-q.Context().Done()
		}
	})
	stop := r.run(r.sender)
	r.end("app")
	for p.count() == 0 {
		time.Sleep(time.Millisecond)
	}
	begun := time.Now()
	stop()
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("the stop took %v", took)
	}
	if d := r.list()[0]; d.State != session.Waiting || d.Due != r.clock.seconds.Load() || d.Result != "interrupted by a stop of the server" {
		t.Fatalf("%+v", d)
	}
	hang.Store(false)
	r.run(r.node(r.store))
	r.until("done", func(d session.Delivery) bool { return d.State == session.Done })
}

func TestAClientThatHangsIsPutOffForOthers(t *testing.T) {
	r := newRig(t)
	r.sender.slow = 10 * time.Millisecond
	p := r.party("app", func(w http.ResponseWriter, q *http.Request) {
		time.Sleep(20 * time.Millisecond)
		panic(http.ErrAbortHandler)
	})
	quick := r.party("quick", nil)
	stop := r.run(r.sender)
	r.end("app")
	r.until("tried", tried(1))
	stop()
	calls := p.count()
	for range 10 {
		r.end("app", "quick")
	}
	r.run(r.sender)
	for quick.count() < 10 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	put := 0
	for _, d := range r.list() {
		if d.Client == "app" && d.State == session.Waiting && d.Due == 1_800_000_030 && strings.HasPrefix(d.Result, "put off") {
			put++
		}
	}
	if put != 10 || p.count() != calls {
		t.Errorf("%d put off, %d calls after %d", put, p.count(), calls)
	}
	r.clock.seconds.Add(30)
	for p.count() == calls {
		time.Sleep(time.Millisecond)
	}
}

// A message is tried until it is some eight hours old, never less than as often as
// the steps say, and always later than now.
func TestRetriesAreLaterAndEnd(t *testing.T) {
	var whole time.Duration
	for _, wait := range backoff {
		whole += wait
	}
	rapid.Check(t, func(t *rapid.T) {
		created := rapid.Int64Range(1e9, 2e9).Draw(t, "created")
		now := time.Unix(created+rapid.Int64Range(-10, 100_000).Draw(t, "age"), 0)
		d := session.Delivery{Created: created, Tries: rapid.Int64Range(0, 50).Draw(t, "tries")}
		o := again(d, now, "x")
		old := now.Sub(time.Unix(created, 0)) >= whole
		switch {
		case o.state == session.Failed && (!old || d.Tries <= int64(len(backoff))):
			t.Fatalf("given up %v old after %d tries", now.Sub(time.Unix(created, 0)), d.Tries)
		case o.state == session.Waiting && (o.due <= now.Unix() || time.Unix(o.due, 0).Sub(now) > backoff[len(backoff)-1]+10*time.Second):
			t.Fatalf("due %d, now %d", o.due, now.Unix())
		case old && d.Tries > int64(len(backoff)) && o.state != session.Failed:
			t.Fatal("never given up")
		}
	})
	d := session.Delivery{Created: 1000}
	now, tries := time.Unix(1000, 0), 0
	for {
		d.Tries++
		tries++
		o := again(d, now, "x")
		if o.state == session.Failed {
			break
		}
		now = time.Unix(o.due, 0)
	}
	if tries != len(backoff)+1 || now.Sub(time.Unix(1000, 0)) != whole {
		t.Errorf("%d tries in %v", tries, now.Sub(time.Unix(1000, 0)))
	}
}

// FuzzRefusal: whatever a client answers makes one bounded line.
func FuzzRefusal(f *testing.F) {
	for _, s := range []string{`{"error":"invalid_request"}`, `{"error_description":"a\nb"}`, `{}`, `[]`, "", `{"error":1}`, `{"error":"\ud800"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		got := refusal(answer)
		if text, ok := strings.CutPrefix(got, ": "); got != "" && (!ok || text != outbound.Clean(text)) {
			t.Errorf("%q from %q", got, answer)
		}
	})
}
