// Package address reads the URLs by which vector stores are named:
//
//	pinecone://INDEX_HOST/INDEX?api_key=env:PINECONE_API_KEY
//	qdrant://HOST:6334/COLLECTION
//	milvus://HOST:19530/COLLECTION?database=DATABASE
//	postgres://USER@HOST/DB?table=TABLE
//	chroma://HOST:8000/COLLECTION
//	weaviate://HOST/CLASS
//	opensearch://USER@HOST:9200/INDEX
//	file:PATH.jsonl, file:PATH.parquet
//
// with the options namespace, namespace_field, vector, id, text, tls and api_key, and
// those of each store's own. Keys are references (env:NAME, file:PATH), never in the
// clear.
package address

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

// Address is where a store is.
type Address struct {
	Store string // pinecone, qdrant, ...
	Host  string // with its port, where it has one
	Name  string // of the index, collection, table, class
	Path  string // of a file
	// Database is of postgres and milvus, User of postgres and opensearch.
	Database, User string

	Namespace *string // only this one; nil: all
	// NamespaceField is the field that says of which namespace a record is, in a store
	// that has none.
	NamespaceField string
	Vector         string // only this one of several; empty: all
	ID, Text       string // fields
	TLS            bool
	Key            string // reference: env:NAME or file:PATH; empty: none
	// Own are the options that only this store has, by their names.
	Own map[string]string
}

// own are the options that only one store has, but for a table's name.
var own = map[string][]string{
	"postgres":   {"payload", "fields", "columns", "metric", "sslrootcert"},
	"milvus":     {"database"},
	"chroma":     {"tenant", "database"},
	"opensearch": {"metric", "sslrootcert"},
	"weaviate":   {"sslrootcert"},
}

// keys are what stores call the key, beside api_key.
var keys = map[string]string{"postgres": "password", "milvus": "token", "chroma": "token", "opensearch": "password"}

// File is the Store of archives.
const File = "file"

// stores are the schemes, with the port that each has by default.
var stores = map[string]string{
	"pinecone": "443", "qdrant": "6334", "milvus": "19530", "postgres": "5432", "chroma": "8000", "weaviate": "443", "opensearch": "9200",
}

// Parse reads a URL.
func Parse(s string) (Address, error) {
	if path, ok := strings.CutPrefix(s, "file:"); ok {
		return file(s, path)
	}
	u, err := url.Parse(s)
	if err != nil {
		return Address{}, fmt.Errorf("%q is no address of a store: %w", clean(s), errors.Unwrap(err))
	}
	port, ok := stores[u.Scheme]
	if !ok {
		return Address{}, fmt.Errorf("%q is no address of a store: one begins with pinecone://, qdrant://, milvus://, postgres://, chroma://, weaviate://, opensearch:// or file: and a path", clean(s))
	}
	a := Address{Store: u.Scheme, Host: u.Host, Name: strings.Trim(u.Path, "/")}
	if u.Hostname() == "" {
		return a, fmt.Errorf("%s: the host is missing", clean(s))
	}
	if _, err := netip.ParseAddr(u.Hostname()); err != nil && strings.Contains(u.Hostname(), ":") {
		return a, fmt.Errorf("%s: %q is no host: an IPv6 address stands in brackets", clean(s), u.Host)
	}
	if u.Port() == "" {
		a.Host = net.JoinHostPort(u.Hostname(), port)
	}
	if u.User != nil {
		if _, secret := u.User.Password(); secret {
			return a, fmt.Errorf("%s: a password stands in the address, where others read it: give %s=env:NAME or file:PATH", clean(s), cmp.Or(keys[a.Store], "api_key"))
		}
		a.User = u.User.Username()
	}
	if err := a.options(u.Query()); err != nil {
		return a, fmt.Errorf("%s: %w", clean(s), err)
	}
	if a.Store == "postgres" {
		a.Database, a.Name = a.Name, u.Query().Get("table")
	}
	if a.Store == "milvus" {
		a.Database = a.Own["database"]
	}
	if a.Name == "" {
		return a, fmt.Errorf("%s: the name of the %s is missing", clean(s), map[string]string{"pinecone": "index", "opensearch": "index", "postgres": "table (table=NAME)", "weaviate": "class"}[a.Store])
	}
	return a, nil
}

// file is the address of an archive.
func file(s, path string) (Address, error) {
	path, query, _ := strings.Cut(path, "?")
	a := Address{Store: File, Path: path, Name: filepath.Base(path)}
	if ext := filepath.Ext(path); ext != ".jsonl" && ext != ".parquet" {
		return a, fmt.Errorf("%s: an archive ends in .jsonl or .parquet", clean(s))
	}
	q, err := url.ParseQuery(query)
	if err != nil {
		return a, fmt.Errorf("%s: %w", clean(s), err)
	}
	return a, a.options(q)
}

func (a *Address) options(q url.Values) error {
	a.TLS = !Loopback(a.Host)
	for name, values := range q {
		v := values[len(values)-1]
		switch name {
		case "namespace":
			a.Namespace = &v
		case "namespace_field":
			if a.Store != "qdrant" && a.Store != "postgres" && filepath.Ext(a.Path) != ".parquet" {
				return errors.New("namespace_field is an option of qdrant, postgres and Parquet files")
			}
			a.NamespaceField = v
		case "vector":
			a.Vector = v
		case "id":
			a.ID = v
		case "text":
			a.Text = v
		case "table":
			if a.Store != "postgres" {
				return errors.New("table is an option of postgres")
			}
		case "tls":
			switch v {
			case "on":
				a.TLS = true
			case "off":
				if a.TLS {
					return errors.New("tls=off is for this machine only: what is sent to others is encrypted")
				}
			default:
				return fmt.Errorf("tls is %q, and is on or off", v)
			}
		case "sslmode":
			if a.Store != "postgres" {
				return errors.New("sslmode is an option of postgres: others have tls=on and tls=off")
			}
			switch {
			case v == "verify-full":
				a.TLS = true
			case v == "disable" && !a.TLS:
			case v == "disable":
				return errors.New("sslmode=disable is for this machine only: what is sent to others is encrypted")
			default:
				return fmt.Errorf("sslmode=%s does not make sure who the server is: verify-full does, with sslrootcert=FILE where its certificate is by an authority of your own", clean(v))
			}
		case "api_key", cmp.Or(keys[a.Store], "api_key"):
			if !strings.HasPrefix(v, "env:") && !strings.HasPrefix(v, "file:") {
				return fmt.Errorf("%s is a key in the clear: give a reference, env:NAME or file:PATH", name)
			}
			a.Key = v
		default:
			if !slices.Contains(own[a.Store], name) {
				return fmt.Errorf("there is no option %s; there are %s", name, strings.Join(append([]string{"namespace, namespace_field, vector, id, text, tls, api_key"}, own[a.Store]...), ", "))
			}
			if a.Own == nil {
				a.Own = map[string]string{}
			}
			a.Own[name] = v
		}
	}
	return nil
}

// Same reports whether both are of one place: the same collection of the same server,
// whatever is read of it and with which key.
func (a *Address) Same(b *Address) bool {
	return a.Store == b.Store && a.Host == b.Host && a.Name == b.Name && a.Path == b.Path && a.Database == b.Database
}

// Hostname is the host without its port.
func (a *Address) Hostname() string {
	host, _, err := net.SplitHostPort(a.Host)
	if err != nil {
		return a.Host
	}
	return host
}

// Loopback reports whether a host with its port is this machine.
func Loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback()
}

// String is the address without its key, always the same for the same store.
func (a *Address) String() string {
	u := url.URL{Scheme: a.Store, Host: a.Host, Path: "/" + a.Name}
	q := url.Values{}
	if a.Store == "postgres" {
		u.Path = "/" + a.Database
		q.Set("table", a.Name)
	}
	if a.User != "" && slices.Contains([]string{"postgres", "opensearch"}, a.Store) {
		u.User = url.User(a.User)
	}
	if a.Namespace != nil {
		q.Set("namespace", *a.Namespace)
	}
	for name, v := range map[string]string{"namespace_field": a.NamespaceField, "vector": a.Vector, "id": a.ID, "text": a.Text} {
		if v != "" {
			q.Set(name, v)
		}
	}
	for name, v := range a.Own {
		q.Set(name, v)
	}
	u.RawQuery = q.Encode()
	if a.Store == File {
		if u.RawQuery == "" {
			return "file:" + a.Path
		}
		return "file:" + a.Path + "?" + u.RawQuery
	}
	return u.String()
}

// clean is an address that may be shown: without a password or a key.
func clean(s string) string {
	s, query, has := strings.Cut(s, "?")
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		if i := strings.LastIndexByte(rest, '@'); i >= 0 {
			user, _, secret := strings.Cut(rest[:i], ":")
			if secret {
				user += ":***"
			}
			s = scheme + "://" + user + rest[i:]
		}
	}
	if !has {
		return s
	}
	parts := strings.Split(query, "&")
	for i, p := range parts {
		if name, v, _ := strings.Cut(p, "="); slices.Contains([]string{"api_key", "password", "token"}, name) && !strings.HasPrefix(v, "env:") && !strings.HasPrefix(v, "file:") {
			parts[i] = name + "=***"
		}
	}
	return s + "?" + strings.Join(parts, "&")
}
