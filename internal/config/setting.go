package config

import (
	"fmt"
	"slices"
	"strings"
)

// Setting is the shape of one setting of a dialect.
type Setting struct {
	Kind    SettingKind
	Choices []string // of a SettingChoice
}

// SettingKind names a shape as dialects do.
type SettingKind string

// The kinds there are; any other accepts any value.
const (
	SettingBool     SettingKind = "bool"
	SettingInt      SettingKind = "int"
	SettingText     SettingKind = "text"
	SettingTexts    SettingKind = "texts"
	SettingDuration SettingKind = "duration" // kept in seconds
	SettingChoice   SettingKind = "choice"   // kept as text
)

// read gives v as the setting is kept; wanted says in words what would do when v
// does not.
func (s Setting) read(v any) (kept any, wanted string) {
	ok := true
	switch s.Kind {
	case SettingBool:
		_, ok = v.(bool)
		wanted = "true or false"
	case SettingInt:
		_, ok = v.(int64)
		wanted = "a whole number"
	case SettingText:
		_, ok = v.(string)
		wanted = "text"
	case SettingTexts:
		ok = isTexts(v)
		wanted = "a list of text"
	case SettingDuration:
		v, ok = seconds(v)
		wanted = "a length of time, such as 900, 15m, 30d or never"
	case SettingChoice:
		if n, whole := v.(int64); whole {
			v = fmt.Sprint(n)
		}
		var text string
		text, ok = v.(string)
		ok = ok && slices.Contains(s.Choices, text)
		wanted = "one of: " + strings.Join(s.Choices, ", ")
	}
	if ok {
		wanted = ""
	}
	return v, wanted
}

func isTexts(v any) bool {
	l, ok := v.([]any)
	return ok && !slices.ContainsFunc(l, func(e any) bool { _, text := e.(string); return !text })
}

func seconds(v any) (any, bool) {
	switch v.(type) {
	case int64, string:
		s, err := ParseSeconds(fmt.Sprint(v))
		return int64(s), err == nil
	}
	return v, false
}
