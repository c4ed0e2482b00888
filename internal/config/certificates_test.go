package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"math/big"
	"strings"
	"testing"
	"time"
)

// certificate is one that signs itself, valid an hour around now, and its key.
func certificate(t testing.TB, now time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) + string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

// TestCertificates: what serve would refuse, the check refuses, at the key that names
// the file.
func TestCertificates(t *testing.T) {
	now := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	good, other := certificate(t, now), certificate(t, now)
	_, otherKey, _ := strings.Cut(other, "-----END CERTIFICATE-----\n")
	files := map[string]string{
		"good": good, "key": otherKey, "text": "no certificate", "empty": "", "huge": strings.Repeat("x", maxFile+1),
		"old": certificate(t, now.Add(-2*time.Hour)), "early": certificate(t, now.Add(2*time.Hour)),
		"some": certificate(t, now.Add(-2*time.Hour)) + good, "torn": good + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	}
	env := testEnv()
	env.Now = func() time.Time { return now }
	env.ReadFile = func(p string) ([]byte, error) {
		if text, ok := files[p]; ok {
			return []byte(text), nil
		}
		return nil, &fs.PathError{Op: "open", Path: p, Err: fs.ErrNotExist}
	}
	const provider, server, detector = "providers: {a: {preset: ollama, tls: {", "server: {tls: {", "detectors: {d: {on_hit: block, external: {url: 'https://d.example', inside: true, tls: {"
	for name, tc := range map[string]struct {
		text, end, at, want string // want: what is said, "" for nothing
		severity            Severity
	}{
		"an authority":             {provider + "ca: ", "good}}}", "", "", Error},
		"one of them valid":        {provider + "ca: ", "some}}}", "", "", Error},
		"no PEM":                   {provider + "ca: ", "text}}}", "c:1:43", "providers.a.tls.ca: text: no certificate in it", Error},
		"an empty file":            {provider + "ca: ", "empty}}}", "c:1:43", "no certificate in it", Error},
		"another is torn":          {provider + "ca: ", "torn}}}", "c:1:43", "certificate 2: x509", Error},
		"too large":                {provider + "ca: ", "huge}}}", "c:1:43", "huge: larger than", Error},
		"no file":                  {provider + "ca: ", "none}}}", "c:1:43", "none: no such file", Error},
		"an authority ended":       {provider + "ca: ", "old}}}", "c:1:43", "old has expired on 2027-01-02T02:04:05Z", Warning},
		"an authority to come":     {provider + "ca: ", "early}}}", "c:1:43", "early is not valid before 2027-01-02T04:04:05Z", Warning},
		"mutual TLS":               {provider + "cert: good, key: ", "good}}}", "", "", Error},
		"another's key":            {provider + "cert: good, key: ", "key}}}", "c:1:45", "good with key: tls: private key does not match", Error},
		"a certificate ended":      {provider + "cert: old, key: ", "old}}}", "c:1:45", "providers.a.tls: old has expired", Warning},
		"no key":                   {provider + "cert: good, key: ", "none}}}", "c:1:56", "none: no such file", Error},
		"a listener":               {server + "cert: good, key: ", "good}}", "", "", Error},
		"a listener, another key":  {server + "cert: good, key: ", "key}}", "c:1:22", "server.tls: good with key", Error},
		"a listener, no PEM":       {server + "cert: text, key: ", "good}}", "c:1:22", "server.tls: text with good", Error},
		"a listener, ended":        {server + "cert: old, key: ", "old}}", "c:1:22", "who it is shown to refuses it", Warning},
		"a detector, no PEM":       {detector + "ca: ", "text}}}}", "c:1:93", "detectors.d.external.tls.ca: text: no certificate", Error},
		"a detector, another's":    {detector + "cert: good, key: ", "key}}}}", "c:1:95", "detectors.d.external.tls: good with key", Error},
		"a detector that has ours": {detector + "cert: good, key: ", "good}}}}", "", "", Error},
	} {
		_, ds := Parse("c", []byte(tc.text+tc.end+"\n"), env)
		if tc.want == "" {
			if len(ds) != 0 {
				t.Errorf("%s:\n%s", name, ds)
			}
			continue
		}
		if got := ds.String(); len(ds) != 1 || ds[0].Severity != tc.severity || !strings.HasPrefix(got, tc.at+": ") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: want %s: %s, got\n%s", name, tc.at, tc.want, got)
		}
	}
}
