package history

import (
	"context"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// hashReader reads the tree's stored hashes out of the entries that completed
// them: the hash of level l and index n is completed by the last leaf below it,
// and is the l-th in that leaf's entry.
func hashReader(ctx context.Context, store Store) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		levels, seqs := make([]int, len(indexes)), make([]int64, len(indexes))
		for i, index := range indexes {
			level, n := tlog.SplitStoredHashIndex(index)
			levels[i], seqs[i] = level, (n+1)<<level
		}
		entries, err := store.HistoryEntries(ctx, seqs)
		if err != nil {
			return nil, err
		}
		hashes := make([]tlog.Hash, len(indexes))
		for i, entry := range entries {
			stored, err := splitHashes(entry.Hashes)
			if err != nil || levels[i] >= len(stored) {
				return nil, fmt.Errorf("the tree hashes of record %d are damaged", entry.Seq)
			}
			hashes[i] = stored[levels[i]]
		}
		return hashes, nil
	})
}

func splitHashes(data []byte) ([]tlog.Hash, error) {
	if len(data)%tlog.HashSize != 0 {
		return nil, fmt.Errorf("%d bytes are no whole number of hashes", len(data))
	}
	hashes := make([]tlog.Hash, len(data)/tlog.HashSize)
	for i := range hashes {
		copy(hashes[i][:], data[i*tlog.HashSize:])
	}
	return hashes, nil
}

func joinHashes(hashes []tlog.Hash) []byte {
	data := make([]byte, 0, len(hashes)*tlog.HashSize)
	for _, h := range hashes {
		data = append(data, h[:]...)
	}
	return data
}

// frontier computes a tree's root while leaves arrive, and holds one hash for
// each full subtree on its right edge: the numbers of records may be large, the
// memory is logarithmic. It shares no code with the store, so verification does
// not rely on what it verifies.
type frontier struct {
	size int64
	full []tlog.Hash // full[l] is meaningful where bit l of size is set
}

// complete returns the hashes that a leaf completes, smallest first: what
// [Entry.Hashes] should hold.
func (f *frontier) complete(leaf tlog.Hash) []tlog.Hash {
	hashes := []tlog.Hash{leaf}
	for level := range bits.TrailingZeros64(^uint64(f.size)) {
		hashes = append(hashes, tlog.NodeHash(f.full[level], hashes[level]))
	}
	return hashes
}

// add appends a leaf.
func (f *frontier) add(leaf tlog.Hash) {
	hashes := f.complete(leaf)
	level := len(hashes) - 1
	for len(f.full) <= level {
		f.full = append(f.full, tlog.Hash{})
	}
	f.full[level] = hashes[level]
	f.size++
}

// rootWith is the root after one more leaf, which is not added.
func (f *frontier) rootWith(leaf tlog.Hash) tlog.Hash {
	next := frontier{size: f.size, full: append([]tlog.Hash(nil), f.full...)}
	next.add(leaf)
	return next.root()
}

// root folds the full subtrees from the smallest, on the right, to the largest.
func (f *frontier) root() tlog.Hash {
	var root tlog.Hash
	started := false
	for level, h := range f.full {
		switch {
		case f.size&(1<<level) == 0:
		case !started:
			root, started = h, true
		default:
			root = tlog.NodeHash(h, root)
		}
	}
	return root
}
