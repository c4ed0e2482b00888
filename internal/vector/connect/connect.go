// Package connect opens the store that an address names.
package connect

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"os"
	"strings"

	"freehold/internal/upstream"
	"freehold/internal/vector"
	"freehold/internal/vector/address"
	"freehold/internal/vector/archive"
	"freehold/internal/vector/chroma"
	"freehold/internal/vector/milvus"
	"freehold/internal/vector/opensearch"
	"freehold/internal/vector/pgvector"
	"freehold/internal/vector/pinecone"
	"freehold/internal/vector/qdrant"
	"freehold/internal/vector/weaviate"
)

// controlPlane is the host of Pinecone's control plane.
const controlPlane = "api.pinecone.io:443"

// usualKeys are where the stores' own clients look for a key.
var usualKeys = map[string]string{
	"pinecone": "PINECONE_API_KEY", "qdrant": "QDRANT_API_KEY", "postgres": "PGPASSWORD", "milvus": "MILVUS_TOKEN", "chroma": "CHROMA_API_KEY",
	"opensearch": "OPENSEARCH_API_KEY", "weaviate": "WEAVIATE_API_KEY",
}

// Options of [Open].
type Options struct {
	// Getenv reads the environment, for keys.
	Getenv func(name string) string
	// Key is the store's key, where the address has no reference to one.
	Key string
	// Networks are those that its host may be in; none: any.
	Networks []netip.Prefix
	// Fast: without freehold's own limits of rates, which a copy keeps to.
	Fast bool
	// IDs is a file of ids, one a line, for an index that cannot list them; empty: none.
	IDs string
}

// dialer makes connections to a host with its port.
type dialer = func(ctx context.Context, address string) (net.Conn, error)

// way is what a store is opened with beside its address.
func (o *Options) way(a *address.Address) (key string, dial dialer, err error) {
	if key, err = secret(a.Key, o.Getenv); err != nil {
		return "", nil, fmt.Errorf("%s: api_key: %w", a.String(), err)
	}
	if a.Key == "" {
		key = o.Key
		name := usualKeys[a.Store]
		if a.Store == "opensearch" && a.User != "" {
			name = "OPENSEARCH_PASSWORD"
		}
		if key == "" && name != "" && o.Getenv != nil {
			key = o.Getenv(name)
		}
	}
	if len(o.Networks) > 0 {
		within := upstream.Dialer(o.Networks)
		dial = func(ctx context.Context, address string) (net.Conn, error) { return within(ctx, "tcp", address) }
	}
	return key, dial, nil
}

// Source opens a store that is read. Nothing is asked of it yet, but of an archive
// whether it is there.
func Source(ctx context.Context, a address.Address, o Options) (vector.Source, error) {
	if a.Store != "opensearch" && a.Store != "weaviate" {
		return Open(ctx, a, o)
	}
	key, dial, err := o.way(&a)
	if err != nil {
		return nil, err
	}
	secure, err := secured(&a, "")
	if err != nil {
		return nil, err
	}
	if a.Store == "weaviate" {
		return weaviate.Open(weaviate.Options{Host: a.Host, Class: a.Name, Key: key, Vector: a.Vector, Namespace: a.Namespace, TLS: secure, Dial: dial})
	}
	s := opensearch.Options{Host: a.Host, Index: a.Name, User: a.User, Vector: a.Vector, Metric: vector.Metric(a.Own["metric"]), TLS: secure, Dial: dial}
	if s.Key = key; a.User != "" {
		s.Password, s.Key = key, ""
	}
	return opensearch.Open(s)
}

// Open opens a store that is written, too.
func Open(ctx context.Context, a address.Address, o Options) (vector.Target, error) {
	key, dial, err := o.way(&a)
	if err != nil {
		return nil, err
	}
	secure, err := secured(&a, map[bool]string{true: a.Hostname()}[a.Store == "postgres"])
	if err != nil {
		return nil, err
	}
	switch a.Store {
	case address.File:
		return archive.OpenTable(ctx, a.Path, archive.Columns{ID: a.ID, Vector: a.Vector, Namespace: a.NamespaceField})
	case "pinecone":
		p := pinecone.Options{Host: a.Host, Index: a.Name, Key: key, Plain: !a.TLS, Dial: dial}
		if a.Host == controlPlane { // it knows the index's own host, also of one that is made
			p.Host = ""
		}
		if a.Namespace != nil {
			p.Namespaces = []string{*a.Namespace}
		}
		if !a.TLS { // a simulator on this machine: it is its own control plane
			p.Host, p.Control = "", "http://"+a.Host
		}
		if o.Fast {
			const any = 1e9
			p.Lists, p.Fetches, p.Upserts, p.Queries = any, any, any, any
		}
		if o.IDs != "" {
			p.IDs = lines(o.IDs)
		}
		return pinecone.Open(ctx, p)
	case "qdrant":
		return qdrant.Open(qdrant.Options{Host: a.Host, Collection: a.Name, Vector: a.Vector, Namespace: a.Namespace, NamespaceField: a.NamespaceField, APIKey: key, TLS: secure, Dial: dial})
	case "milvus":
		return milvus.Open(milvus.Options{
			Host: a.Host, Collection: a.Name, Database: a.Database, Token: key, TLS: secure, Dial: dial,
			Vector: a.Vector, Namespace: a.Namespace, ID: a.ID, Text: a.Text,
		})
	case "postgres":
		return table(a, key, secure, dial)
	case "chroma":
		return chroma.Open(chroma.Options{Host: a.Host, Tenant: a.Own["tenant"], Database: a.Own["database"], Collection: a.Name, Token: key, Document: a.Text, TLS: secure, Dial: dial})
	}
	return nil, fmt.Errorf("%s: %s is read only; what is written are pinecone, qdrant, milvus, postgres, chroma and file", a.String(), a.Store)
}

// secured is how a host is reached by TLS, nil where it is without. Its certificate may
// be by an authority of the user's own.
func secured(a *address.Address, server string) (*tls.Config, error) {
	var out *tls.Config
	if a.TLS {
		out = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: server}
	}
	file := a.Own["sslrootcert"]
	if file == "" {
		return out, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: sslrootcert: %w", a.String(), err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) || out == nil {
		return nil, fmt.Errorf("%s: sslrootcert: %s has no certificate in PEM, or TLS is off", a.String(), file)
	}
	out.RootCAs = pool
	return out, nil
}

// table opens a table of PostgreSQL.
func table(a address.Address, password string, secure *tls.Config, dial dialer) (vector.Target, error) {
	o := pgvector.Options{
		Host: a.Host, Database: a.Database, User: a.User, Password: password, Table: a.Name, TLS: secure, Dial: dial,
		ID: a.ID, NamespaceColumn: a.NamespaceField, Payload: a.Own["payload"], Vector: a.Vector, Namespace: a.Namespace, Metric: vector.Metric(a.Own["metric"]),
	}
	switch a.Own["columns"] {
	case "", "payload":
	case "typed":
		o.Typed = true
	default:
		return nil, fmt.Errorf("%s: columns=%s is neither typed nor payload", a.String(), a.Own["columns"])
	}
	if list := a.Own["fields"]; list != "" {
		o.Fields = strings.Split(list, ",")
	}
	return pgvector.Open(o)
}

// secret reads what a reference names. A key never stands in an address.
func secret(ref string, getenv func(string) string) (string, error) {
	if name, ok := strings.CutPrefix(ref, "env:"); ok {
		if v := getenv(name); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("the environment has no %s", name)
	}
	if path, ok := strings.CutPrefix(ref, "file:"); ok {
		text, err := os.ReadFile(path)
		return strings.TrimSpace(string(text)), err
	}
	return "", nil
}

// lines yields the lines of a file that are not empty.
func lines(path string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield("", err)
			return
		}
		defer f.Close()
		in := bufio.NewScanner(f)
		for in.Scan() {
			if id := strings.TrimRight(in.Text(), "\r"); id != "" && !yield(id, nil) {
				return
			}
		}
		if err := in.Err(); err != nil {
			yield("", fmt.Errorf("%s: %w", path, err))
		}
	}
}
