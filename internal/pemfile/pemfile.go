// Package pemfile reads certificates and their keys. What checks a configuration and
// what makes connections read them by the same functions, so that what one takes, the
// other does not refuse.
package pemfile

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"freehold/internal/regular"
)

// maxSize bounds a file: the system's own lists of authorities have a quarter of it.
const maxSize = 1 << 20

// Read reads a file of certificates or of a key.
func Read(file string) ([]byte, error) { return regular.Read(file, maxSize) }

// Authorities are the certificates of text, each of which must be readable.
func Authorities(text []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(out)+1, err)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, errors.New("no certificate in it: it must be PEM")
	}
	return out, nil
}

// Pool is the trust in some authorities.
func Pool(authorities []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range authorities {
		pool.AddCert(c)
	}
	return pool
}

// Pair is a certificate with the private key that it was made for.
func Pair(cert, key []byte) (tls.Certificate, error) { return tls.X509KeyPair(cert, key) }

// Expired says since when none of certs is valid any more, or until when none is yet.
// It is empty where one is valid.
func Expired(now time.Time, certs ...*x509.Certificate) string {
	var ended, begins time.Time
	for _, c := range certs {
		switch {
		case now.After(c.NotAfter):
			if c.NotAfter.After(ended) {
				ended = c.NotAfter
			}
		case now.Before(c.NotBefore):
			if begins.IsZero() || c.NotBefore.Before(begins) {
				begins = c.NotBefore
			}
		default:
			return ""
		}
	}
	switch {
	case !begins.IsZero():
		return "is not valid before " + begins.UTC().Format(time.RFC3339)
	case !ended.IsZero():
		return "has expired on " + ended.UTC().Format(time.RFC3339)
	}
	return ""
}
