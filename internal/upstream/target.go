package upstream

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"freehold/internal/pemfile"
)

// Auth says in which header a provider expects its key.
type Auth string

// The styles of the providers known so far.
const (
	AuthNone    Auth = ""          // no key
	AuthBearer  Auth = "bearer"    // Authorization: Bearer KEY (OpenAI and most others)
	AuthXAPIKey Auth = "x-api-key" // x-api-key: KEY (Anthropic)
	AuthAPIKey  Auth = "api-key"   // api-key: KEY (Azure OpenAI)
)

// Timeouts are the limits of one call. 0 or less takes the next outer value; the
// outermost are DefaultTimeouts. The total is the context's.
type Timeouts struct {
	Connect time.Duration // name, connection, proxy and TLS together
	Head    time.Duration // from the request written to the response head
	Idle    time.Duration // silence within the body
}

// DefaultTimeouts hold where neither call nor target sets one.
var DefaultTimeouts = Timeouts{Connect: 3 * time.Second, Head: 30 * time.Second, Idle: 30 * time.Second}

// over fills t's zeros from outer.
func (t Timeouts) over(outer Timeouts) Timeouts {
	pick := func(a, b time.Duration) time.Duration {
		if a > 0 {
			return a
		}
		return b
	}
	return Timeouts{pick(t.Connect, outer.Connect), pick(t.Head, outer.Head), pick(t.Idle, outer.Idle)}
}

// TLSConfig is how an https provider is trusted and told who we are.
type TLSConfig struct {
	// CA, as PEM or the name of a file with it, takes the place of the
	// system's authorities: a private CA is meant to be the only one.
	CAPEM  string
	CAFile string
	// A client certificate and its key (mTLS), as PEM or files.
	CertPEM, KeyPEM   string
	CertFile, KeyFile string
	// ServerName is verified (and sent) in place of the URL's host.
	ServerName string
	// MinVersion is tls.VersionTLS12 (default) or tls.VersionTLS13.
	MinVersion uint16
}

// Target is one provider's endpoint.
type Target struct {
	Provider string // our name of the provider, for permits and errors
	// BaseURL is http(s)://host[:port][/path][?query]. The call's path is
	// joined to its path; its query is sent with every call.
	BaseURL string
	Auth    Auth
	Header  http.Header // sent with every call
	TLS     TLSConfig
	// Proxy is the egress proxy: http, https, socks5 or socks5h URL, user info
	// allowed. The environment's proxy variables are not read.
	Proxy string
	// Networks are the only addresses that may be dialled; empty: any. They
	// hold for the resolved address of every connection, so that no change in
	// DNS moves a provider out of them. Not to be had with a proxy, which
	// resolves the name itself.
	Networks []netip.Prefix
	Timeouts Timeouts
	// MaxHead limits a response head; 64 KiB.
	MaxHead int
	// MaxIdle limits the idle connections kept; 1024. IdleTimeout closes them; 90 s.
	MaxIdle     int
	IdleTimeout time.Duration
}

// endpoint is a target, checked and taken apart.
type endpoint struct {
	provider string
	scheme   string
	host     string // Host header
	addr     string // host:port to dial
	path     string // without trailing slash
	query    string
	auth     Auth
	header   http.Header
	proxy    *url.URL
	networks []netip.Prefix
	timeouts Timeouts
}

// parse checks the target. Errors never repeat a URL: it may carry a secret.
func (t *Target) parse() (*endpoint, error) {
	u, err := url.Parse(t.BaseURL)
	switch {
	case err != nil:
		return nil, errors.New("base_url is not a valid URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("base_url must begin with http:// or https://")
	case u.Hostname() == "":
		return nil, errors.New("base_url has no host")
	case u.User != nil:
		return nil, errors.New("base_url must not carry user info: give the key as api_key")
	case u.Fragment != "":
		return nil, errors.New("base_url must not have a fragment")
	}
	switch t.Auth {
	case AuthNone, AuthBearer, AuthXAPIKey, AuthAPIKey:
	default:
		return nil, fmt.Errorf("auth style %q is not known: bearer, x-api-key or api-key", string(t.Auth))
	}
	e := &endpoint{
		provider: t.Provider, scheme: u.Scheme, host: u.Host, addr: u.Host,
		path: strings.TrimRight(u.EscapedPath(), "/"), query: u.RawQuery,
		auth: t.Auth, networks: t.Networks, timeouts: t.Timeouts.over(DefaultTimeouts),
	}
	if u.Port() == "" {
		e.addr = strings.TrimSuffix(u.Host, ":") + map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	}
	if e.header, err = checkHeader(t.Header); err != nil {
		return nil, err
	}
	if name, _ := e.authHeader(NewKey("any")); name != "" && e.header[name] != nil {
		return nil, fmt.Errorf("header %s is also where the key goes: give it as api_key", name)
	}
	if t.Proxy != "" {
		if e.proxy, err = parseProxy(t.Proxy); err != nil {
			return nil, err
		}
		if len(t.Networks) > 0 {
			return nil, errors.New("networks cannot be held through a proxy, which resolves names itself: drop one of the two")
		}
	}
	return e, nil
}

func parseProxy(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("proxy is not a valid URL")
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		return u, nil
	}
	return nil, errors.New("proxy must begin with http://, https://, socks5:// or socks5h://")
}

// build loads the certificates.
func (c *TLSConfig) build() (*tls.Config, error) {
	out := &tls.Config{ServerName: c.ServerName, MinVersion: tls.VersionTLS12}
	switch c.MinVersion {
	case 0, tls.VersionTLS12:
	case tls.VersionTLS13:
		out.MinVersion = tls.VersionTLS13
	default:
		return nil, errors.New("tls: minimum version must be 1.2 or 1.3")
	}
	ca, err := pemOf(c.CAPEM, c.CAFile, "CA")
	if err != nil {
		return nil, err
	}
	if ca != nil {
		authorities, err := pemfile.Authorities(ca)
		if err != nil {
			return nil, fmt.Errorf("tls: CA: %w", err)
		}
		out.RootCAs = pemfile.Pool(authorities)
	}
	cert, err := pemOf(c.CertPEM, c.CertFile, "client certificate")
	if err != nil {
		return nil, err
	}
	key, err := pemOf(c.KeyPEM, c.KeyFile, "client key")
	if err != nil {
		return nil, err
	}
	if (cert == nil) != (key == nil) {
		return nil, errors.New("tls: client certificate and key must be given together")
	}
	if cert != nil {
		pair, err := pemfile.Pair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("tls: client certificate: %w", err)
		}
		out.Certificates = []tls.Certificate{pair}
	}
	return out, nil
}

func pemOf(text, file, what string) ([]byte, error) {
	switch {
	case text != "" && file != "":
		return nil, fmt.Errorf("tls: %s given both as PEM and as file", what)
	case text != "":
		return []byte(text), nil
	case file != "":
		b, err := pemfile.Read(file)
		if err != nil {
			return nil, fmt.Errorf("tls: %s: %w", what, err)
		}
		return b, nil
	}
	return nil, nil
}
