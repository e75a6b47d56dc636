package adminapi

import (
	"net/http"
	"strings"

	"jeton/internal/audit"
	"jeton/internal/dialect"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

// Problem is the body of every refusal (RFC 9457 §3).
type Problem struct {
	Type     string  `json:"type"`
	Title    string  `json:"title"`
	Status   int     `json:"status"`
	Detail   string  `json:"detail"`
	Instance string  `json:"instance"` // the error id: `jeton explain` knows it
	Errors   []Fault `json:"errors,omitempty"`
}

// Fault is one thing wrong with what was sent: where (RFC 6901, or the name of a
// query parameter) and what.
type Fault struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// typePrefix names the kinds of problem; the oauth.Code follows.
const typePrefix = "urn:jeton:problem:"

// maxFaults is how many faults one answer lists.
const maxFaults = 50

// lines separates the faults that travel together in one refusal.
const lines = "\n"

// faulty refuses what was sent, with everything that is wrong with it.
func faulty(list []Fault) error {
	list = list[:min(len(list), maxFaults)]
	at, what := make([]string, len(list)), make([]string, len(list))
	for i, f := range list {
		at[i], what[i] = audit.Clean(f.Pointer), strings.ReplaceAll(f.Detail, lines, " ")
	}
	return refuse(oauth.InvalidValue, strings.Join(at, lines), strings.Join(what, lines))
}

// words writes a refusal as a problem.
func words(r dialect.Refusal) dialect.Reply {
	p := Problem{
		Type: typePrefix + string(r.Code), Title: r.Code.Text(), Status: status(r.Code), Detail: r.Description, Instance: r.ID,
	}
	if r.Param != "" {
		what := strings.Split(r.Description, lines)
		for i, at := range strings.Split(r.Param, lines) {
			p.Errors = append(p.Errors, Fault{Pointer: at, Detail: what[min(i, len(what)-1)]})
		}
		p.Detail = what[0]
	}
	return dialect.Reply{Status: p.Status, ContentType: "application/problem+json", Body: p}
}

// status: a value that cannot be is a bad request here, like every other mistake
// in what was sent.
func status(code oauth.Code) int {
	if code == oauth.InvalidValue {
		return http.StatusBadRequest
	}
	return wire.Status(code)
}
