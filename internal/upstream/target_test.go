package upstream_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"freehold/internal/upstream"
	"freehold/internal/upstream/upstreamtest"
)

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// try sends one small call to the target.
func try(t *testing.T, target upstream.Target) (string, error) {
	t.Helper()
	target.Provider = "acme"
	c, err := upstream.New(target)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, err := c.Send(t.Context(), upstreamtest.Everywhere{}, &upstream.Call{Method: "POST", Path: "/x", Body: []byte("{}")})
	if err != nil {
		return "", err
	}
	b, err := r.ReadAll(1 << 20)
	return string(b), err
}

func wantKind(t *testing.T, err error, kind upstream.Kind, sent bool) {
	t.Helper()
	var e *upstream.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Sent != sent {
		t.Errorf("got %v (sent %v), want kind %v sent %v", err, e != nil && e.Sent, kind, sent)
	}
}

func TestBadTargets(t *testing.T) {
	for name, target := range map[string]upstream.Target{
		"no url":            {},
		"scheme":            {BaseURL: "ftp://hunter2/"},
		"no host":           {BaseURL: "http:///hunter2"},
		"broken":            {BaseURL: "http://user:hunter2@h:port/"},
		"user info":         {BaseURL: "https://user:hunter2@h/"},
		"fragment":          {BaseURL: "https://h/#hunter2"},
		"auth":              {BaseURL: "http://h", Auth: "basic"},
		"hop-by-hop":        {BaseURL: "http://h", Header: http.Header{"connection": {"close"}}},
		"key as header":     {BaseURL: "http://h", Auth: upstream.AuthBearer, Header: http.Header{"authorization": {"Bearer hunter2"}}},
		"header value":      {BaseURL: "http://h", Header: http.Header{"A": {"hunter2\r\nX: y"}}},
		"proxy":             {BaseURL: "http://h", Proxy: "ftp://hunter2@p"},
		"broken proxy":      {BaseURL: "http://h", Proxy: "http://u:hunter2@p:x"},
		"proxy, networks":   {BaseURL: "http://h", Proxy: "http://p:1", Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
		"tls version":       {BaseURL: "https://h", TLS: upstream.TLSConfig{MinVersion: tls.VersionTLS11}},
		"ca":                {BaseURL: "https://h", TLS: upstream.TLSConfig{CAPEM: "hunter2"}},
		"ca file":           {BaseURL: "https://h", TLS: upstream.TLSConfig{CAFile: "/no/such/file"}},
		"ca twice":          {BaseURL: "https://h", TLS: upstream.TLSConfig{CAPEM: "x", CAFile: "y"}},
		"certificate alone": {BaseURL: "https://h", TLS: upstream.TLSConfig{CertPEM: "hunter2"}},
		"certificate":       {BaseURL: "https://h", TLS: upstream.TLSConfig{CertPEM: "hunter2", KeyPEM: "hunter2"}},
	} {
		_, err := upstream.New(target)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The address is checked when it is dialled, for names too.
func TestNetworks(t *testing.T) {
	for _, secure := range []bool{false, true} {
		srv := upstreamtest.Serve(t, secure, func(_ int, c *upstreamtest.Conn) {
			c.Request()
			c.Say(okAnswer)
		})
		u, _ := url.Parse(srv.URL)
		byName := u.Scheme + "://localhost:" + u.Port()
		for _, base := range []string{srv.URL, byName} {
			target := upstream.Target{BaseURL: base, TLS: upstream.TLSConfig{CAPEM: srv.CAPEM}}
			target.Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
			_, err := try(t, target)
			wantKind(t, err, upstream.Blocked, false)
			target.Networks = append(target.Networks, netip.MustParsePrefix("127.0.0.0/8"))
			if _, err := try(t, target); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestConnectKinds(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := ln.Addr().String()
	ln.Close()
	silent := upstreamtest.Serve(t, false, func(_ int, c *upstreamtest.Conn) { c.Gone() })
	plain := upstreamtest.Serve(t, false, func(_ int, c *upstreamtest.Conn) {
		c.Say("HTTP/1.1 400 Bad Request\r\n\r\n")
		c.Gone()
	})
	secure := upstreamtest.Serve(t, true, func(_ int, c *upstreamtest.Conn) { c.Request() })
	short := upstream.Timeouts{Connect: 50 * time.Millisecond}
	nowhere := strings.Repeat("x", 64) + ".invalid" // no name by its length: nobody has to be asked
	for name, tc := range map[string]struct {
		target upstream.Target
		kind   upstream.Kind
	}{
		"refused":           {upstream.Target{BaseURL: "http://" + free}, upstream.Connect},
		"refused, TLS":      {upstream.Target{BaseURL: "https://" + free}, upstream.Connect},
		"no name":           {upstream.Target{BaseURL: "http://" + nowhere}, upstream.DNS},
		"no name, TLS":      {upstream.Target{BaseURL: "https://" + nowhere}, upstream.DNS},
		"unknown authority": {upstream.Target{BaseURL: secure.URL}, upstream.TLS},
		"other name":        {upstream.Target{BaseURL: secure.URL, TLS: upstream.TLSConfig{CAPEM: secure.CAPEM, ServerName: "other"}}, upstream.TLS},
		"no TLS there":      {upstream.Target{BaseURL: "https" + strings.TrimPrefix(plain.URL, "http")}, upstream.TLS},
		"silent handshake":  {upstream.Target{BaseURL: "https" + strings.TrimPrefix(silent.URL, "http"), Timeouts: short}, upstream.ConnectTimeout},
		"no proxy":          {upstream.Target{BaseURL: secure.URL, Proxy: "http://user:hunter2@" + free}, upstream.Proxy},
		"no socks":          {upstream.Target{BaseURL: secure.URL, Proxy: "socks5://user:hunter2@" + free}, upstream.Proxy},
		"silent proxy":      {upstream.Target{BaseURL: secure.URL, Proxy: silent.URL, Timeouts: short}, upstream.ConnectTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := try(t, tc.target)
			wantKind(t, err, tc.kind, false)
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows the proxy's password: %v", err)
			}
		})
	}
}

func TestMutualTLS(t *testing.T) {
	serverCert, serverCA := upstreamtest.Certificate(t)
	clientCert, clientCA := upstreamtest.Certificate(t)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(clientCA))
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{serverCert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	srv.StartTLS()
	defer srv.Close()
	key, err := x509.MarshalPKCS8PrivateKey(clientCert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	target := upstream.Target{BaseURL: srv.URL, TLS: upstream.TLSConfig{
		CAPEM: serverCA, MinVersion: tls.VersionTLS13,
		CertPEM: clientCA, KeyPEM: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})),
	}}
	if body, err := try(t, target); err != nil || body != "upstreamtest" {
		t.Errorf("%q, %v", body, err)
	}
}

// A server of TLS 1.3 that misses our certificate says so after the handshake,
// while the request is on its way.
func TestMissingClientCertificate(t *testing.T) {
	cert, ca := upstreamtest.Certificate(t)
	for _, protocol := range []string{"http/1.1", "h2"} {
		t.Run(protocol, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan error, 1)
			go func() {
				c, err := ln.Accept()
				if err != nil {
					served <- err
					return
				}
				defer c.Close()
				conf := &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAnyClientCert, NextProtos: []string{protocol}}
				served <- tls.Server(c, conf).Handshake()
				// Closed with bytes unread, the connection might be reset before
				// the alert is seen.
				_, _ = io.Copy(io.Discard, c)
			}()
			_, err = try(t, upstream.Target{BaseURL: "https://" + ln.Addr().String(), TLS: upstream.TLSConfig{CAPEM: ca, MinVersion: tls.VersionTLS13}})
			switch upstream.KindOf(err) {
			case upstream.Write: // net/http closed the connection under its own writer
			case upstream.Connect: // HTTP/2: over before the request was sent
				wantKind(t, err, upstream.Connect, false)
			default:
				wantKind(t, err, upstream.TLS, true)
				if err == nil || !strings.Contains(err.Error(), "certificate required") {
					t.Errorf("error: %v", err)
				}
			}
			if err := ln.Close(); err != nil {
				t.Error(err)
			}
			if err := <-served; err == nil {
				t.Error("the handshake went well without a certificate")
			}
		})
	}
}

// The kind is told once, also where the cause begins with it.
func TestErrorText(t *testing.T) {
	e := &upstream.Error{Kind: upstream.TLS, Provider: "p", Err: errors.New("tls: failed to verify certificate")}
	if want := "provider p: tls: failed to verify certificate"; e.Error() != want {
		t.Errorf("%q, want %q", e.Error(), want)
	}
}

func TestHTTP2(t *testing.T) {
	cert, ca := upstreamtest.Certificate(t)
	gone := make(chan bool, 1)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/reset":
			panic(http.ErrAbortHandler)
		case "/cut":
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		case "/silent":
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			gone <- true
		default:
			io.Copy(w, r.Body)
		}
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.EnableHTTP2 = true
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	srv.StartTLS()
	defer srv.Close()
	c, err := upstream.New(upstream.Target{Provider: "acme", BaseURL: srv.URL, TLS: upstream.TLSConfig{CAPEM: ca}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	send := func(ctx context.Context, path, body string) (*upstream.Reply, string, error) {
		r, err := c.Send(ctx, upstreamtest.Everywhere{}, &upstream.Call{Method: "POST", Path: path, Body: []byte(body)})
		if err != nil {
			return nil, "", err
		}
		if path == "/silent" {
			r.SetIdle(50 * time.Millisecond)
		}
		b, err := r.ReadAll(1 << 20)
		return r, string(b), err
	}
	big := strings.Repeat("x", 300_000)
	for i := range 2 {
		r, body, err := send(t.Context(), "/echo", big)
		if err != nil || body != big || r.Proto != "HTTP/2.0" || !r.Delimited || r.Reused != (i > 0) {
			t.Fatalf("%+v %v", r, err)
		}
	}
	_, _, err = send(t.Context(), "/reset", "{}")
	wantKind(t, err, upstream.Reset, true)
	_, _, err = send(t.Context(), "/cut", "{}")
	wantKind(t, err, upstream.Cut, true)
	_, _, err = send(t.Context(), "/silent", "{}")
	wantKind(t, err, upstream.IdleTimeout, true)
	<-gone // the server sees the stream end, the connection lives
	if r, _, err := send(t.Context(), "/echo", "x"); err != nil || !r.Reused {
		t.Errorf("%+v %v", r, err)
	}
}

// tunnel is an egress proxy: HTTP CONNECT, or SOCKS5 with a password.
type tunnel struct {
	*upstreamtest.Server
	used atomic.Int64
}

func startTunnel(t *testing.T, status string) *tunnel {
	tn := &tunnel{}
	tn.Server = upstreamtest.Serve(t, false, func(_ int, c *upstreamtest.Conn) {
		r := bufio.NewReader(c)
		first, err := r.Peek(1)
		if err != nil {
			return
		}
		var addr string
		if first[0] == 5 {
			addr = socks(r, c)
		} else {
			req, err := http.ReadRequest(r)
			if err != nil || req.Method != http.MethodConnect || req.Header.Get("Proxy-Authorization") == "" {
				return
			}
			addr = req.Host
			c.Say("HTTP/1.1 " + status + "\r\n\r\n")
			if status != "200 OK" {
				return
			}
		}
		out, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		tn.used.Add(1)
		done := make(chan bool)
		go func() {
			io.Copy(c, out)
			c.Close()
			close(done)
		}()
		io.Copy(out, r)
		out.Close()
		<-done
	})
	return tn
}

// socks answers the greeting, the password and the request (RFC 1928, 1929)
// and returns the address asked for.
func socks(r *bufio.Reader, w io.Writer) string {
	read := func(n int) []byte {
		b := make([]byte, n)
		io.ReadFull(r, b)
		return b
	}
	read(int(read(2)[1]))
	w.Write([]byte{5, 2})
	read(int(read(2)[1]))
	read(int(read(1)[0]))
	w.Write([]byte{1, 0})
	read(4) // version, command, reserved, address type 1
	ip := read(4)
	port := read(2)
	w.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	return fmt.Sprintf("%s:%d", net.IP(ip), int(port[0])<<8|int(port[1]))
}

func TestProxy(t *testing.T) {
	for _, scheme := range []string{"http", "socks5"} {
		t.Run(scheme, func(t *testing.T) {
			tn := startTunnel(t, "200 OK")
			srv := upstreamtest.Serve(t, true, func(_ int, c *upstreamtest.Conn) {
				c.Request()
				c.Say(okAnswer)
				c.Gone()
			})
			body, err := try(t, upstream.Target{
				BaseURL: srv.URL, TLS: upstream.TLSConfig{CAPEM: srv.CAPEM},
				Proxy: strings.Replace(tn.URL, "http://", scheme+"://user:pass@", 1),
			})
			if err != nil || body != "ok" || tn.used.Load() != 1 {
				t.Errorf("%q %v, tunnel used %d times", body, err, tn.used.Load())
			}
		})
	}
	t.Run("refusing", func(t *testing.T) {
		tn := startTunnel(t, "407 Proxy Authentication Required")
		_, err := try(t, upstream.Target{BaseURL: "https://127.0.0.1:9", Proxy: strings.Replace(tn.URL, "//", "//user:hunter2@", 1)})
		wantKind(t, err, upstream.Proxy, false)
		if err == nil || !strings.Contains(err.Error(), "407") || strings.Contains(err.Error(), "hunter2") {
			t.Error(err)
		}
	})
}

// The environment's proxy variables must not lead calls out by another way.
func TestNoProxyFromEnvironment(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:9")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:9")
	t.Setenv("ALL_PROXY", "http://127.0.0.1:9")
	srv := upstreamtest.Serve(t, true, func(_ int, c *upstreamtest.Conn) {
		c.Request()
		c.Say(okAnswer)
	})
	u, _ := url.Parse(srv.URL)
	if _, err := try(t, upstream.Target{BaseURL: "https://localhost:" + u.Port(), TLS: upstream.TLSConfig{CAPEM: srv.CAPEM}}); err != nil {
		t.Error(err)
	}
}

func TestThroughProxy(t *testing.T) {
	tn := startTunnel(t, "200 OK")
	upstreamtest.Run(t, upstreamtest.Carrier{Secure: true, Adjust: func(t *testing.T, target *upstream.Target) {
		target.Proxy = strings.Replace(tn.URL, "//", "//user:pass@", 1)
	}})
}
