package store

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestHandlesAreInTheOrderOfTheirEnds(t *testing.T) {
	first, last := firstHour*3600, (firstHour+lastHour-2)*3600
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64Range(first, last).Draw(t, "a"), rapid.Int64Range(first, last).Draw(t, "b")
		x, y := NewHandle(a), NewHandle(b)
		if x <= 0 || y <= 0 || x == y {
			t.Fatalf("handles %d, %d", x, y)
		}
		if a/3600 != b/3600 && (a < b) != (x < y) {
			t.Fatalf("ends %d, %d have handles %d, %d", a, b, x, y)
		}
		if never := NewHandle(0); never <= x || never>>sequenceBits != lastHour {
			t.Fatalf("a handle without an end %d is not after %d", never, x)
		}
	})
}

func TestNoHandleIsSweptBeforeItsEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ends := rapid.Int64().Draw(t, "ends")
		now := rapid.Int64Range(0, time.Now().Unix()*2).Draw(t, "now")
		swept := NewHandle(ends) < hour(now)<<sequenceBits
		if swept && (ends == 0 || ends > now) {
			t.Fatalf("at %d the family that ends at %d would go", now, ends)
		}
	})
}

func TestMigrationsAreReadWhole(t *testing.T) {
	steps, err := loadMigrations()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range steps {
		for _, q := range m.statements {
			word, _, _ := strings.Cut(q, " ")
			if !strings.Contains("CREATE INSERT ALTER UPDATE DELETE DROP", word) {
				t.Errorf("%s: a statement begins with %q", m.name, word)
			}
		}
	}
	for name, text := range map[string]string{
		"x_start.sql": "-- needs: 1\n", "0001_start.sql": "CREATE TABLE a", "0002_start.sql": "-- needs: x\n",
	} {
		if _, err := parseMigration(name, text); err == nil {
			t.Errorf("%s with %q was accepted", name, text)
		}
	}
}
