package bench

import (
	"bufio"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestAHistogramIsRightToThreeDigits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Uint64Range(0, uint64(longest.Microseconds())).Draw(t, "µs")
		got := value(slot(v))
		if got > v || float64(v-got) > 0.001*float64(v) {
			t.Fatalf("%d µs came back as %d", v, got)
		}
		if next := value(slot(v) + 1); next <= v {
			t.Fatalf("%d µs is in a slot that ends at %d", v, next)
		}
	})
}

func TestQuantilesCountEveryLatency(t *testing.T) {
	var a, b Histogram
	for i := 1; i <= 1000; i++ {
		h := &a
		if i%2 == 0 {
			h = &b
		}
		h.Add(time.Duration(i) * time.Microsecond)
	}
	a.Merge(&b)
	for q, want := range map[float64]time.Duration{.5: 500, .99: 990, .999: 999, 1: 1000} {
		if got := a.Quantile(q); got != want*time.Microsecond {
			t.Errorf("quantile %g is %s, want %d µs", q, got, want)
		}
	}
	if a.Count() != 1000 {
		t.Errorf("%d counted", a.Count())
	}
	var none Histogram
	if none.Quantile(.5) != 0 {
		t.Error("an empty histogram has a median")
	}
	none.Add(time.Hour)
	if got := none.Quantile(.5); got > longest || got < longest*999/1000 {
		t.Errorf("an hour is counted as %s", got)
	}
}

func TestProcessorTimeIsReadBehindAnyName(t *testing.T) {
	const line = `4242 (a ) b (c)) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 8 0 100 1000 200`
	got, err := parseStat([]byte(line))
	if err != nil || got != 2*time.Second {
		t.Errorf("%s, %v; want 2 s", got, err)
	}
	if _, err := parseStat([]byte("1 (x) S 1")); err == nil {
		t.Error("a short line is read")
	}
	if got, err := parseRSS("Name:\tx\nVmRSS:\t    1024 kB\n"); err != nil || got != 1<<20 {
		t.Errorf("%d, %v; want 1 MiB", got, err)
	}
	if _, err := parseRSS("Name:\tx\n"); err == nil {
		t.Error("a status without VmRSS is read")
	}
}

func TestTheMeterSeesThisProcessWork(t *testing.T) {
	p := Proc(os.Getpid())
	from, err := p.CPU()
	if err != nil {
		t.Fatal(err)
	}
	for used := ownCPU(); ownCPU() < used+60*time.Millisecond; {
	}
	to, err := p.CPU()
	if err != nil || to-from < 40*time.Millisecond {
		t.Errorf("60 ms of work were measured as %s, %v", to-from, err)
	}
	if rss, err := p.RSS(); err != nil || rss < 1<<20 {
		t.Errorf("memory %d, %v", rss, err)
	}
}

func TestAnswersAreReadAsTheyAreSent(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/304":
			w.Header().Set("ETag", `"x"`)
			w.WriteHeader(http.StatusNotModified)
		case "/close":
			w.Header().Set("Connection", "close")
			_, _ = w.Write([]byte("bye"))
		case "/chunked":
			_, _ = w.Write([]byte("a"))
			w.(http.Flusher).Flush()
		default:
			_, _ = w.Write([]byte(r.Method + " " + r.Host + " " + r.Header.Get("X-Test")))
		}
	}))
	defer s.Close()
	addr := s.Listener.Addr().String()
	c := Dial(addr)
	defer c.Close()
	for _, x := range []struct {
		path   string
		status int
		body   string
	}{{"/", 200, "GET " + addr + " yes"}, {"/304", 304, ""}, {"/close", 200, "bye"}, {"/", 200, "GET " + addr + " yes"}} {
		status, body, err := c.Do(Request("GET", x.path, addr, "", "X-Test: yes"))
		if err != nil || status != x.status || string(body) != x.body {
			t.Errorf("%s: %d %q %v; want %d %q", x.path, status, body, err, x.status, x.body)
		}
		if x.path == "/304" && c.ETag != `"x"` {
			t.Errorf("ETag %q", c.ETag)
		}
	}
	if _, _, err := c.Do(Request("GET", "/chunked", addr, "")); err == nil {
		t.Error("a body of unknown length is taken")
	}
}

func TestARequestIsWhatAServerReads(t *testing.T) {
	raw := Request("POST", "/oauth2/token", "host:1", "a=b", formType, basic("id", "se:cret"))
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(raw))))
	if err != nil {
		t.Fatal(err)
	}
	id, secret, ok := r.BasicAuth()
	if r.ContentLength != 3 || r.Host != "host:1" || !ok || id != "id" || secret != "se%3Acret" {
		t.Errorf("%d %s %s %s", r.ContentLength, r.Host, id, secret)
	}
}

func TestMemberFindsTheTextOfAMember(t *testing.T) {
	body := []byte(`{"access_token":"abc","expires_in":900,"refresh_token":"def"}`)
	for name, want := range map[string]string{"access_token": "abc", "refresh_token": "def", "expires_in": "", "none": ""} {
		if got := Member(body, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// slow runs a server that answers after a delay.
func slow(t *testing.T, delay time.Duration) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(delay)
		_, _ = w.Write([]byte("x"))
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestAnOpenLoopFeelsTheWait(t *testing.T) {
	addr := slow(t, 20*time.Millisecond)
	steps := []Step{fetch(Request("GET", "/", addr, ""), "x")}
	// One connection can do 50 a second; 100 are asked for, so the wait grows.
	r, err := Load{Addr: addr, Rate: 100, Time: 500 * time.Millisecond}.drive(steps, nil)
	if err != nil || r.Errors != 0 {
		t.Fatal(err, r.First)
	}
	if p := r.Latency.Quantile(1); p < 120*time.Millisecond {
		t.Errorf("the longest wait is %s: counted from the sending, not from the plan", p)
	}
}

func TestAClosedLoopCountsErrorsAndOperations(t *testing.T) {
	addr := slow(t, 0)
	boom := errors.New("boom")
	n := 0
	good := fetch(Request("GET", "/", addr, ""), "x")
	r, err := Load{Addr: addr, Count: 100}.drive([]Step{func(c *Conn) error {
		if n++; n%10 == 0 {
			return boom
		}
		return good(c)
	}}, nil)
	if err != nil || r.Ops+r.Errors != 100 || r.Errors != 10 || !errors.Is(r.First, boom) {
		t.Errorf("%d operations, %d errors, %v, %v", r.Ops, r.Errors, r.First, err)
	}
}

func TestAServerThatHangsEndsAsErrors(t *testing.T) {
	hang := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer s.Close()
	defer close(hang)
	addr := s.Listener.Addr().String()
	step := fetch(Request("GET", "/", addr, ""), "x")
	r, err := Load{Addr: addr, Count: 2}.drive([]Step{func(c *Conn) error {
		c.limit = 50 * time.Millisecond
		return step(c)
	}}, nil)
	if err != nil || r.Errors != 2 {
		t.Errorf("%d errors, %v", r.Errors, err)
	}
}

func TestGoalsAreReadAndHeld(t *testing.T) {
	g, err := LoadGoals("../../bench/goals.json")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, o := range Operations() {
		rows[o.Name] = true
	}
	for _, x := range g.Goals {
		if x.Floor != nil && !rows[x.Row] {
			t.Errorf("goal %s is for %s, which is no operation", x.ID, x.Row)
		}
	}
	if got := g.For("cc-opaque", Postgres); got.ID != "P4" || got.Most != 6 {
		t.Errorf("on PostgreSQL the goal of cc-opaque is %+v", got)
	}
	p6 := g.For("introspect-jwt", SQLite)
	if got := p6.Of(map[string]float64{"F": 10, "V_ES256": 20}); got != 30 {
		t.Errorf("F + V_ES256 is %g, want 30", got)
	}
	if got := p6.Of(map[string]float64{"F": 10}); got != 0 {
		t.Errorf("with a floor missing the sum is %g", got)
	}
	for _, x := range []struct {
		goal          Goal
		figure, slack float64
		want          bool
	}{
		{Goal{Most: 2}, 2, 0, true}, {Goal{Most: 2}, 2.1, 0, false}, {Goal{Most: 2}, 2.5, .3, true}, {Goal{Most: 2}, 2.7, .3, false},
		{Goal{Least: .9}, .9, 0, true}, {Goal{Least: .9}, .89, 0, false}, {Goal{Least: .9}, .7, .3, true}, {Goal{}, 99, 0, true},
	} {
		if got := x.goal.Met(x.figure, x.slack); got != x.want {
			t.Errorf("%+v met by %g with slack %g: %v", x.goal, x.figure, x.slack, got)
		}
	}
}

func TestGoalsThatMeanNothingAreRefused(t *testing.T) {
	for _, text := range []string{`{`, `{"goals":[{"id":"P1","row":"x"}]}`, `{"goals":[{"id":"P1","row":"x","most":1,"least":1}]}`, `{"goals":[{"row":"x","most":1}]}`} {
		name := filepath.Join(t.TempDir(), "goals.json")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadGoals(name); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}

func TestTheTableTellsWhatIsOver(t *testing.T) {
	r := Report{Rows: []Row{
		{Title: "good", Ratio: 1.2, Floor: "F", Ceiling: 1.5, Goal: "P1", OK: true},
		{Title: "bad", Ratio: 1.7, Floor: "F", Ceiling: 1.5, Goal: "P1"},
	}, Figures: []Figure{{Title: "start", Value: 12, Unit: "ms", Most: 50, Goal: "P13", OK: true}}}
	r.Note("%d round", 1)
	r.Note("%d round", 1)
	var table, lines strings.Builder
	if err := r.Write(&table, &lines); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| bad | 0 | 0.0 | 1.70 × F | 1.5 (P1) | **no** |", "| good | 0 | 0.0 | 1.20 × F | 1.5 (P1) | yes |", "| start | 12 ms | ≤ 50 (P13) | yes |", "\n- 1 round\n"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("no %q in\n%s", want, table.String())
		}
	}
	if n := strings.Count(lines.String(), "\n"); n != 3 || r.Over() != 1 || strings.Count(table.String(), "1 round") != 1 {
		t.Errorf("%d lines, %d over", n, r.Over())
	}
}

func TestTheMedianIsInTheMiddle(t *testing.T) {
	for want, list := range map[float64][]float64{0: {}, 2: {3, 1, 2}, 2.5: {4, 1, 2, 3}} {
		if got := median(list); got != want {
			t.Errorf("median of %v is %g", list, got)
		}
	}
}
