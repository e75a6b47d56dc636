package audit

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

type keeper struct {
	mu   sync.Mutex
	kept []*Record
	fail error
	hold chan struct{}
}

func (k *keeper) AppendEvents(_ context.Context, records []*Record) error {
	if k.hold != nil {
		<-k.hold
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail != nil {
		return k.fail
	}
	k.kept = append(k.kept, records...)
	return nil
}

func (k *keeper) count() int { k.mu.Lock(); defer k.mu.Unlock(); return len(k.kept) }

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestWhatIsAddedIsKeptBeforeFlushReturns(t *testing.T) {
	k := &keeper{}
	l := NewLog(k, func() time.Time { return noon }, func(err error) { t.Error(err) })
	defer l.Close()
	for range 600 {
		if err := l.Add(&Record{ID: NewID(noon), Event: "token.issue", Outcome: OK}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := k.count(); n != 600 {
		t.Errorf("%d kept", n)
	}
}

func TestRefusalsAreBoundedAndCounted(t *testing.T) {
	k := &keeper{}
	at := noon
	l := NewLog(k, func() time.Time { return at }, func(err error) { t.Error(err) })
	for range refusalBurst + 500 {
		if err := l.Add(&Record{Outcome: Refused}); err != nil {
			t.Fatalf("a dropped refusal is an error: %v", err)
		}
	}
	if d := l.Dropped(); d != 500 {
		t.Errorf("%d dropped", d)
	}
	at = at.Add(2 * time.Second)
	for range 3 * refusalRate {
		_ = l.Add(&Record{Outcome: Refused})
	}
	if d := l.Dropped(); d != 500+refusalRate {
		t.Errorf("%d dropped after two seconds", d)
	}
	l.Close()
	if n := k.count(); n != refusalBurst+2*refusalRate {
		t.Errorf("%d kept", n)
	}
}

func TestAFullQueueIsAnErrorForASuccess(t *testing.T) {
	k := &keeper{hold: make(chan struct{})}
	l := NewLog(k, func() time.Time { return noon }, func(error) {})
	var err error
	for range 3 * queueLength {
		if err = l.Add(&Record{Event: "token.issue", Outcome: OK}); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrFull) {
		t.Errorf("a success that cannot be recorded: %v", err)
	}
	close(k.hold)
	l.Close()
}

func TestFailuresOfTheStoreAreTold(t *testing.T) {
	told := make(chan error, 1)
	k := &keeper{fail: errors.New("disk full")}
	l := NewLog(k, func() time.Time { return noon }, func(err error) { told <- err })
	_ = l.Add(&Record{Event: "x"})
	l.Close()
	if err := <-told; err == nil || l.Dropped() != 1 {
		t.Errorf("told %v, dropped %d", err, l.Dropped())
	}
}

func TestANilRecordIgnoresEverything(t *testing.T) {
	r := From(context.Background())
	r.Name("x")
	r.Pass("a", "b")
	r.Fail("a", "b", "c", "d")
	r.SetClient("c")
	r.SetUser("u")
	r.SetGrant("g")
	r.SetObject("o")
	r.MarkStored()
	if r.Stored() || Aside(context.Background(), "y") == nil {
		t.Error("a record came out of nothing")
	}
}

func TestAsideKeepsTheRequestsOwnRecord(t *testing.T) {
	own := &Record{ID: NewID(noon), At: noon, Org: "o", Client: "c", User: "u"}
	own.Fail("check", "a", "b", "")
	ctx := With(context.Background(), own)
	side := From(Aside(ctx, "family.revoke"))
	side.MarkStored()
	if own.Stored() || side.ID == own.ID || side.Event != "family.revoke" || side.Client != "c" || len(side.Checks) != 0 {
		t.Errorf("own %+v, aside %+v", own, side)
	}
}

func TestIDsSortByTimeAndReadAsPeopleTypeThem(t *testing.T) {
	a, b := NewID(noon), NewID(noon.Add(time.Millisecond))
	if a >= b || a.At().UnixMilli() != noon.UnixMilli() {
		t.Errorf("%d %d %v", a, b, a.At())
	}
	text := a.String()
	for _, typed := range []string{text, strings.ToLower(text), " " + text + "\n", strings.NewReplacer("0", "O", "1", "l").Replace(text)} {
		if got, err := ParseID(typed); err != nil || got != a {
			t.Errorf("ParseID(%q) = %v, %v", typed, got, err)
		}
	}
	for _, bad := range []string{"", "0", text + "0", "ZZZZZZZZZZZZZ", "0000000000U00", "æ000000000000"} {
		if _, err := ParseID(bad); err == nil {
			t.Errorf("ParseID(%q) passes", bad)
		}
	}
	seen := map[ID]bool{}
	for range 10000 {
		id := NewID(noon)
		if seen[id] {
			t.Fatal("an id came twice")
		}
		seen[id] = true
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"bob", "a\r\nb", "\u202ebob", strings.Repeat("é", 300), "\xff\xfe", "a\x00b", "\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Clean(s)
		if strings.ContainsAny(got, "\r\n\x00\u2028\u2029\u202e") || len(got) > maxValue*3+4 || !utf8.ValidString(got) {
			t.Errorf("Clean(%q) = %q", s, got)
		}
	})
}
