package upstreamtest

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Server is a provider on loopback that answers with scripted bytes.
type Server struct {
	URL   string // http(s)://127.0.0.1:PORT
	CAPEM string // what to trust for https
	Conns atomic.Int64

	ln     net.Listener
	wg     sync.WaitGroup
	mu     sync.Mutex
	open   map[net.Conn]bool
	closed bool
}

// Serve starts a server that runs handle for each connection, n counted from 1,
// and closes the connection when handle returns. It ends with the test.
func Serve(t testing.TB, secure bool, handle func(n int, c *Conn)) *Server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{URL: "http://" + ln.Addr().String(), open: map[net.Conn]bool{}}
	if secure {
		cert, ca := Certificate(t)
		s.URL, s.CAPEM = "https://"+ln.Addr().String(), ca
		ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}})
	}
	s.ln = ln
	s.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			if !s.track(c, true) {
				c.Close()
				return
			}
			n := int(s.Conns.Add(1))
			s.wg.Go(func() {
				defer s.track(c, false)
				defer c.Close()
				handle(n, &Conn{Conn: c, r: bufio.NewReader(c)})
			})
		}
	})
	t.Cleanup(s.Close)
	return s
}

func (s *Server) track(c net.Conn, open bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if open {
		s.open[c] = true
	} else {
		delete(s.open, c)
	}
	return !s.closed
}

// Close ends the server and all its connections.
func (s *Server) Close() {
	s.ln.Close()
	s.mu.Lock()
	s.closed = true
	for c := range s.open {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// Conn is a connection at the server's side.
type Conn struct {
	net.Conn
	r *bufio.Reader
}

// Request reads one whole request, body included, or returns nil at the end.
func (c *Conn) Request() (*http.Request, []byte) {
	r, err := http.ReadRequest(c.r)
	if err != nil {
		return nil, nil
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, nil
	}
	return r, b
}

// Say writes the text as it is.
func (c *Conn) Say(text string) { io.WriteString(c, text) }

// Gone waits until the client closes the connection.
func (c *Conn) Gone() { io.Copy(io.Discard, c.r) }

// Reset ends the connection with a TCP reset where it can.
func (c *Conn) Reset() {
	under := c.Conn
	if t, ok := under.(*tls.Conn); ok {
		under = t.NetConn()
	}
	if t, ok := under.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	under.Close()
}

// Certificate makes a self-signed certificate for 127.0.0.1 and localhost, and
// the PEM that trusts it.
func Certificate(t testing.TB) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "upstreamtest"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost", "client"},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
