package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"freehold/internal/config"
)

// localSocket is where commands on this machine reach the server: a socket
// that only this user (and root) can open, so that it needs no key.
func (a *App) localSocket(cfg *config.Config, h Hooks) (net.Listener, *http.Server, error) {
	path, err := SocketPath(cfg)
	if err != nil {
		return nil, nil, err
	}
	// The journal's lock is ours, so a socket that is there is a dead one's.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, err
	}
	old := umask(0o177)
	l, err := net.Listen("unix", path)
	umask(old)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make the socket for commands: %w", err)
	}
	handler := http.NotFoundHandler()
	if h.Admin != nil {
		handler = h.Admin(a)
	}
	return l, newServer(cfg, handler, a.Log), nil
}

// maxSocketPath is what sun_path holds on every system.
const maxSocketPath = 100

// SocketPath is the socket of the server that serves a configuration's state.
func SocketPath(cfg *config.Config) (string, error) {
	state, err := StatePath(cfg)
	if err != nil {
		return "", err
	}
	path := state + ".sock"
	if len(path) <= maxSocketPath {
		return path, nil
	}
	sum := sha256.Sum256([]byte(path))
	return filepath.Join(os.TempDir(), "freehold-"+hex.EncodeToString(sum[:8])+".sock"), nil
}

// alias keeps a server in reach of commands while the configuration in use names a
// state that it takes only at its next start: they look beside that one, and find a
// link to its socket. Its calls are one at a time.
type alias struct {
	own  string // the server's socket
	link string // beside the state to come; empty: none
	log  *slog.Logger
}

// follow puts the link where commands look that read cfg.
func (l *alias) follow(cfg *config.Config) {
	path, err := SocketPath(cfg)
	if err == nil && path == l.link {
		return
	}
	l.remove()
	if err == nil && path != l.own {
		err = l.put(path)
	}
	if err != nil {
		l.log.Warn("until the next start commands do not find this server by its configuration: state differs", "error", err)
	}
}

func (l *alias) put(path string) error {
	if listens(path) {
		return fmt.Errorf("another freehold serves the state at %s", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.Symlink(l.own, path); err != nil {
		return err
	}
	l.link = path
	return nil
}

// remove takes the link away, unless it is another server's socket by now.
func (l *alias) remove() {
	if to, err := os.Readlink(l.link); err == nil && to == l.own {
		if err := os.Remove(l.link); err != nil {
			l.log.Warn("a link to the socket for commands stays", "error", err)
		}
	}
	l.link = ""
}

// listens reports whether a server listens at a socket.
func listens(path string) bool {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "unix", path)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// ServedState is the state file that goes with a configuration now: that of the
// server which runs with it, where that one takes another only at its next start.
func ServedState(cfg *config.Config) (string, error) {
	state, err := StatePath(cfg)
	if err != nil {
		return "", err
	}
	path, err := SocketPath(cfg)
	if err != nil {
		return "", err
	}
	own := linked(path)
	if own == "" || !listens(path) {
		return state, nil // no link, or that of a server which is gone
	}
	served, _ := strings.CutSuffix(own, ".sock")
	if _, err := os.Stat(served); err != nil {
		return "", fmt.Errorf("the running server takes the state %s only at its next start: start it again first", state)
	}
	return served, nil
}

// linked is where a link leads, "" where there is none.
func linked(path string) string {
	to, err := os.Readlink(path)
	if err != nil {
		return ""
	}
	return to
}
