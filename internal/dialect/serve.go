package dialect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"jeton/internal/audit"
	"jeton/internal/mfa"
	"jeton/internal/oauth"
	"jeton/internal/wire"
)

// Writer keeps audit records that no change of state carried (audit.Log).
type Writer interface {
	// Add queues a record; an error means it cannot be kept, and then the answer is no.
	Add(r *audit.Record) error
}

// Front serves requests through a Router: it opens the audit record, finds the
// route, words errors, writes the one answer and closes the record.
type Front struct {
	Router *Router
	Audit  Writer
	Now    func() time.Time
	// Open fills a Request: organization, base URL, address. An error is answered in
	// the first dialect's words.
	Open func(*http.Request) (*Request, error)
	// Serves says whether a dialect answers this request (switched on, bound to this
	// host), and the path it sees then.
	Serves func(r *Request, d *Dialect) bool
	// Show draws what a reply asks for, and Problem a refusal of a route in voice Page.
	Show    func(*Request, any) (Reply, error)
	Problem func(*Request, Refusal) Reply
	// Log gets our own faults; Secret values never reach it.
	Log func(ctx context.Context, msg string, args ...any)

	logged atomic.Int64 // unix seconds of the last line about being unavailable
}

// ServeHTTP implements http.Handler.
func (f *Front) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	now := f.Now()
	rec := &audit.Record{ID: audit.NewID(now), At: now}
	hr = hr.WithContext(audit.With(hr.Context(), rec))
	r, err := f.Open(hr)
	if err != nil {
		at := found{dialect: f.Router.fallback}
		f.finish(w, &Request{Request: hr}, rec, at, Reply{}, err)
		return
	}
	r.Request = hr
	rec.Addr = r.Addr
	if r.Org != nil {
		rec.Org = r.Org.ID
	}
	at := f.lookup(r)
	r.vars = at.vars
	rec.Dialect = at.dialect.Name
	var reply Reply
	switch {
	case at.route != nil:
		rec.Route = hr.Method + " " + at.route.Pattern
		reply, err = f.call(at.route, r)
	case at.allow != nil:
		rec.Route = audit.Clean(hr.Method) + " " + at.pattern // never the path: a part of it may be a key
		err = &oauth.Error{Code: oauth.MethodNotAllowed, Description: oauth.MethodNotAllowed.Text(), Allow: at.allow}
	default:
		err = oauth.Refuse(oauth.NotFound, "")
		if at.dialect == f.Router.fallback && reads(hr) {
			at.voice = Page
		}
	}
	f.finish(w, r, rec, at, reply, err)
}

// reads reports whether a person's browser asks for a page.
func reads(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// Answers reports whether there is a route for the request, in whatever method.
func (f *Front) Answers(r *Request) bool {
	at := f.lookup(r)
	return at.route != nil || at.allow != nil
}

func (f *Front) lookup(r *Request) found {
	return f.Router.find(r.Method, r.Rest, func(x *Route) bool {
		return f.Serves(r, x.dialect) && (x.When == nil || x.When(r))
	})
}

// call runs a handler; a panic in it is our fault and is answered as one.
func (f *Front) call(route *Route, r *Request) (reply Reply, err error) {
	defer func() {
		if p := recover(); p != nil {
			reply, err = Reply{}, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	reply, err = route.Handler(r)
	if err == nil && reply.Show != nil {
		refused := reply.Refused
		reply, err = f.Show(r, reply.Show)
		reply.Refused = refused
	}
	return reply, err
}

// finish closes the record and writes the answer. A success whose record cannot be
// kept is not a success.
func (f *Front) finish(w http.ResponseWriter, r *Request, rec *audit.Record, at found, reply Reply, err error) {
	if err == nil && reply.Refused != nil {
		reply = f.carried(r, rec, reply)
	} else if err == nil && rec.Event != "" && !rec.Stored() {
		rec.Outcome = audit.OK
		if err = f.Audit.Add(rec); err != nil {
			err = oauth.Refuse(oauth.Unavailable, "").Because(err)
		}
	}
	if err != nil {
		reply = f.refuse(r, rec, at, err)
	}
	f.write(w, r, reply)
}

// refuse words an error and records it under an id of its own when the record of a
// change is already kept.
func (f *Front) refuse(r *Request, rec *audit.Record, at found, err error) Reply {
	e := oauth.AsRefusal(err)
	challenge, _ := errors.AsType[*mfa.Challenge](err)
	if r.voice != nil {
		at.voice = *r.voice
	}
	if rec.Stored() { // the change happened, the answer failed
		rec = &audit.Record{ID: audit.NewID(rec.At), At: rec.At, Org: rec.Org, Dialect: rec.Dialect, Route: rec.Route, Addr: rec.Addr, Event: rec.Event, Client: rec.Client, User: rec.User}
	}
	refusal := Refusal{
		Code: e.Code, Description: e.Description, Param: e.Param, RetryAfter: int((e.RetryAfter + time.Second - 1) / time.Second),
		Allow: e.Allow, Challenge: challenge, Voice: at.voice, Method: r.Method, Path: r.Rest, ID: rec.ID.String(), Secure: r.Secure,
	}
	var reply Reply
	if at.voice == Page && f.Problem != nil && r.Org != nil {
		reply = f.Problem(r, refusal)
	} else {
		reply = at.dialect.Words(refusal)
	}
	rec.Code, rec.Shown, rec.Status = string(e.Code), e.Description, reply.Status
	switch {
	case challenge != nil:
		rec.Outcome = audit.Challenge
	case e.Code == oauth.ServerError:
		rec.Outcome, rec.Cause = audit.Failed, audit.Clean(fmt.Sprint(errors.Unwrap(e)))
		f.Log(r.Context(), "request failed", "id", rec.ID.String(), "route", rec.Route, "error", errors.Unwrap(e))
	default:
		rec.Outcome = audit.Refused
		if cause := errors.Unwrap(e); cause != nil {
			rec.Cause = audit.Clean(cause.Error())
			if e.Code == oauth.Unavailable && f.mayLog(rec.At) { // its record may be as impossible to keep
				f.Log(r.Context(), "request not served", "id", rec.ID.String(), "route", rec.Route, "error", cause)
			}
		}
	}
	if rec.Event == "" {
		rec.Event = "request"
	}
	if rec.Route == "" {
		rec.Route = audit.Clean(r.Method + " " + r.Rest)
	}
	reply = reply.With("Jeton-Error-Id", rec.ID.String())
	_ = f.Audit.Add(rec) // a refusal stays a refusal when its record is dropped; from here the record is the log's
	if e.RetryAfter > 0 && reply.Header.Get("Retry-After") == "" {
		reply.Header.Set("Retry-After", strconv.Itoa(int((e.RetryAfter+time.Second-1)/time.Second)))
	}
	if e.Code == oauth.MethodNotAllowed && reply.Header.Get("Allow") == "" {
		reply.Header.Set("Allow", strings.Join(e.Allow, ", "))
	}
	return reply
}

// carried records a refusal that travels in an answer, such as a redirect to the
// client, under the id its header tells.
func (f *Front) carried(r *Request, rec *audit.Record, reply Reply) Reply {
	e := reply.Refused
	if rec.Stored() {
		return reply
	}
	if rec.Event == "" {
		rec.Event = "authorize"
	}
	rec.Outcome, rec.Code, rec.Shown, rec.Status = audit.Refused, string(e.Code), e.Description, reply.Status
	if cause := errors.Unwrap(e); cause != nil {
		rec.Cause = audit.Clean(cause.Error())
	}
	reply = reply.With("Jeton-Error-Id", rec.ID.String())
	_ = f.Audit.Add(rec) // a refusal stays a refusal when its record is dropped
	return reply
}

// Header fields most answers share. Nobody changes the lists, and a longer one is
// always another.
var (
	noStore   = []string{"no-store"}
	noCache   = []string{"no-cache"}
	noSniff   = []string{"nosniff"}
	anyOrigin = []string{"*"}
	typeJSON  = []string{"application/json"}
	noGuesses []string // of a Content-Type: none is sent, and none is guessed
)

// mayLog allows one line a second for what every request suffers at once.
func (f *Front) mayLog(now time.Time) bool {
	last := f.logged.Load()
	return now.Unix() > last && f.logged.CompareAndSwap(last, now.Unix())
}

// write is the one place an answer leaves.
func (f *Front) write(w http.ResponseWriter, r *Request, reply Reply) {
	h := w.Header()
	for k, v := range reply.Header {
		h[k] = v
	}
	switch r.AllowOrigin {
	case "":
	case "*": // what anybody may read has nothing else to show
		h["Access-Control-Allow-Origin"] = anyOrigin
	default:
		h.Set("Access-Control-Allow-Origin", r.AllowOrigin)
		h.Set("Access-Control-Expose-Headers", "Jeton-Error-Id, WWW-Authenticate, Retry-After")
		h.Add("Vary", "Origin")
	}
	for _, c := range reply.Cookies {
		http.SetCookie(w, c)
	}
	if reply.Cache != "" {
		h.Set("Cache-Control", reply.Cache)
	} else {
		h["Cache-Control"], h["Pragma"] = noStore, noCache
	}
	h["X-Content-Type-Options"] = noSniff
	if strings.HasPrefix(reply.ContentType, "text/html") { // an address may tell where somebody was going
		h.Set("Referrer-Policy", "no-referrer")
	}
	if reply.ETag != "" {
		h.Set("ETag", reply.ETag)
		if strings.Contains(r.Header.Get("If-None-Match"), reply.ETag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	var body []byte
	switch b := reply.Body.(type) {
	case nil:
	case []byte:
		body = b
	default:
		var err error
		if body, err = wire.JSONText(b); err != nil {
			f.Log(r.Context(), "answer could not be written", "error", err)
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		if reply.ContentType == "" {
			reply.ContentType = "application/json"
		}
		if reply.Newline {
			body = append(body, '\n')
		}
	}
	switch reply.ContentType {
	case "":
		h["Content-Type"] = noGuesses
	case "application/json":
		h["Content-Type"] = typeJSON
	default:
		h.Set("Content-Type", reply.ContentType)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(reply.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}
