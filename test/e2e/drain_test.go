package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
	"freehold/test/client"
)

// TestDrain stops freehold while a stream is under way: the stream comes to its
// own end, new requests hear that it shuts down, and then it ends.
func TestDrain(t *testing.T) {
	rest := make(chan struct{})
	var begun atomic.Int64
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		const head = `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":`
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, head+`"one "},"finish_reason":null}]}`+"\n\n") // its client misses what is lost
		w.(http.Flusher).Flush()
		begun.Add(1)
		<-rest
		_, _ = io.WriteString(w, head+`"two"},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
	}))
	defer provider.Close()
	s := serve(t, fmt.Sprintf(`
providers: {p: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}}
models: {m: {provider: p, id: m}}
`, provider.URL))
	cs := both(t, s.url)
	results := make(chan client.Result, len(cs))
	for _, c := range cs {
		go func() {
			r, err := c.Ask(t.Context(), client.Request{Model: "m", Prompt: "x", Stream: true})
			if err != nil {
				r.Err = err.Error()
			}
			results <- r
		}()
	}
	eventually(t, "the streams have begun", func() bool { return begun.Load() == int64(len(cs)) })
	s.stop()
	eventually(t, "new requests are told", func() bool {
		status, _ := get(t, cs[0].HTTP, s.url+"/health/ready", nil)
		return status == http.StatusServiceUnavailable
	})
	for _, c := range cs {
		r := ask(t, c, client.Request{Model: "m", Prompt: "late"})
		if r.Status != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" || r.Err == "" {
			t.Errorf("a new request: %v", &r)
		}
	}
	close(rest)
	for range cs {
		if r := <-results; !r.Whole() || r.Text != "one two" {
			t.Errorf("a stream under way: %v", &r)
		}
	}
	s.halt(t)
}

// TestTLS serves HTTPS and takes a new certificate into use without a restart;
// one that does not load leaves the old one.
func TestTLS(t *testing.T) {
	provider := mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 4})
	dir := t.TempDir()
	first := certify(t, dir, 1)
	s := serveFile(t, writeConfig(t, dir, fmt.Sprintf(`
server: {listen: 127.0.0.1:0, tls: {cert: server.pem, key: server.key}}
providers: {p: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}}
models: {m: {provider: p, id: m}}
`, provider.URL())), "")
	asked := func(root *x509.Certificate) (int64, client.Result) {
		pool := x509.NewCertPool()
		pool.AddCert(root)
		tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
		defer tr.CloseIdleConnections()
		c := &client.Client{URL: s.url, HTTP: &http.Client{Transport: tr}}
		resp, err := c.Open(t.Context(), c.Path(), c.Body(client.Request{Model: "m", Prompt: "hi", Stream: true}))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		r := client.Result{Status: resp.StatusCode, Header: resp.Header}
		if err := c.Read(&r, resp); err != nil {
			t.Fatal(err)
		}
		return resp.TLS.PeerCertificates[0].SerialNumber.Int64(), r
	}
	if n, r := asked(first); n != 1 || !r.Whole() {
		t.Fatalf("certificate %d: %v", n, &r)
	}
	second := certify(t, dir, 2)
	if n, r := asked(second); n != 2 || !r.Whole() {
		t.Errorf("after the files changed: certificate %d: %v", n, &r)
	}
	if err := os.WriteFile(filepath.Join(dir, "server.pem"), []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, r := asked(second); n != 2 || !r.Whole() {
		t.Errorf("after a broken file: certificate %d: %v", n, &r)
	}
}

// certify writes a certificate for 127.0.0.1 that signs itself.
func certify(t testing.TB, dir string, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "freehold test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"server.key": {Type: "EC PRIVATE KEY", Bytes: private}, "server.pem": {Type: "CERTIFICATE", Bytes: der},
	} {
		path := filepath.Join(dir, name)
		replace(t, path, pem.EncodeToMemory(block))
		// Another time of change, however coarse the file system's clock is.
		at := time.Now().Add(time.Duration(serial) * time.Second)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
