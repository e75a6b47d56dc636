package storetest

import (
	"reflect"
	"slices"
	"testing"
)

// filled fails when a field of v other than those named is zero: a field added to
// a contract later must be kept too, and the round trips above must see it.
func filled(t *testing.T, v any, except ...string) {
	t.Helper()
	s := reflect.ValueOf(v).Elem()
	for i := range s.NumField() {
		name := s.Type().Field(i).Name
		if s.Field(i).IsZero() && !slices.Contains(except, name) {
			t.Errorf("%s.%s is zero in the round trips: give it a value", s.Type(), name)
		}
	}
}
