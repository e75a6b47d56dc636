package config

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Seconds is a length of time in whole seconds; 0 is "never ends".
type Seconds int64

// maxSeconds is a hundred years: longer ones are mistakes.
const maxSeconds = 100 * 365 * 86400

var errLife = errors.New("not a length of time")

// ParseSeconds reads whole seconds ("900"), the form of Go ("15m", "1h30m"), days
// ("30d", "1d12h") or "never", which is 0.
func ParseSeconds(text string) (Seconds, error) {
	if text == "never" {
		return 0, nil
	}
	if digits(text) {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n > maxSeconds {
			return 0, fmt.Errorf("%w up to 100 years", errLife)
		}
		return Seconds(n), nil
	}
	days, rest, found := strings.Cut(text, "d")
	if !found {
		days, rest = "0", text
	}
	if text == "" || !digits(days) || len(days) > 6 {
		return 0, errLife
	}
	n, _ := strconv.ParseInt(days, 10, 64)
	whole := time.Duration(0)
	if rest != "" {
		var err error
		if whole, err = time.ParseDuration(rest); err != nil || whole < 0 {
			return 0, errLife
		}
	}
	if whole%time.Second != 0 {
		return 0, fmt.Errorf("%w in whole seconds", errLife)
	}
	n = n*86400 + int64(whole/time.Second)
	if n > maxSeconds {
		return 0, fmt.Errorf("%w up to 100 years", errLife)
	}
	return Seconds(n), nil
}

// String is the shortest of "never", days, hours, minutes or seconds.
func (s Seconds) String() string {
	switch {
	case s == 0:
		return "never"
	case s%86400 == 0:
		return strconv.FormatInt(int64(s/86400), 10) + "d"
	case s%3600 == 0:
		return strconv.FormatInt(int64(s/3600), 10) + "h"
	case s%60 == 0:
		return strconv.FormatInt(int64(s/60), 10) + "m"
	}
	return strconv.FormatInt(int64(s), 10) + "s"
}

func (s *Seconds) read(text string) (string, bool) {
	v, err := ParseSeconds(text)
	if err != nil {
		return err.Error(), false
	}
	*s = v
	return "", true
}

func (*Seconds) shape() string { return "duration" }
func (*Seconds) next() string  { return "write seconds (900), 15m, 12h, 30d, or never" }

// Age is a length of time in whole seconds; 0 is none at all.
type Age int64

// String is as Seconds has it, but for 0.
func (a Age) String() string {
	if a == 0 {
		return "0"
	}
	return Seconds(a).String()
}

func (a *Age) read(text string) (string, bool) {
	v, err := ParseSeconds(text)
	if err == nil && text == "never" {
		err = errLife
	}
	if err != nil {
		return err.Error(), false
	}
	*a = Age(v)
	return "", true
}

func (*Age) shape() string { return "duration" }
func (*Age) next() string  { return "write seconds (900), 15m, 12h, or 0" }

// Time is a moment in unix seconds; 0 is "never".
type Time int64

var date = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)

// String is RFC 3339 in UTC, or "never".
func (t Time) String() string {
	if t == 0 {
		return "never"
	}
	return time.Unix(int64(t), 0).UTC().Format(time.RFC3339)
}

func (t *Time) read(text string) (string, bool) {
	if text == "never" {
		*t = 0
		return "", true
	}
	if date.MatchString(text) {
		text += "T00:00:00Z"
	}
	at, err := time.Parse(time.RFC3339, text)
	// A year past 9999 has no RFC 3339 form to be written back in.
	if err != nil || at.Unix() <= 0 || at.UTC().Year() > 9999 {
		return "not a moment after 1970", false
	}
	*t = Time(at.Unix())
	return "", true
}

func (*Time) shape() string { return "time" }
func (*Time) next() string {
	return "write a date (2027-01-01), a time (2027-01-01T00:00:00Z), or never"
}

// scalar is a type with a text form of its own. read gives what is wrong.
type scalar interface {
	read(text string) (wrong string, ok bool)
	shape() string
	next() string
	String() string
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// number is the number syntax of JSON: anything else YAML reads as a number
// (0x1f, 1_000, .inf) means different things to different readers.
var number = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// exact is the range in which a float64 holds every whole number.
const exact = 1 << 53

// readNumber gives an int64 for whole numbers and a float64 for others, so that
// 1, 1.0 and 1e0 are one value.
func readNumber(text string) (any, bool) {
	if !number.MatchString(text) {
		return nil, false
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) {
		return nil, false
	}
	if f == math.Trunc(f) && math.Abs(f) < exact {
		return int64(f), true
	}
	return f, true
}
