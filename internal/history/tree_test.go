package history

import (
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// TestFrontier holds our own computation of the tree against tlog's.
func TestFrontier(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stored []tlog.Hash
		reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
			hashes := make([]tlog.Hash, len(indexes))
			for i, index := range indexes {
				hashes[i] = stored[index]
			}
			return hashes, nil
		})
		var f frontier
		for n := range rapid.Int64Range(1, 200).Draw(t, "size") {
			leaf := tlog.RecordHash([]byte{byte(n), byte(n >> 8)})
			hashes, err := tlog.StoredHashesForRecordHash(n, leaf, reader)
			if err != nil {
				t.Fatal(err)
			}
			got := f.complete(leaf)
			if len(got) != len(hashes) {
				t.Fatalf("leaf %d completes %d hashes, want %d", n, len(got), len(hashes))
			}
			for i := range hashes {
				if got[i] != hashes[i] {
					t.Fatalf("leaf %d, hash %d differs", n, i)
				}
			}
			stored = append(stored, hashes...)
			root, err := tlog.TreeHash(n+1, reader)
			if err != nil {
				t.Fatal(err)
			}
			if f.rootWith(leaf) != root || f.size != n {
				t.Fatalf("root with leaf %d differs, or the leaf was added", n)
			}
			if f.add(leaf); f.root() != root {
				t.Fatalf("root after leaf %d differs", n)
			}
		}
	})
}
