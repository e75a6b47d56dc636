package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Row is one operation, over all rounds that count.
type Row struct {
	Name    string  `json:"operation"`
	Title   string  `json:"title"`
	Store   string  `json:"store"`
	Conns   int     `json:"connections"`
	Rate    float64 `json:"requests_per_second"`
	CPU     float64 `json:"cpu_us"`
	Ratio   float64 `json:"ratio,omitempty"` // to the floor
	Goal    string  `json:"goal,omitempty"`
	Ceiling float64 `json:"ceiling,omitempty"`
	Floor   string  `json:"floor,omitempty"`
	OK      bool    `json:"ok"`
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	P999    float64 `json:"p999_ms"`
	Errors  uint64  `json:"errors"`
	RSS     float64 `json:"rss_mib"`
	Error   string  `json:"first_error,omitempty"`
}

// Figure is anything that is not an operation: a start, a size, a share.
type Figure struct {
	Name  string  `json:"figure"`
	Title string  `json:"title"`
	Store string  `json:"store"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Goal  string  `json:"goal,omitempty"`
	Most  float64 `json:"most,omitempty"`
	Least float64 `json:"least,omitempty"`
	OK    bool    `json:"ok"`
}

// Report collects what a run found.
type Report struct {
	Slack   float64
	Busy    bool // something about the run itself was wrong; the notes say what
	Floors  []Row
	Rows    []Row
	Figures []Figure
	Notes   []string
}

// Over counts what misses its goal, rows with errors, and a run that proves nothing.
func (r *Report) Over() (n int) {
	if r.Busy {
		n++
	}
	for _, x := range r.Rows {
		if !x.OK {
			n++
		}
	}
	for _, x := range r.Figures {
		if !x.OK {
			n++
		}
	}
	return n
}

// Note adds a line under the tables.
func (r *Report) Note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.Notes, text) {
		r.Notes = append(r.Notes, text)
	}
}

// figure adds a figure and holds it against its goal.
func (r *runner) figure(name, title string, value float64, unit string) {
	g := r.goals.For(name, r.engine())
	f := Figure{Name: name, Title: title, Store: r.engine(), Value: value, Unit: unit, Goal: g.ID, Most: g.Most, Least: g.Least, OK: g.Met(value, r.Slack)}
	r.report.Figures = append(r.report.Figures, f)
	r.logf("%-28s %10.2f %s", name, value, unit)
}

// Write writes the tables as Markdown and each row as one line of JSON.
func (r *Report) Write(table, lines io.Writer) error {
	var b strings.Builder
	if len(r.Rows) > 0 || len(r.Floors) > 0 {
		b.WriteString("| operation | req/s | CPU µs | ratio to floor | ceiling | ok? | p50 ms | p99 ms | p99.9 ms | errors | RSS MiB |\n")
		b.WriteString("|---|---|---|---|---|---|---|---|---|---|---|\n")
	}
	for _, x := range r.Floors {
		fmt.Fprintf(&b, "| *%s* | %.0f | %.1f | | | | %s | %s | %s | | |\n", x.Name, x.Rate, x.CPU, ms(x.P50), ms(x.P99), ms(x.P999))
	}
	for _, x := range r.Rows {
		ratio, ceiling := "", ""
		if x.Ratio > 0 {
			ratio = fmt.Sprintf("%.2f × %s", x.Ratio, x.Floor)
		}
		if x.Ceiling > 0 {
			ceiling = fmt.Sprintf("%.4g (%s)", x.Ceiling, x.Goal)
		}
		fmt.Fprintf(&b, "| %s | %.0f | %.1f | %s | %s | %s | %s | %s | %s | %d | %.0f |\n",
			x.Title, x.Rate, x.CPU, ratio, ceiling, verdict(x.OK, x.Goal != "" || x.Errors > 0), ms(x.P50), ms(x.P99), ms(x.P999), x.Errors, x.RSS)
	}
	if len(r.Figures) > 0 {
		b.WriteString("\n| figure | value | goal | ok? |\n|---|---|---|---|\n")
	}
	for _, x := range r.Figures {
		goal := ""
		switch {
		case x.Most > 0:
			goal = fmt.Sprintf("≤ %.4g (%s)", x.Most, x.Goal)
		case x.Least > 0:
			goal = fmt.Sprintf("≥ %.4g (%s)", x.Least, x.Goal)
		}
		fmt.Fprintf(&b, "| %s | %.4g %s | %s | %s |\n", x.Title, x.Value, x.Unit, goal, verdict(x.OK, x.Goal != ""))
	}
	if len(r.Notes) > 0 {
		b.WriteString("\n")
	}
	for _, n := range r.Notes {
		b.WriteString("- " + n + "\n")
	}
	if _, err := io.WriteString(table, b.String()); err != nil {
		return fmt.Errorf("bench: write the table: %w", err)
	}
	return r.writeJSON(lines)
}

func (r *Report) writeJSON(to io.Writer) error {
	if to == nil {
		return nil
	}
	enc := json.NewEncoder(to)
	for _, list := range [][]Row{r.Floors, r.Rows} {
		for _, x := range list {
			if err := enc.Encode(x); err != nil {
				return fmt.Errorf("bench: write JSON: %w", err)
			}
		}
	}
	for _, x := range r.Figures {
		if err := enc.Encode(x); err != nil {
			return fmt.Errorf("bench: write JSON: %w", err)
		}
	}
	return nil
}

func verdict(ok, asked bool) string {
	switch {
	case !ok:
		return "**no**"
	case asked:
		return "yes"
	}
	return ""
}

func ms(v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%.3g", v)
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// median of a list, which it sorts; 0 of none.
func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	mid := len(list) / 2
	if len(list)%2 == 1 {
		return list[mid]
	}
	return (list[mid-1] + list[mid]) / 2
}
