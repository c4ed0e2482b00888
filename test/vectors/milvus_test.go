package vectors_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"freehold/internal/vector/milvus/milvustest"
)

// TestPymilvus: what the official client of Milvus has written, and changed and
// deleted, it reads from the copy as from the original: types of columns, the primary
// key's name, metric and counts.
func TestPymilvus(t *testing.T) {
	for name, ends := range map[string][2]func(testing.TB) *milvustest.Server{
		"lite to server":   {milvustest.Shared, milvustest.Full},
		"server to lite":   {milvustest.Full, milvustest.Shared},
		"server to server": {milvustest.Full, milvustest.Full},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := ends[0](t), ends[1](t)
			source, target := from.Name(t), to.Name(t)
			milvustest.Client(t, "write", "http://"+from.Addr(), source)
			out, _, err := run(t, t.TempDir(), 0, "vectors", "copy", "--from", "milvus://"+from.Addr()+"/"+source, "--to", "milvus://"+to.Addr()+"/"+target)
			if err != nil || !strings.Contains(out, "all of 1,199 records are there, to the last byte, and nothing else") {
				t.Fatalf("%v\n%s", err, out)
			}
			milvustest.Client(t, "compare", "http://"+from.Addr(), source, "http://"+to.Addr(), target)
		})
	}
}

// TestKilledMilvusServer: namespaces become partitions of the server itself, and come
// back; the copies are killed in between.
func TestKilledMilvusServer(t *testing.T) {
	w := newWorld(t)
	server := milvustest.Full(t)
	r := rand.New(rand.NewPCG(7, 99))
	source, between, back := w.place(t, "pinecone"), "milvus://"+server.Addr()+"/"+server.Name(t), w.place(t, "pinecone")
	n := w.fill(t, source, "pinecone", r)
	dir := t.TempDir()
	for _, ends := range [][2]string{{source, between}, {between, back}} {
		args := []string{"vectors", "copy", "--from", ends[0], "--to", ends[1]}
		for range 2 {
			if out, killed, err := run(t, dir, time.Duration(500+r.IntN(2500))*time.Millisecond, args...); !killed && err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		out, _, err := run(t, dir, 0, args...)
		if err != nil || !strings.Contains(out, "nothing else") {
			t.Fatalf("%v\n%s", err, out)
		}
		w.look(t, ends[0], ends[1], n)
	}
	d, err := open(t, between).Describe(t.Context())
	if err != nil || len(d.Namespaces) != 3 || d.Namespaces[2].Name != "ältere" {
		t.Errorf("%+v %v", d, err)
	}
}
