package catalog

import (
	"hash/maphash"
	"slices"
	"sync"
)

// PriceBook answers price look-ups at any time, for names that no
// configuration lists too (unknown_models: relay). It keeps the rows that were
// asked for and a hash of every row's name, so that a name that is in no list
// costs nothing, and a client who invents names cannot make it read or grow:
// at most every row is read once. Safe for concurrent use.
type PriceBook struct {
	c     *Catalog
	seed  maphash.Seed
	names []uint64 // sorted hashes of all row names

	read sync.Mutex // held during a pass
	mu   sync.RWMutex
	rows map[string][]foundRow // by row name; an absent name has not been read
}

// PriceBook reads the lists once for refs, the models that are known to be
// wanted.
func (c *Catalog) PriceBook(refs []Ref) (*PriceBook, error) {
	b := &PriceBook{c: c, seed: maphash.MakeSeed()}
	want := map[string]bool{}
	for _, ref := range refs {
		for _, name := range c.candidates(ref) {
			want[name] = true
		}
	}
	rows, err := c.rows(func(name string) bool {
		b.names = append(b.names, maphash.String(b.seed, name))
		return want[name]
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(b.names)
	b.rows = rows
	return b, nil
}

// Listing finds the row for ref; ok is false when no list has one. A row that
// was not read yet takes one pass through the lists (see BenchmarkPriceBook):
// look up away from a request's way. The lists were checked at Load, so a
// failing pass is a damaged process; it is returned, not hidden.
func (b *PriceBook) Listing(ref Ref) (l Listing, ok bool, err error) {
	var missing []string
	b.mu.RLock()
	for _, name := range b.c.candidates(ref) {
		if _, have := b.rows[name]; !have && b.listed(name) {
			missing = append(missing, name)
		}
	}
	b.mu.RUnlock()
	if missing != nil {
		if err := b.load(missing); err != nil {
			return Listing{}, false, err
		}
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	l, ok = b.c.choose(ref, func(name string) []foundRow { return b.rows[name] })
	return l, ok, nil
}

func (b *PriceBook) listed(name string) bool {
	_, ok := slices.BinarySearch(b.names, maphash.String(b.seed, name))
	return ok
}

// load reads rows by name, unless another caller did meanwhile.
func (b *PriceBook) load(names []string) error {
	b.read.Lock()
	defer b.read.Unlock()
	b.mu.RLock()
	names = slices.DeleteFunc(names, func(n string) bool { _, have := b.rows[n]; return have })
	b.mu.RUnlock()
	if len(names) == 0 {
		return nil
	}
	rows, err := b.c.rows(func(name string) bool { return slices.Contains(names, name) })
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, r := range rows {
		b.rows[name] = r
	}
	return nil
}
