package store_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"jeton/internal/oauth"
	"jeton/internal/store"
)

// writerEnv makes the test binary a process that writes until it is killed.
const writerEnv = "STORE_TEST_WRITER"

// writeUntilKilled puts families in the file the environment names and reports
// each handle on standard output once the store has answered.
func writeUntilKilled() {
	s, err := store.Open(context.Background(), os.Getenv(writerEnv), store.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	var out sync.Mutex
	for range 16 {
		go func() {
			for {
				f := &oauth.Family{ID: store.NewHandle(0), Org: "a"}
				if err := s.PutFamily(context.Background(), f, nil); err != nil {
					continue
				}
				out.Lock()
				fmt.Println(f.ID)
				out.Unlock()
			}
		}()
	}
	select {}
}

func TestAKilledProcessLosesNothingItReported(t *testing.T) {
	path := file(t)
	reported := map[int64]bool{}
	for round := range 4 {
		for _, id := range killedWriter(t, path, time.Duration(50+40*round)*time.Millisecond) {
			reported[id] = true
		}
	}
	if len(reported) < 50 {
		t.Fatalf("only %d families were reported", len(reported))
	}
	s := opened(t, path, store.Options{})
	for id := range reported {
		if _, err := s.Family(t.Context(), id); err != nil {
			t.Fatalf("family %d of %d: %v", id, len(reported), err)
		}
	}
}

// killedWriter runs a writing process, kills it some time after its first report,
// and returns the handles it reported.
func killedWriter(t *testing.T, path string, life time.Duration) (ids []int64) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), writerEnv+"="+path)
	c.Stderr = os.Stderr
	pipe, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(pipe)
	for lines.Scan() {
		if len(ids) == 0 {
			time.AfterFunc(life, func() { _ = c.Process.Kill() })
		}
		id, err := strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil {
			break // the last line may be cut
		}
		ids = append(ids, id)
	}
	_ = c.Wait() // killed, as it should be
	return ids
}
