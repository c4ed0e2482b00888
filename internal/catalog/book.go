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
	first map[string]bool // row names that the first pass reads; nil after it

	read sync.Mutex // held during a pass

	mu    sync.RWMutex
	names []uint64              // sorted hashes of all row names
	rows  map[string][]foundRow // by row name; nil before the first pass
}

// PriceBook returns a book for refs, the models that are known to be wanted.
// Nothing is read yet.
func (c *Catalog) PriceBook(refs []Ref) *PriceBook {
	b := &PriceBook{c: c, seed: maphash.MakeSeed(), first: map[string]bool{}}
	for _, ref := range refs {
		for _, name := range c.candidates(ref) {
			b.first[name] = true
		}
	}
	return b
}

// Warm makes the first pass, so that Listing answers for the known models at
// once. Call it in the background after the start; Listing does it otherwise.
func (b *PriceBook) Warm() error {
	warm := func() bool {
		b.mu.RLock()
		defer b.mu.RUnlock()
		return b.rows != nil
	}
	if warm() {
		return nil
	}
	b.read.Lock()
	defer b.read.Unlock()
	if warm() { // another caller's pass
		return nil
	}
	var names []uint64
	rows, err := b.c.rows(func(name string) bool {
		names = append(names, maphash.String(b.seed, name))
		return b.first[name]
	})
	if err != nil {
		return err
	}
	slices.Sort(names)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.names, b.rows, b.first = slices.Clip(names), rows, nil
	return nil
}

// Listing finds the row for ref; ok is false when no list has one. A row that
// was not read yet takes one pass through the lists (about 8 ms, see
// BenchmarkPriceBook): look up away from a request's way. The lists were
// checked at Load or by a test, so a failing pass means a damaged binary.
func (b *PriceBook) Listing(ref Ref) (l Listing, ok bool, err error) {
	if err := b.Warm(); err != nil {
		return Listing{}, false, err
	}
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
