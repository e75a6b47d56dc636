package store

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"jeton/internal/audit"
	"jeton/internal/oauth"
)

func openFile(t *testing.T, o Options) *Store {
	t.Helper()
	o.Relaxed = true
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "jeton.db"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// hold keeps the writer busy until the returned function is called.
func hold(t *testing.T, s *Store) (release func()) {
	t.Helper()
	busy, done := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = s.prepare(context.Background(), "hold", 0, func(*tx) error {
			close(busy)
			<-done
			return nil
		})
	})
	<-busy
	return func() { close(done); wg.Wait() }
}

func TestAChangeWhoseEventCannotBeStoredDoesNotHappen(t *testing.T) {
	s := openFile(t, Options{})
	err := s.prepare(t.Context(), "break the table", 0, func(t *tx) error {
		_, err := t.exec(`ALTER TABLE event RENAME TO elsewhere`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// All wait for the writer, so they are committed, and fail, together.
	release := hold(t, s)
	var wg sync.WaitGroup
	with, without := &oauth.Family{ID: 1, Org: "a"}, &oauth.Family{ID: 2, Org: "a"}
	record := &audit.Record{Event: "token.issue"}
	var withErr, withoutErr error
	wg.Go(func() { withErr = s.PutFamily(audit.With(context.Background(), record), with, nil) })
	wg.Go(func() { withoutErr = s.PutFamily(context.Background(), without, nil) })
	waitQueued(t, s, 2)
	release()
	wg.Wait()
	if withErr == nil || oauth.Is(withErr, oauth.Unavailable) || record.Stored() {
		t.Fatalf("with an event: error %v, stored %v", withErr, record.Stored())
	}
	if _, err := s.Family(t.Context(), 1); !errors.Is(err, ErrNotFound) {
		t.Fatalf("the change without its event: %v", err)
	}
	if withoutErr != nil {
		t.Fatalf("the change beside it: %v", withoutErr)
	}
	if _, err := s.Family(t.Context(), 2); err != nil {
		t.Fatalf("the change beside it: %v", err)
	}
}

func waitQueued(t *testing.T, s *Store, n int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); len(s.writers[0].queue) < n; {
		if time.Now().After(deadline) {
			t.Fatal("operations do not queue")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestAStatementThatFailsHurtsItsOwnOperationAlone(t *testing.T) {
	s := openFile(t, Options{})
	release := hold(t, s)
	var wg sync.WaitGroup
	errs := make([]error, 50)
	for i := range errs {
		wg.Go(func() {
			errs[i] = s.prepare(context.Background(), "mixed", 0, func(t *tx) error {
				if _, err := t.exec(putMeta, string(rune('A'+i)), "v"); err != nil {
					return err
				}
				if i%10 == 3 {
					_, err := t.exec(`INSERT INTO counter (name, value) VALUES ('revision', NULL)`)
					return err
				}
				return nil
			})
		})
	}
	waitQueued(t, s, len(errs))
	release()
	wg.Wait()
	for i, err := range errs {
		_, missing := s.Meta(t.Context(), string(rune('A'+i)))
		if failed := i%10 == 3; (err != nil) != failed || (missing != nil) != failed {
			t.Errorf("operation %d: error %v, then %v", i, err, missing)
		}
	}
}

func TestAFullQueueIsRefusedWithATimeToComeBack(t *testing.T) {
	s := openFile(t, Options{QueueLength: 2})
	release := hold(t, s)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if err := s.PutFamily(context.Background(), &oauth.Family{Org: "a"}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	waitQueued(t, s, 2)
	err := s.PutFamily(t.Context(), &oauth.Family{Org: "a"}, nil)
	refusal := oauth.AsRefusal(err)
	if refusal.Code != oauth.Unavailable || refusal.RetryAfter != time.Second || !errors.Is(err, errQueue) {
		t.Errorf("got %v", err)
	}
	release()
	wg.Wait()
}

func TestAnOperationGivenUpWhileItWaitsNeverRuns(t *testing.T) {
	s := openFile(t, Options{})
	release := hold(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	f := &oauth.Family{ID: 5, Org: "a"}
	if err := s.PutFamily(ctx, f, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	release()
	if err := s.PutFamily(t.Context(), &oauth.Family{ID: 6}, nil); err != nil { // the queue is past it
		t.Fatal(err)
	}
	if _, err := s.Family(t.Context(), 5); !errors.Is(err, ErrNotFound) {
		t.Fatalf("it ran: %v", err)
	}
}

func TestAnOperationGivenUpWhileItRunsIsAnsweredAsItEnded(t *testing.T) {
	s := openFile(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	err := s.prepare(ctx, "cancelled", 0, func(t *tx) error {
		cancel()
		time.Sleep(10 * time.Millisecond)
		_, err := t.exec(putMeta, "a", "b")
		return err
	})
	if got, _ := s.Meta(t.Context(), "a"); err != nil || got != "b" {
		t.Fatalf("error %v, value %q", err, got)
	}
}

func TestWhatIsQueuedWhenTheStoreClosesIsAnswered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jeton.db")
	s, err := Open(t.Context(), path, Options{Relaxed: true})
	if err != nil {
		t.Fatal(err)
	}
	release := hold(t, s)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := s.PutFamily(context.Background(), &oauth.Family{ID: int64(i + 1), Org: "a"}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	waitQueued(t, s, 20)
	wg.Go(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	release()
	wg.Wait()
	s, err = Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	all, err := s.ListFamilies(t.Context(), "a", FamilyFilter{}, 0, 100)
	if err != nil || len(all) != 20 {
		t.Fatalf("%d families, error %v", len(all), err)
	}
}
