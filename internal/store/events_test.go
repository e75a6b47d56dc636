package store

import (
	"strings"
	"testing"
)

func FuzzPlain(f *testing.F) {
	for _, s := range []string{"", "ann", "a\x00b", "\xff\xfe", "\xed\xa0\x80", "é\x00\xc3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := plain(s)
		if !storable(got) {
			t.Fatalf("%q became %q, which no engine keeps", s, got)
		}
		if storable(s) != (got == s) {
			t.Fatalf("%q became %q", s, got)
		}
		if strings.Trim(s, "\x00") != "" && got == "" {
			t.Fatalf("%q was lost", s)
		}
	})
}

func TestGroupsOfAPowerOfTwoHoldEveryValueInOrder(t *testing.T) {
	for n := range 300 {
		values := make([]int, n)
		for i := range values {
			values[i] = i
		}
		for _, sizes := range []int{1, 4, maxPowers} {
			next := 0
			err := grouped(values, sizes, func(i int, group []int) error {
				if len(group) != 1<<i || i >= sizes || group[0] != next {
					t.Fatalf("%d values: group %d of %d begins with %d", n, i, len(group), group[0])
				}
				next += len(group)
				return nil
			})
			if err != nil || next != n {
				t.Fatalf("%d of %d values were handed on", next, n)
			}
		}
	}
}
