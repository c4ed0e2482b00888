package config

import (
	"slices"

	"freehold/internal/pemfile"
)

// certificates checks the files of a connection's TLS, nil for none.
func (c *checker) certificates(t *ClientTLS, at []string) {
	if t == nil {
		return
	}
	if text := c.pem(t.CA, append(slices.Clone(at), "ca")); text != nil {
		c.authorities(t.CA, text, append(slices.Clone(at), "ca"))
	}
	if (t.Cert == "") != (t.Key == "") {
		c.rep.errorf(c.keyPos(at...), "mutual TLS needs both", "%s has only one of cert and key", label(at))
	}
	c.pair(t.Cert, t.Key, at)
}

func (c *checker) authorities(file Path, text []byte, at []string) {
	found, err := pemfile.Authorities(text)
	if err != nil {
		c.rep.errorf(c.pos(at...), "give the certificate of the authority to trust, as PEM", "%s: %s: %v", label(at), file, err)
		return
	}
	if c.env.Now == nil {
		return
	}
	if why := pemfile.Expired(c.env.Now(), found...); why != "" {
		c.rep.warnf(c.pos(at...), "no connection is trusted by it: put a valid one in its place", "%s: %s %s", label(at), file, why)
	}
}

// pair checks a certificate and its key. One that has expired is only warned of: it
// hinders who it is shown to, and a start that failed would hinder everybody.
func (c *checker) pair(cert, key Path, at []string) {
	certAt, keyAt := append(slices.Clone(at), "cert"), append(slices.Clone(at), "key")
	certText, keyText := c.pem(cert, certAt), c.pem(key, keyAt)
	if certText == nil || keyText == nil {
		return
	}
	pair, err := pemfile.Pair(certText, keyText)
	if err != nil {
		c.rep.errorf(c.pos(certAt...), "cert holds the certificate and key the private key that it was made for, both as PEM", "%s: %s with %s: %v", label(at), cert, key, err)
		return
	}
	if c.env.Now == nil {
		return
	}
	if why := pemfile.Expired(c.env.Now(), pair.Leaf); why != "" {
		c.rep.warnf(c.pos(certAt...), "who it is shown to refuses it: put a valid one in its place", "%s: %s %s", label(at), cert, why)
	}
}

// pem is what a file holds; nil where none is named, or it cannot be read, which is
// said then.
func (c *checker) pem(file Path, at []string) []byte {
	if file == "" {
		return nil
	}
	c.files[string(file)] = true
	if c.env.ReadFile == nil || c.env.Unset != "" {
		return nil
	}
	text, err := c.env.ReadFile(string(file))
	if err != nil {
		c.rep.errorf(c.pos(at...), "the file must exist and be readable for freehold's user", "%s: %s", file, reason(err))
		return nil
	}
	if len(text) > maxFile {
		c.rep.errorf(c.pos(at...), "is this the right file?", "%s: larger than %d bytes", file, maxFile)
		return nil
	}
	return append([]byte{}, text...) // an empty file is no absent one
}
