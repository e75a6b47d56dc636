package page

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

//go:embed catalogue/*.json
var catalogues embed.FS

// Languages lists the languages pages are written in; the first stands in for all
// others.
var Languages = []string{"en", "fr"}

// Pseudo is a language made from the first by a function: accents, two fifths
// longer, in brackets. It shows what is not in a catalogue and what does not fit.
const Pseudo = "x-pseudo"

// one says which numbers take a language's form for one (Unicode CLDR plural
// rules; the forms that only fractions and millions have do not occur here).
var one = map[string]func(n int) bool{
	"en":   func(n int) bool { return n == 1 },
	"fr":   func(n int) bool { return n == 0 || n == 1 },
	Pseudo: func(n int) bool { return n == 1 },
}

// text is a sentence in parts: words, arguments, and words that follow a number.
type text []piece

type piece struct {
	words string // arg < 0
	arg   int    // position of the argument, -1 = none
	one   string // with more: what stands for the argument, # is its number
	more  string
}

// parseText reads "{0} … {1|# minute|# minutes}".
func parseText(s string) (text, error) {
	var t text
	for s != "" {
		before, rest, found := strings.Cut(s, "{")
		if before != "" {
			t = append(t, piece{words: before, arg: -1})
		}
		if !found {
			break
		}
		inner, after, closed := strings.Cut(rest, "}")
		parts := strings.Split(inner, "|")
		n, err := strconv.Atoi(parts[0])
		if !closed || err != nil || n < 0 || n > 9 || len(parts) != 1 && len(parts) != 3 {
			return nil, fmt.Errorf("cannot read {%s", rest)
		}
		p := piece{arg: n}
		if len(parts) == 3 {
			p.one, p.more = parts[1], parts[2]
		}
		t, s = append(t, p), after
	}
	return t, nil
}

// tongue is one language: its texts by key.
type tongue struct {
	lang  string
	texts map[string]text
}

func loadTongue(lang string) (*tongue, error) {
	file, err := catalogues.ReadFile("catalogue/" + lang + ".json")
	if err != nil {
		return nil, fmt.Errorf("page: no catalogue for %s: %w", lang, err)
	}
	var raw map[string]string
	if err := json.Unmarshal(file, &raw); err != nil {
		return nil, fmt.Errorf("page: catalogue %s: %w", lang, err)
	}
	t := &tongue{lang, make(map[string]text, len(raw))}
	for key, s := range raw {
		if t.texts[key], err = parseText(s); err != nil {
			return nil, fmt.Errorf("page: catalogue %s, %s: %w", lang, key, err)
		}
	}
	return t, nil
}

// pseudo makes the pseudo-language of t.
func pseudo(t *tongue) *tongue {
	out := &tongue{Pseudo, make(map[string]text, len(t.texts))}
	for key, parts := range t.texts {
		length, long := 0, slices.Clone(parts)
		for i, p := range long {
			length += len(p.words) + len(p.more)
			long[i].words, long[i].one, long[i].more = accented.Replace(p.words), accented.Replace(p.one), accented.Replace(p.more)
		}
		long = append(text{{words: "[", arg: -1}}, long...)
		out.texts[key] = append(long, piece{words: strings.Repeat("~", (length*2+4)/5) + "]", arg: -1})
	}
	return out
}

var accented = strings.NewReplacer("a", "á", "e", "é", "i", "ï", "o", "ö", "u", "û", "c", "ç", "n", "ñ", "s", "š", "y", "ý",
	"A", "Å", "E", "É", "I", "Î", "O", "Ø", "U", "Ü", "C", "Ç", "N", "Ñ", "S", "Š")

// say writes the text of key. Arguments are data: what would turn the reading
// direction or break the line is taken out of them.
func (t *tongue) say(key string, args ...any) (string, error) {
	var b strings.Builder
	err := t.write(&b, key, args, func(s string) string { return s }, plain)
	return b.String(), err
}

// rich is say with the arguments set apart from the sentence around them. One that
// is markup already, a time, stays as it is.
func (t *tongue) rich(key string, args ...any) (template.HTML, error) {
	var b strings.Builder
	err := t.write(&b, key, args, template.HTMLEscapeString, func(v any) string {
		if h, ok := v.(template.HTML); ok {
			return string(h)
		}
		return "<bdi>" + template.HTMLEscapeString(plain(v)) + "</bdi>"
	})
	return template.HTML(b.String()), err // every part above is escaped
}

func (t *tongue) write(b *strings.Builder, key string, args []any, words func(string) string, data func(any) string) error {
	parts, ok := t.texts[key]
	if !ok {
		return fmt.Errorf("page: catalogue %s has no text %q", t.lang, key)
	}
	for _, p := range parts {
		switch {
		case p.arg < 0:
			b.WriteString(words(p.words))
		case p.arg >= len(args):
			return fmt.Errorf("page: text %q of %s speaks of {%d}, which it was not given", key, t.lang, p.arg)
		case p.more == "":
			b.WriteString(data(args[p.arg]))
		default:
			n, ok := number(args[p.arg])
			if !ok {
				return fmt.Errorf("page: text %q of %s counts {%d}, which is no number", key, t.lang, p.arg)
			}
			form := p.more
			if one[t.lang](n) {
				form = p.one
			}
			b.WriteString(words(strings.ReplaceAll(form, "#", strconv.Itoa(n))))
		}
	}
	return nil
}

func number(v any) (int, bool) {
	switch n := v.(type) {
	case int:
		return n, true
	case int64:
		return int(n), true
	}
	return 0, false
}

// plain is an argument as text, without controls: U+202E in a client's name would
// turn the rest of our sentence around.
func plain(v any) string {
	s, ok := v.(string)
	if !ok {
		s = fmt.Sprint(v)
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029':
			return -1
		}
		return r
	}, s)
}

// loadAll reads the texts in every language.
func loadAll() (map[string]*tongue, error) {
	out := make(map[string]*tongue, len(Languages)+1)
	for _, lang := range Languages {
		t, err := loadTongue(lang)
		if err != nil {
			return nil, err
		}
		out[lang] = t
	}
	return out, nil
}

// CatalogueKeys lists the texts that are chosen while a page is drawn: those of notes,
// problems, fields, scopes, events and confirmations. A key that starts with one
// of prefixes is among them.
func CatalogueKeys(prefixes ...string) []string {
	t, err := loadTongue(Languages[0])
	if err != nil {
		return nil // New reports it
	}
	out := slices.DeleteFunc(slices.Sorted(maps.Keys(t.texts)), func(key string) bool {
		return !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(key, p) })
	})
	return out
}
