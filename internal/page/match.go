package page

import (
	"strings"

	"golang.org/x/text/language"
)

// most is how many bytes of a stranger's wish for languages are read.
const most = 1 << 10

var matcher = func() language.Matcher {
	var tags []language.Tag
	for _, l := range Languages {
		tags = append(tags, language.Make(l))
	}
	return language.NewMatcher(tags)
}()

// Match finds the language to speak: the first of ui_locales that there is
// (OpenID Connect Core §3.1.2.1), then what Accept-Language prefers (RFC 9110
// §12.5.4), then the first of Languages. What cannot be read is passed over.
func Match(uiLocales, acceptLanguage string) string {
	var asked []language.Tag
	for f := range strings.FieldsSeq(cut(uiLocales, ' ')) {
		if tag, err := language.Parse(f); err == nil {
			asked = append(asked, tag)
		}
	}
	if l, ok := best(asked); ok {
		return l
	}
	accepted, _, err := language.ParseAcceptLanguage(cut(acceptLanguage, ','))
	if err != nil {
		return Languages[0]
	}
	l, _ := best(accepted)
	return l
}

func best(tags []language.Tag) (string, bool) {
	if len(tags) == 0 {
		return Languages[0], false
	}
	_, at, sure := matcher.Match(tags...)
	if sure == language.No {
		return Languages[0], false
	}
	return Languages[at], true
}

// cut shortens a list to what is read of it, at a separator.
func cut(s string, separator byte) string {
	if len(s) <= most {
		return s
	}
	s = s[:most]
	return s[:max(strings.LastIndexByte(s, separator), 0)]
}
