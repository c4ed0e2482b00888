package vectors_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestCopyAlias: applications that go by an alias find the new collection when it is proven,
// and not before; of one that is not what it should be, the alias is none.
func TestCopyAlias(t *testing.T) {
	w := newWorld(t)
	for i, store := range []string{"qdrant", "milvus"} {
		t.Run(store, func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(i), 5))
			dir := t.TempDir()
			alias := fmt.Sprintf("alias_%s_%d", store, r.Uint32())
			var targets []string
			for round := range 2 {
				source, target := w.place(t, "file"), w.place(t, store)
				n := w.fill(t, source, "pinecone", r)
				targets = append(targets, target)
				out, _, err := run(t, dir, 0, "vectors", "copy", "--from", source, "--to", target, "--alias", alias)
				out = strings.Join(strings.Fields(out), " ") // lines are wrapped
				if err != nil || !strings.Contains(out, alias) || (round == 1) != strings.Contains(out, "in the place of "+targets[0][strings.LastIndexByte(targets[0], '/')+1:]) {
					t.Fatalf("%v\n%s", err, out)
				}
				by := target[:strings.LastIndexByte(target, '/')+1] + alias
				d, err := open(t, by).Describe(t.Context())
				if err != nil || d.Count() != int64(n) || d.Name != target[strings.LastIndexByte(target, '/')+1:] {
					t.Fatalf("%+v %v", d, err)
				}
			}
			if store == "milvus" {
				w.milvus.DropAlias(t, alias)
			}
		})
	}
}
