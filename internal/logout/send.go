package logout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"jeton/internal/outbound"
	"jeton/internal/session"
)

const (
	workers = 4
	// lease is far longer than a call may take: another node sends a message again only
	// when this one is gone.
	lease = time.Minute
	// rest is how long nobody waits for a URL that let one wait, so that a client that
	// hangs keeps the others waiting for a moment only.
	rest = 30 * time.Second
	// finish bounds the note of what came of a try.
	finish = 5 * time.Second
)

// backoff is how long after one try the next one is due; after the last the message
// is given up, some eight hours old.
var backoff = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour,
}

// Wake says that there may be messages now.
func (s *Sender) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run sends what is due until ctx ends. Calls under way are given up then, and their
// messages are left for the next start, or for another node.
func (s *Sender) Run(ctx context.Context) {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	done := make(chan struct{}, workers)
	busy, more := 0, true
	for {
		if more && busy < workers {
			list := s.take(ctx, workers-busy)
			more = len(list) == workers-busy
			busy += len(list)
			for _, d := range list {
				go func() {
					s.deliver(ctx, d)
					done <- struct{}{}
				}()
			}
		}
		select {
		case <-ctx.Done():
			for ; busy > 0; busy-- {
				<-done
			}
			return
		case <-done:
			busy--
		case <-s.wake:
			more = true
		case <-tick.C:
			more = true
		}
	}
}

func (s *Sender) take(ctx context.Context, limit int) []session.Delivery {
	now := s.Now()
	list, err := s.Store.TakeDeliveries(ctx, now.Unix(), now.Add(lease).Unix(), limit)
	if err != nil && ctx.Err() == nil {
		s.Log.Warn("messages to clients could not be read", "error", err)
	}
	return list
}

// deliver tries a message once and notes what came of it. When that cannot be noted
// the message is sent again after its lease: better twice than never.
func (s *Sender) deliver(ctx context.Context, d session.Delivery) {
	o, err := s.try(ctx, d)
	if err != nil {
		s.Log.Error("a logout token could not be made", "delivery", d.ID, "client", d.Client, "error", err)
		o = again(d, s.Now(), "the logout token could not be made: see the log of the server")
	}
	if o.state == session.Failed {
		s.Log.Warn("a client was not told of a logout", "delivery", d.ID, "client", d.Client, "result", o.result)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finish)
	defer cancel()
	if err := s.Store.FinishDelivery(ctx, d.ID, o.state, o.due, o.result); err != nil {
		s.Log.Warn("what came of a message to a client was not kept: it is sent again", "delivery", d.ID, "error", err)
	}
}

// outcome is what came of a try. due is unix seconds.
type outcome struct {
	state  string
	due    int64
	result string
}

func failed(result string) outcome { return outcome{state: session.Failed, result: result} }

// again is a try that may yet succeed. Times are counted from when the session ended,
// so that tries which were put off cost nothing; when the server was down for so long
// that they are over, the number of tries counts.
func again(d session.Delivery, now time.Time, result string) outcome {
	at := time.Unix(d.Created, 0)
	for _, wait := range backoff {
		if at = at.Add(wait); at.After(now) {
			return outcome{session.Waiting, at.Unix(), result}
		}
	}
	if n := int(min(d.Tries, int64(len(backoff)+1))); n <= len(backoff) {
		return outcome{session.Waiting, now.Add(backoff[max(n, 1)-1]).Unix(), result}
	}
	return failed(result)
}

// try sends a message (OpenID Connect Back-Channel Logout §2.5) to the URL its client
// has now. An error means that nothing was sent and the fault is ours.
func (s *Sender) try(ctx context.Context, d session.Delivery) (outcome, error) {
	now := s.Now()
	var m message
	if d.Kind != Kind || json.Unmarshal([]byte(d.Body), &m) != nil {
		return again(d, now, "another version of the server knows this message"), nil
	}
	c, ok := s.Clients.Client(d.Org, d.Client)
	if !ok {
		return failed("there is no such client"), nil
	}
	if why := unfit(c, s.Signer); why != "" {
		return failed(why), nil
	}
	if until := s.rests(c.BackchannelURI, now); until != 0 {
		return outcome{session.Waiting, until, "put off: the client let another message wait"}, nil
	}
	token, err := s.token(ctx, c, m)
	if ctx.Err() != nil {
		return interrupted(now), nil
	}
	if err != nil {
		return outcome{}, err
	}
	begun := time.Now()
	status, answer, err := s.HTTP.Post(ctx, c.BackchannelURI, "application/x-www-form-urlencoded", []byte(url.Values{"logout_token": {token}}.Encode()))
	took := time.Since(begun)
	switch {
	case err != nil && ctx.Err() != nil:
		return interrupted(now), nil
	case err != nil:
		if took >= s.slow {
			s.spare(c.BackchannelURI, now)
		}
		return again(d, now, reason(err)), nil
	}
	said := fmt.Sprintf("%d in %d ms", status, took.Milliseconds())
	switch {
	case status >= 200 && status <= 299: // 204 from some frameworks (§2.8)
		return outcome{state: session.Done, due: now.Unix(), result: said}, nil
	case status == http.StatusBadRequest: // the request was invalid or the logout failed (§2.8): it will be so again
		return failed(said + refusal(answer)), nil
	}
	return again(d, now, said), nil
}

// interrupted leaves a message to the next who looks.
func interrupted(now time.Time) outcome {
	return outcome{session.Waiting, now.Unix(), "interrupted by a stop of the server"}
}

// reason is what an operator may read of an error.
func reason(err error) string {
	if e, ok := errors.AsType[*outbound.Error](err); ok {
		return e.Text
	}
	return "the call failed"
}

// refusal is what a client said with its 400 (§2.8), bounded; "" when nothing.
func refusal(answer []byte) string {
	var x struct {
		Code string `json:"error"`
		Text string `json:"error_description"`
	}
	if json.Unmarshal(answer, &x) != nil || x.Code+x.Text == "" {
		return ""
	}
	return ": " + outbound.Clean(x.Code+" "+x.Text)
}

// rests says until when (unix seconds) nobody waits for a URL; 0 = it may be called.
func (s *Sender) rests(to string, now time.Time) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if until := s.resting[to]; until > now.Unix() {
		return until
	}
	return 0
}

// spare has nobody wait for a URL for a while.
func (s *Sender) spare(to string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for url, until := range s.resting {
		if until <= now.Unix() {
			delete(s.resting, url)
		}
	}
	s.resting[to] = now.Add(rest).Unix()
}
