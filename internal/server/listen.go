package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits of a connection. A request that is slower, longer or fuller than these is
// closed or refused; the form of a token request fits many times over.
const (
	headerWait = 10 * time.Second
	readWait   = 30 * time.Second // header and body
	writeWait  = 60 * time.Second
	idleWait   = 2 * time.Minute
	maxHeader  = 32 << 10 // bytes
	drain      = 25 * time.Second
)

// HTTP/2 limits: few streams, small frames, and a peer that reads nothing is gone.
const (
	maxStreams   = 100
	maxFrame     = 64 << 10
	streamBuffer = 128 << 10
)

// Listening is how requests reach a handler.
type Listening struct {
	Listener net.Listener
	TLS      *tls.Config // nil = plain http
	Handler  http.Handler
	Log      *slog.Logger
}

// Serve answers requests until ctx ends, then lets those under way finish, for 25
// seconds at most.
func (l Listening) Serve(ctx context.Context) error {
	return l.serve(ctx, l.httpServer())
}

func (l Listening) httpServer() *http.Server {
	return &http.Server{
		Handler: l.Handler, TLSConfig: l.TLS,
		ReadHeaderTimeout: headerWait, ReadTimeout: readWait, WriteTimeout: writeWait, IdleTimeout: idleWait,
		MaxHeaderBytes: maxHeader,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, MaxReadFrameSize: maxFrame,
			MaxReceiveBufferPerStream: streamBuffer, MaxReceiveBufferPerConnection: 8 * streamBuffer,
			SendPingTimeout: idleWait, PingTimeout: readWait, WriteByteTimeout: readWait,
		},
		// Broken handshakes and the like: strangers cause them at will.
		ErrorLog: slog.NewLogLogger(l.Log.Handler(), slog.LevelDebug),
	}
}

func (l Listening) serve(ctx context.Context, h *http.Server) error {
	failed := make(chan error, 1)
	go func() {
		if l.TLS != nil {
			failed <- h.ServeTLS(l.Listener, "", "")
			return
		}
		failed <- h.Serve(l.Listener)
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", l.Listener.Addr(), err)
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := h.Shutdown(late); err != nil {
		return errors.Join(fmt.Errorf("requests were still under way after %s: %w", drain, err), h.Close())
	}
	return nil
}
