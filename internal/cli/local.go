package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"

	"jeton/internal/config"
	"jeton/internal/server"
	"jeton/internal/vault"
)

// errNoServer says that nobody answers on the admin socket.
var errNoServer = errors.New("no server answers")

// postLocal asks the server that uses a data folder, through its admin socket.
func postLocal(ctx context.Context, data, path string, in any) (server.LocalReply, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return server.LocalReply{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://jeton"+path, bytes.NewReader(body))
	if err != nil {
		return server.LocalReply{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, "unix", adminSocket(data))
		if err != nil {
			return nil, errors.Join(errNoServer, err)
		}
		return c, nil
	}
	c := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	answer, err := c.Do(req)
	if err != nil {
		return server.LocalReply{}, err
	}
	defer answer.Body.Close()
	var reply server.LocalReply
	if err := json.NewDecoder(answer.Body).Decode(&reply); err != nil {
		return reply, fmt.Errorf("read the server's answer: %w", err)
	}
	switch {
	case reply.Error == "":
		return reply, nil
	case answer.StatusCode == http.StatusConflict:
		return reply, &Exit{Code: ExitConflict, Text: reply.Error}
	}
	return reply, &Exit{Code: ExitRefused, Text: reply.Error}
}

// openServer opens the rooms on the database the settings name. Without a key file
// the key is a new one, for a database in memory.
func openServer(env *Env, s config.Serve, change func(*server.Config)) (*server.Server, error) {
	if err := privateDir(s.Data); err != nil {
		return nil, err
	}
	kek, undo := vault.NewKEK(), func() {}
	if s.KEKFile != "" {
		var err error
		if kek, undo, err = openKEK(env, s); err != nil {
			return nil, err
		}
	}
	c := server.Config{Database: s.Database, KEK: kek, Now: env.Now, Loopback: true}
	c.Store.MaxReaders, c.Store.MaxWriters = s.Readers, s.Writers
	change(&c)
	sv, err := server.Open(env.Ctx, c)
	if err != nil {
		undo()
		return nil, databaseError(env, s, err)
	}
	return sv, nil
}
