package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// modesCount: elsewhere a file's mode says nothing about who may read it.
const modesCount = runtime.GOOS != "windows"

// The names under which a data folder has its admin socket.
const (
	SocketName  = "admin.sock"
	PointerName = "admin.sock.path" // names the socket where its own path would be too long
	maxSocket   = 100               // bytes; kernels allow 104 to 108 (unix(7))
)

// ErrInUse says that another server answers on the socket of the data folder.
var ErrInUse = errors.New("another server uses the data folder")

// Socket is the admin socket: whoever may open it administers. Its file can be
// opened by its owner alone.
type Socket struct {
	net.Listener
	Path    string
	pointer string
}

// ListenSocket opens the admin socket of a data folder. One left behind by a
// server that is gone is replaced; where a server answers, it is ErrInUse.
func ListenSocket(data string) (*Socket, error) {
	s := &Socket{Path: SocketPath(data)}
	if answers(s.Path) {
		return nil, ErrInUse
	}
	if s.Path = filepath.Join(data, SocketName); len(s.Path) > maxSocket {
		dir, err := os.MkdirTemp("", "jeton-")
		if err != nil {
			return nil, fmt.Errorf("make a folder for the admin socket: %w", err)
		}
		s.Path, s.pointer = filepath.Join(dir, SocketName), filepath.Join(data, PointerName)
	}
	_ = os.Remove(s.Path) // nobody answers there
	ln, err := net.Listen("unix", s.Path)
	if err != nil {
		return nil, fmt.Errorf("open the admin socket: %w", err)
	}
	s.Listener = ln
	// The folder is its owner's alone, so nobody comes between these two lines.
	if err := os.Chmod(s.Path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("close the admin socket to others: %w", err), ln.Close())
	}
	if s.pointer != "" {
		if err := os.WriteFile(s.pointer, []byte(s.Path+"\n"), 0o600); err != nil {
			return nil, errors.Join(fmt.Errorf("note the admin socket: %w", err), s.Close())
		}
	} else {
		_ = os.Remove(filepath.Join(data, PointerName)) // of an earlier, longer path
	}
	return s, nil
}

// Close closes the socket and removes its file.
func (s *Socket) Close() error {
	err := s.Listener.Close()
	if errors.Is(err, net.ErrClosed) { // by the end of Serve
		err = nil
	}
	if s.pointer != "" {
		_ = os.Remove(s.pointer)
		_ = os.Remove(filepath.Dir(s.Path))
	}
	return err
}

// SocketPath is where the admin socket of a data folder is, or would be.
func SocketPath(data string) string {
	if b, err := os.ReadFile(filepath.Join(data, PointerName)); err == nil {
		return strings.TrimSpace(string(b))
	}
	return filepath.Join(data, SocketName)
}

// answerWait bounds the question whether a server answers on a socket.
const answerWait = 500 * time.Millisecond

func answers(path string) bool {
	c, err := net.DialTimeout("unix", path, answerWait)
	if err != nil {
		return false
	}
	return c.Close() == nil
}

// Serve answers on the socket until ctx ends.
func (s *Socket) Serve(ctx context.Context, h http.Handler, log *slog.Logger) error {
	l := Listening{Listener: s.Listener, Handler: h, Log: log}
	hs := l.httpServer()
	// Who may open the socket may also change the database by hand: no limits on
	// how long an export or an import takes.
	hs.ReadTimeout, hs.WriteTimeout = 0, 0
	return l.serve(ctx, hs)
}
