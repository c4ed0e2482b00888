package archive

import (
	"cmp"
	"hash/maphash"
	"iter"
	"slices"
	"sort"

	"freehold/internal/vector"
)

// places is where in a file each record is, in bytes or rows, by a hash of its namespace
// and id. Two records of one hash are told apart by reading them.
type places struct {
	seed maphash.Seed
	at   []hashed // sorted, once all are there
}

type hashed struct {
	hash uint64
	at   int64
}

func newPlaces() *places { return &places{seed: maphash.MakeSeed()} }

func (p *places) of(namespace string, id vector.ID) uint64 {
	return maphash.Comparable(p.seed, place{namespace, id})
}

func (p *places) add(namespace string, id vector.ID, at int64) {
	p.at = append(p.at, hashed{p.of(namespace, id), at})
}

func (p *places) sort() {
	slices.SortFunc(p.at, func(a, b hashed) int { return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.at, b.at)) })
}

// find yields where a record may be.
func (p *places) find(namespace string, id vector.ID) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		hash := p.of(namespace, id)
		for i := sort.Search(len(p.at), func(i int) bool { return p.at[i].hash >= hash }); i < len(p.at) && p.at[i].hash == hash; i++ {
			if !yield(p.at[i].at) {
				return
			}
		}
	}
}

// twice are the hashes of more than one record.
func (p *places) twice() map[uint64]bool {
	out := map[uint64]bool{}
	for i := 1; i < len(p.at); i++ {
		if p.at[i].hash == p.at[i-1].hash {
			out[p.at[i].hash] = true
		}
	}
	return out
}
