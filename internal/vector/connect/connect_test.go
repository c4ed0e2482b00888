package connect_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"freehold/internal/vector"
	"freehold/internal/vector/address"
	"freehold/internal/vector/connect"
	"freehold/internal/vector/pinecone/sim"
)

func parsed(t *testing.T, url string) address.Address {
	t.Helper()
	a, err := address.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func getenv(name string) string { return map[string]string{"KEY": "s3cret"}[name] }

func open(t *testing.T, url string, o connect.Options) (vector.Source, error) {
	t.Helper()
	o.Getenv = getenv
	s, err := connect.Source(t.Context(), parsed(t, url), o)
	if err == nil {
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return s, err
}

// TestRefused: what cannot be opened says what to do, and never a key.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		url string
		o   connect.Options
		why string
	}{
		{"weaviate://127.0.0.1/Docs", connect.Options{}, "weaviate is read only"},
		{"qdrant://127.0.0.1:1/docs?api_key=env:NOWHERE", connect.Options{}, "api_key: the environment has no NOWHERE"},
		{"qdrant://127.0.0.1:1/docs?api_key=file:" + filepath.Join(dir, "none"), connect.Options{}, "api_key: "},
		{"pinecone://127.0.0.1:1/docs", connect.Options{}, "a key are needed"},
		{"file:" + filepath.Join(dir, "a.jsonl") + "?id=x", connect.Options{}, "columns are named of Parquet files only"},
		{"opensearch://127.0.0.1/docs", connect.Options{}, "opensearch is read only"},
	} {
		c.o.Getenv = getenv
		_, err := connect.Open(t.Context(), parsed(t, c.url), c.o)
		if err == nil || !strings.Contains(err.Error(), c.why) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want %q", c.url, err, c.why)
		}
	}
}

// TestKeys: a key comes from the environment, from a file, or from whoever opens the
// store; one that the address names goes before that.
func TestKeys(t *testing.T) {
	s, err := sim.New(sim.Options{Key: "s3cret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key, given string
		trouble    vector.Trouble
	}{
		{"?api_key=env:KEY", "", vector.Missing}, // the key is good: there is no such index
		{"?api_key=file:" + file, "", vector.Missing},
		{"", "s3cret", vector.Missing},
		{"?api_key=env:KEY", "wrong", vector.Missing},
		{"", "wrong", vector.Denied},
	} {
		store, err := open(t, "pinecone://"+s.Address()+"/docs"+c.key, connect.Options{Key: c.given})
		if err != nil {
			t.Fatal(err)
		}
		_, err = store.Describe(t.Context())
		var is *vector.Error
		if !errors.As(err, &is) || is.Trouble != c.trouble || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q, %q: %v, want %s", c.key, c.given, err, c.trouble)
		}
	}
}

// TestNetworks: a host that is in none of its networks is not sent a byte.
func TestNetworks(t *testing.T) {
	s, err := sim.New(sim.Options{Key: "s3cret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	for network, reached := range map[string]bool{"10.0.0.0/8": false, "127.0.0.0/8": true} {
		o := connect.Options{Key: "s3cret", Networks: []netip.Prefix{netip.MustParsePrefix(network)}}
		for _, url := range []string{"pinecone://" + s.Address() + "/docs", "qdrant://127.0.0.1:1/docs", "opensearch://127.0.0.1:1/docs", "weaviate://127.0.0.1:1/Docs"} {
			store, err := open(t, url, o)
			if err != nil {
				t.Fatal(err)
			}
			_, err = store.Describe(t.Context())
			if err == nil || strings.Contains(err.Error(), "outside the provider's networks") == reached {
				t.Errorf("%s in %s: %v", url, network, err)
			}
		}
	}
}

// TestIDs: an index that cannot list takes its ids from a file, one a line.
func TestIDs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ids")
	if err := os.WriteFile(file, []byte("a\r\n\nb c\nd"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := sim.New(sim.Options{Key: "s3cret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	for name, want := range map[string]string{file: "a|b c|d", file + ".none": "no such file"} {
		store, err := open(t, "pinecone://"+s.Address()+"/docs", connect.Options{Key: "s3cret", IDs: name})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for u, err := range store.Units(t.Context(), "", "", 10) {
			if err != nil {
				got = append(got, err.Error())
			}
			got = append(got, u.IDs...)
		}
		if s := strings.Join(got, "|"); !strings.Contains(s, want) {
			t.Errorf("%s: %q, want %q", name, s, want)
		}
	}
}
