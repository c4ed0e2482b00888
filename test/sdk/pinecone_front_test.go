package sdk

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pinecone-io/go-pinecone/v5/pinecone"

	"freehold/internal/app"
	"freehold/internal/auth"
	"freehold/internal/history"
	"freehold/internal/vector/front"
	"freehold/internal/vector/milvus/milvustest"
	"freehold/internal/vector/moves"
	"freehold/internal/vector/pgvector/pgtest"
	"freehold/internal/vector/pinecone/sim"
	"freehold/internal/vector/qdrant/qdranttest"
)

// fronted is freehold in front of the simulator and another store.
type fronted struct {
	app     *app.App
	address string
	key     string
}

// serveIndex serves an index that moves to the store at an address.
func serveIndex(t *testing.T, s *sim.Server, name string, to place) *fronted {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	text := fmt.Sprintf("server: {listen: \"127.0.0.1:0\", auth: keys}\nstate: sqlite:state.db\nstores:\n  old: {url: \"pinecone://%s/%s\", api_key: %q}\n  new: {url: %q, api_key: %q}\nindexes:\n  %s: {from: old, to: new, shadow: 0}\n",
		s.Address(), name, pineconeKey, to.url, to.key, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ready, ended := make(chan app.Ready, 1), make(chan error, 1)
	go func() {
		ended <- app.Serve(ctx, app.Options{ConfigPath: path, CacheDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}, app.Hooks{Ready: func(r app.Ready) { ready <- r }})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	var f fronted
	select {
	case r := <-ready:
		f.app, f.address = r.App, r.URL[len("http://"):]
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	f.key = issue(t, f.app)
	f.until(t, name, func(x *moves.Status) bool { return x.Why == "" })
	return &f
}

// until waits for what is to become of an index.
func (f *fronted) until(t *testing.T, name string, is func(*moves.Status) bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		x, err := f.app.Indexes.Status(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if x.Job != nil && x.Job.Err != nil {
			t.Fatal(x.Job.Err)
		}
		if is(x) {
			return
		}
	}
	t.Fatal("it does not come about")
}

var tester = history.Who{Via: "test", Name: "tester"}

// cutOver moves an index to its store.
func (f *fronted) cutOver(t *testing.T, name string) {
	t.Helper()
	if err := f.app.Indexes.Sync(t.Context(), name, moves.SyncOptions{}, tester, ""); err != nil {
		t.Fatal(err)
	}
	f.until(t, name, func(x *moves.Status) bool { return !x.Move.Passed.IsZero() && x.Job != nil && !x.Job.Ended.IsZero() })
	if err := f.app.Indexes.Cutover(t.Context(), name, "", tester, ""); err != nil {
		t.Fatal(err)
	}
	f.until(t, name, func(x *moves.Status) bool { return x.Move.Phase == front.Cut && !x.Job.Ended.IsZero() })
}

// place is a collection that there is not yet, and the key of its store.
type place struct{ url, key string }

// targets are the stores that an index can be served from.
func targets(t *testing.T) map[string]place {
	t.Helper()
	q, m, p := qdranttest.Shared(t), milvustest.Shared(t), pgtest.Shared(t)
	table := url.URL{Scheme: "postgres", User: url.User(p.User), Host: p.Host, Path: p.Database, RawQuery: url.Values{"table": {p.Name(t)}}.Encode()}
	return map[string]place{
		"qdrant":   {"qdrant://" + q.Addr() + "/" + q.Name(t), "none"},
		"milvus":   {"milvus://" + m.Addr() + "/" + m.Name(t), "none"},
		"pgvector": {table.String(), p.Password},
	}
}

// TestFrontPython has the official Python client do against freehold what it does
// against Pinecone: in front of Pinecone, and in front of each other store.
func TestFrontPython(t *testing.T) {
	t.Parallel()
	home := pineconeClient.Find(t)
	for store, to := range targets(t) {
		s := startPinecone(t)
		if _, err := s.Add(sim.Index{Name: "books", Dimension: 4, Metric: "dotproduct"}); err != nil {
			t.Fatal(err)
		}
		f := serveIndex(t, s, "books", to)
		for _, phase := range []string{"relay", "cutover"} {
			t.Run(store+" "+phase, func(t *testing.T) {
				if phase == "cutover" {
					f.cutOver(t, "books")
				}
				checkPinecone(t, home, object{"control": "http://" + f.address + "/pinecone", "key": f.key, "index": "books",
					"sparse": store != "milvus", // milvus-lite wants one of each record, or of none
					"host":   "http://" + f.address + "/pinecone/books", "grpc_host": f.address})
			})
		}
	}
}

// TestFrontGo is [TestFrontPython] with the official Go client, which speaks gRPC.
func TestFrontGo(t *testing.T) {
	t.Parallel()
	for store, to := range targets(t) {
		s := startPinecone(t)
		if _, err := s.Add(sim.Index{Name: "songs", Dimension: 3, Metric: "cosine"}); err != nil {
			t.Fatal(err)
		}
		f := serveIndex(t, s, "songs", to)
		for _, phase := range []string{"relay", "cutover"} {
			t.Run(store+" "+phase, func(t *testing.T) {
				if phase == "cutover" {
					f.cutOver(t, "songs")
				}
				pc, err := pinecone.NewClient(pinecone.NewClientParams{ApiKey: f.key, Host: "http://" + f.address})
				if err != nil {
					t.Fatal(err)
				}
				for _, ns := range []string{"", "second"} {
					conn, err := pc.Index(pinecone.NewIndexConnParams{Host: "http://" + f.address, Namespace: ns})
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					goPinecone(t, conn, ns)
				}
			})
		}
	}
}

func issue(t *testing.T, a *app.App) string {
	t.Helper()
	_, key, err := a.Keys.Create(t.Context(), auth.Request{Name: "test", Grant: auth.Grant{Workloads: []string{"index:*"}}})
	if err != nil {
		t.Fatal(err)
	}
	return key
}
