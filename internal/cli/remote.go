package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"jeton/internal/adminapi"
	"jeton/internal/server"
)

// remoteFlags say which server a command administers, and which organization.
type remoteFlags struct {
	placeFlags
	Organization string `placeholder:"ID" help:"Organization that is meant." otherwise:"the default one"`
}

// adminClient calls the administration API of one server: over its socket, or in
// this process when the server does not run.
type adminClient struct {
	ctx   context.Context
	http  *http.Client
	org   string
	close func() error
}

// with runs f against the server the flags name and closes what was opened.
func (f remoteFlags) with(env *Env, run func(*adminClient) error) error {
	c, err := f.connect(env)
	if err != nil {
		return err
	}
	return errors.Join(run(c), c.close())
}

// connect finds a server that runs, or opens the database of one that does not.
func (f remoteFlags) connect(env *Env) (*adminClient, error) {
	for _, socket := range sockets(env, env.Path(f.Data)) {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			continue
		}
		_ = conn.Close() // it was only asked whether somebody answers
		transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}}
		done := func() error { transport.CloseIdleConnections(); return nil }
		return &adminClient{env.Ctx, &http.Client{Transport: transport}, f.Organization, done}, nil
	}
	return f.offline(env)
}

func (f remoteFlags) offline(env *Env) (*adminClient, error) {
	s, err := localSettings(env, f.placeFlags, "")
	if err != nil {
		return nil, err
	}
	if !remote(s.Database) && !exists(s.Database) {
		return nil, fail(ExitUnreachable, "start one with `jeton serve` or `jeton demo`, or name its data folder with --data",
			"no server answers, and there is no database in %s", tilde(env, s.Data))
	}
	sv, err := openServer(env, s, func(c *server.Config) { c.PublicURL = s.PublicURL })
	if err != nil {
		return nil, err
	}
	h := handlerTransport{adminapi.Handler(sv)}
	return &adminClient{env.Ctx, &http.Client{Transport: h}, f.Organization, sv.Close}, nil
}

// handlerTransport answers requests by calling a handler of this process.
type handlerTransport struct{ http.Handler }

// RoundTrip implements http.RoundTripper.
func (t handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := &answer{header: http.Header{}, status: http.StatusOK}
	t.ServeHTTP(w, r.WithContext(adminapi.InProcess(r.Context())))
	return &http.Response{
		StatusCode: w.status, Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}

// answer keeps what a handler writes.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) { a.status = status }

// Write implements io.Writer.
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// get, post, patch, put and remove call one route. in and out may be nil; out may
// be a *[]byte, which takes the body as it is.
func (c *adminClient) get(path string, q url.Values, out any) error {
	_, err := c.call(http.MethodGet, path, q, nil, out)
	return err
}

func (c *adminClient) post(path string, in, out any) error {
	_, err := c.call(http.MethodPost, path, nil, in, out)
	return err
}

func (c *adminClient) patch(path string, in, out any) error {
	_, err := c.call(http.MethodPatch, path, nil, in, out)
	return err
}

func (c *adminClient) put(path string, in any) error {
	_, err := c.call(http.MethodPut, path, nil, in, nil)
	return err
}

func (c *adminClient) remove(path string) error {
	_, err := c.call(http.MethodDelete, path, nil, nil, nil)
	return err
}

// maxAnswer bounds what is read of an answer, in bytes: an export may be large.
const maxAnswer = 256 << 20

func (c *adminClient) call(method, path string, q url.Values, in, out any) (http.Header, error) {
	req, err := c.request(method, path, q, in)
	if err != nil {
		return nil, err
	}
	answer, err := c.http.Do(req)
	if err != nil {
		return nil, fail(ExitUnreachable, "see whether it still runs", "the server did not answer: %v", errors.Unwrap(err))
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, fail(ExitUnreachable, "see whether it still runs", "the answer broke off: %v", err)
	}
	if answer.StatusCode >= 400 {
		return nil, problem(answer.StatusCode, body)
	}
	switch out := out.(type) {
	case nil:
	case *[]byte:
		*out = body
	default:
		if err := json.Unmarshal(body, out); err != nil {
			return nil, fmt.Errorf("read the server's answer: %w", err)
		}
	}
	return answer.Header, nil
}

func (c *adminClient) request(method, path string, q url.Values, in any) (*http.Request, error) {
	if q == nil {
		q = url.Values{}
	}
	if c.org != "" {
		q.Set("organization", c.org)
	}
	var body io.Reader
	switch in := in.(type) {
	case nil:
	case []byte:
		body = bytes.NewReader(in)
	default:
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("write the request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	target := "http://jeton" + adminapi.Root + path
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	req, err := http.NewRequestWithContext(c.ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("write the request: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// problem words a refusal of the administration API.
func problem(status int, body []byte) error {
	var p adminapi.Problem
	if json.Unmarshal(body, &p) != nil || p.Status == 0 {
		return fail(ExitFailed, "see whether --data names a Jeton server", "the server answered %d and nothing readable", status)
	}
	e := &Exit{Code: ExitRefused, Text: p.Detail}
	switch {
	case status == http.StatusNotFound:
		e.Code = ExitNotFound
	case status == http.StatusConflict:
		e.Code = ExitConflict
	case status == http.StatusServiceUnavailable:
		e.Code, e.Next = ExitUnreachable, "try again in a moment"
	case status >= 500:
		e.Code = ExitFailed
	}
	if len(p.Errors) > 0 {
		texts := make([]string, len(p.Errors))
		for i, f := range p.Errors {
			texts[i] = f.Detail
			if at := strings.TrimPrefix(f.Pointer, "/"); at != "" && !strings.Contains(f.Detail, at) {
				texts[i] = at + ": " + f.Detail
			}
		}
		e.Text = strings.Join(texts, "\n       ")
	}
	if e.Next == "" && p.Instance != "" && e.Code != ExitNotFound {
		e.Next = "jeton explain " + p.Instance
	}
	return e
}

// all reads every page of a list.
func all[T any](c *adminClient, path string, q url.Values) ([]T, error) {
	if q == nil {
		q = url.Values{}
	}
	q.Set("limit", "200")
	items := []T{}
	for {
		var page adminapi.List[T]
		h, err := c.call(http.MethodGet, path, q, nil, &page)
		if err != nil {
			return nil, err
		}
		items = append(items, page.Items...)
		next, more := strings.CutPrefix(h.Get("Link"), "<")
		if !more {
			return items, nil
		}
		next, _, _ = strings.Cut(next, ">")
		u, err := url.Parse(next)
		if err != nil {
			return nil, fmt.Errorf("read the link to the next page: %w", err)
		}
		q = u.Query()
	}
}

// escaped is one segment of a path.
func escaped(s string) string { return "/" + url.PathEscape(s) }
