package page

import (
	"fmt"
	"html/template"
	"time"
)

// ago is how long at lies back, in words: people read "2 minutes ago" faster than
// an hour in a zone of the server's.
func (t *tongue) ago(at, now time.Time) (string, error) {
	switch d := now.Sub(at); {
	case at.IsZero():
		return t.say("time.never")
	case d < time.Minute:
		return t.say("time.now")
	case d < time.Hour:
		return t.say("time.minutes", int(d/time.Minute))
	case d < 24*time.Hour:
		return t.say("time.hours", int(d/time.Hour))
	case d < 30*24*time.Hour:
		return t.say("time.days", int(d/(24*time.Hour)))
	}
	day, err := t.date(at)
	if err != nil {
		return "", err
	}
	return t.say("time.on", day)
}

// date is a day in words.
func (t *tongue) date(at time.Time) (string, error) {
	at = at.UTC()
	month, err := t.say(fmt.Sprintf("time.month.%d", at.Month()))
	if err != nil {
		return "", err
	}
	day := fmt.Sprint(at.Day())
	if t.lang == "fr" && at.Day() == 1 {
		day = "1er"
	}
	return t.say("time.date", day, month, at.Year())
}

// element is a <time> for people and machines; the exact moment is its title.
func element(at time.Time, words string) template.HTML {
	if at.IsZero() {
		return template.HTML(template.HTMLEscapeString(words))
	}
	at = at.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`,
		at.Format(time.RFC3339), at.Format("2006-01-02 15:04:05 UTC"), template.HTMLEscapeString(words)))
}
