package app

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"

	"freehold/internal/pemfile"
)

// certificate reads a key pair from files, and again after they changed. A
// pair that does not load leaves the old one in use.
type certificate struct {
	cert, key string
	log       *slog.Logger

	mu      sync.Mutex
	changed [2]time.Time
	pair    *tls.Certificate
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := [2]time.Time{modified(c.cert), modified(c.key)}
	if c.pair != nil && now == c.changed {
		return c.pair, nil
	}
	pair, err := keyPair(c.cert, c.key)
	if err != nil {
		if c.pair == nil {
			return nil, err
		}
		c.log.Error("the new certificate does not load: the old one stays in use", "error", err)
	} else {
		c.pair = &pair
	}
	c.changed = now
	return c.pair, nil
}

func keyPair(cert, key string) (tls.Certificate, error) {
	certPEM, err := pemfile.Read(cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyPEM, err := pemfile.Read(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return pemfile.Pair(certPEM, keyPEM)
}

func modified(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{} // the load says what is wrong
	}
	return info.ModTime()
}
