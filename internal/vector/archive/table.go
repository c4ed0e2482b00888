package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/parquet-go/parquet-go"

	"freehold/internal/vector"
)

// table is a Parquet file of records, one a row: of ours, or of whoever wrote it.
type table struct {
	path   string
	file   *os.File
	pq     *parquet.File
	about  vector.Description
	layout layout
	starts []int64 // the first row of each row group, and how many there are
	runs   []run   // rows of one namespace after another

	index func() (*places, error) // where each record is; made when it is first asked for
}

// run is rows of one namespace.
type run struct {
	namespace string
	from, to  int64
}

// Columns say what the columns of a Parquet file are that is not an archive of ours.
// Empty: it is found by the usual names.
type Columns struct {
	ID, Vector, Namespace string
	texts                 bool // there need not be a vector
}

// headerKey is the key of the metadata that an archive of ours has.
const headerKey = "freehold"

func openTable(path string, named Columns) (_ *table, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	t := &table{path: path, file: f, about: vector.Description{Store: "file", Name: filepath.Base(path), IDs: kinds, Scans: true}}
	if err := guarded(func() (err error) {
		t.pq, err = parquet.OpenFile(f, info.Size(), parquet.SkipBloomFilters(true))
		return err
	}); err != nil {
		return nil, fmt.Errorf("%s is no Parquet file that can be read: %w", path, err)
	}
	var head *header
	if text, ok := t.pq.Lookup(headerKey); ok {
		head = &header{}
		if err := json.Unmarshal([]byte(text), head); err != nil || head.Archive == 0 {
			return nil, fmt.Errorf("%s: what freehold wrote in its metadata is broken", path)
		}
		if head.Archive > version {
			return nil, fmt.Errorf("%s: the archive is of version %d, and this freehold knows %d", path, head.Archive, version)
		}
	}
	if err := guarded(func() (err error) {
		t.layout, err = layoutOf(t.pq, head, named)
		return err
	}); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	n := int64(0)
	for _, g := range t.pq.RowGroups() {
		t.starts = append(t.starts, n)
		n += g.NumRows()
	}
	t.starts = append(t.starts, n)
	t.index = sync.OnceValues(t.places)
	if head != nil {
		t.about.Vectors, t.about.Fields, t.about.Namespaces = head.Vectors, head.Fields, head.Namespaces
		at := int64(0)
		for _, ns := range head.Namespaces { // they are sorted
			t.runs = append(t.runs, run{ns.Name, at, at + ns.Count})
			at += ns.Count
		}
		if at != n {
			return nil, fmt.Errorf("%s: it has %d rows, and its metadata say %d", path, n, at)
		}
		return t, nil
	}
	return t, t.learn()
}

// guarded does what reads a file's bytes: of a broken one the library may panic.
func guarded(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the file is broken: %v", p)
		}
	}()
	return do()
}

// learn finds out what a file has that does not say it: its namespaces, whether an id is
// there twice, and how long its vectors are.
func (t *table) learn() error {
	if t.layout.namespace < 0 {
		t.runs = []run{{"", 0, t.size()}}
	} else if err := t.scan(t.layout.namespace, func(row int64, v *parquet.Value) error {
		name := ""
		if !v.IsNull() {
			name = string(v.ByteArray())
		}
		if n := len(t.runs); n > 0 && t.runs[n-1].namespace == name {
			t.runs[n-1].to = row + 1
		} else {
			t.runs = append(t.runs, run{name, row, row + 1})
		}
		return nil
	}); err != nil {
		return err
	}
	counts := map[string]int64{}
	for _, r := range t.runs {
		counts[r.namespace] += r.to - r.from
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if counts[name] > 0 {
			t.about.Namespaces = append(t.about.Namespaces, vector.Namespace{Name: name, Count: counts[name]})
		}
	}
	at, err := t.index()
	if err != nil {
		return err
	}
	if err := at.once(t); err != nil {
		return err
	}
	specs := map[string]*vector.Spec{}
	err = t.each(0, t.size(), func(_ int64, r *vector.Record) error {
		for i := range r.Vectors {
			if err := spec(specs, shapeOfVector(&r.Vectors[i])); err != nil {
				return err
			}
		}
		if len(specs) == len(t.layout.vectors) {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		t.about.Vectors = append(t.about.Vectors, *specs[name])
	}
	return nil
}

func shapeOfVector(v *vector.Vector) *vector.Spec {
	is := &vector.Spec{Name: v.Name, Form: vector.Dense, Dim: len(v.Dense)}
	switch {
	case v.Bits != nil:
		is.Form, is.Dim = vector.Binary, 8*len(v.Bits)
	case v.Indices != nil:
		is.Form, is.Dim = vector.Sparse, 0
	case v.Rows > 0:
		is.Form, is.Dim = vector.Multi, len(v.Dense)/v.Rows
	}
	return is
}

func (t *table) size() int64 { return t.starts[len(t.starts)-1] }

// scan reads one column that every row has once, or not.
func (t *table) scan(leaf int, do func(row int64, v *parquet.Value) error) error {
	row := int64(0)
	for _, g := range t.pq.RowGroups() {
		pages := g.ColumnChunks()[leaf].Pages()
		err := scanPages(pages, func(v *parquet.Value) error {
			row++
			return do(row-1, v)
		})
		if err := errors.Join(err, pages.Close()); err != nil {
			return fmt.Errorf("%s: %w", t.path, err)
		}
	}
	if row != t.size() {
		return fmt.Errorf("%s is broken: a column has %d values, and there are %d rows", t.path, row, t.size())
	}
	return nil
}

func scanPages(pages parquet.Pages, do func(v *parquet.Value) error) error {
	buffer := make([]parquet.Value, 256)
	for {
		var page parquet.Page
		var values parquet.ValueReader
		err := guarded(func() (err error) {
			if page, err = pages.ReadPage(); err == nil {
				values = page.Values()
			}
			return err
		})
		if errors.Is(err, io.EOF) {
			return nil
		}
		for err == nil {
			var n int
			err = guarded(func() (err error) {
				n, err = values.ReadValues(buffer)
				return err
			})
			for i := range buffer[:n] {
				if err := do(&buffer[i]); err != nil {
					return err
				}
			}
		}
		if !errors.Is(err, io.EOF) {
			return err
		}
		parquet.Release(page)
	}
}

// each reads rows; it stops at the first error of do.
func (t *table) each(from, to int64, do func(row int64, r *vector.Record) error) error {
	for i, g := range t.pq.RowGroups() {
		first, end := max(from, t.starts[i]), min(to, t.starts[i+1])
		if first >= end {
			continue
		}
		rows := g.Rows()
		err := t.rows(rows, t.starts[i], first, end, do)
		if errors.Is(err, errEnough) {
			return errors.Join(errEnough, rows.Close())
		}
		if err = errors.Join(err, rows.Close()); err != nil {
			return fmt.Errorf("%s: %w", t.path, err)
		}
	}
	return nil
}

// rows reads those of a row group that begins with row start.
func (t *table) rows(rows parquet.Rows, start, first, end int64, do func(row int64, r *vector.Record) error) error {
	if err := guarded(func() error { return rows.SeekToRow(first - start) }); err != nil {
		return err
	}
	buffer := make([]parquet.Row, 32)
	a := newAssembly(t.layout.leaves)
	for row := first; row < end; {
		var n int
		err := guarded(func() (err error) {
			n, err = rows.ReadRows(buffer[:min(int64(len(buffer)), end-row)])
			return err
		})
		if err != nil && !errors.Is(err, io.EOF) || n == 0 {
			return errors.Join(fmt.Errorf("row %d cannot be read", row+1), err)
		}
		for _, x := range buffer[:n] {
			var r vector.Record
			if err := guarded(func() (err error) {
				a.set(x)
				r, err = t.layout.record(a)
				return err
			}); err != nil {
				return fmt.Errorf("row %d: %w", row+1, err)
			}
			if err := t.fits(&r); err != nil {
				return fmt.Errorf("row %d: %w", row+1, err)
			}
			if err := do(row, &r); err != nil {
				return err
			}
			row++
		}
	}
	return nil
}

// fits refuses vectors that are not as long as the others.
func (t *table) fits(r *vector.Record) error {
	for i := range r.Vectors {
		v := &r.Vectors[i]
		if s := t.about.Vector(v.Name); s != nil && s.Form == vector.Dense && len(v.Dense) != s.Dim {
			return fmt.Errorf("vector %q has %d numbers, and others have %d", v.Name, len(v.Dense), s.Dim)
		}
	}
	return nil
}

// units are ranges of rows; those of another namespace between are passed over.
func (t *table) units(_ context.Context, namespace, after string, size int) iter.Seq2[vector.Unit, error] {
	return func(yield func(vector.Unit, error) bool) {
		from, err := offset(after)
		if err != nil {
			yield(vector.Unit{}, err)
			return
		}
		u := vector.Unit{Namespace: namespace, After: strconv.FormatInt(from, 10)}
		for _, r := range t.runs {
			for at := max(r.from, from); r.namespace == namespace && at < r.to; {
				n := min(r.to-at, int64(max(size, 1)-u.Count))
				at += n
				u.Count += int(n)
				u.Upto = strconv.FormatInt(at, 10)
				if u.Next = u.Upto; u.Count >= size {
					if !yield(u, nil) {
						return
					}
					u = vector.Unit{Namespace: namespace, After: u.Upto}
				}
			}
		}
		if u.Count > 0 {
			yield(u, nil)
		}
	}
}

func (t *table) read(ctx context.Context, u vector.Unit) iter.Seq2[[]vector.Record, error] {
	return func(yield func([]vector.Record, error) bool) {
		from, err := offset(u.After)
		upto, err2 := offset(u.Upto)
		if err := errors.Join(err, err2); err != nil {
			yield(nil, err)
			return
		}
		var page []vector.Record
		for _, r := range t.runs {
			if r.namespace != u.Namespace || r.to <= from || r.from >= upto {
				continue
			}
			err := t.each(max(r.from, from), min(r.to, upto), func(_ int64, r *vector.Record) error {
				if page = append(page, *r); len(page) == readPage {
					full := page
					page = nil
					if !yield(full, nil) {
						return errEnough
					}
				}
				return ctx.Err()
			})
			if errors.Is(err, errEnough) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
		if len(page) > 0 {
			yield(page, nil)
		}
	}
}

// places reads the columns of ids.
func (t *table) places() (*places, error) {
	p := newPlaces()
	p.at = make([]hashed, 0, t.size())
	l := &t.layout
	var idKinds []byte
	if l.idKind >= 0 {
		idKinds = make([]byte, 0, t.size())
		if err := t.scan(l.idKind, func(_ int64, v *parquet.Value) error {
			kind := byte(0)
			if !v.IsNull() && len(v.ByteArray()) > 0 {
				kind = v.ByteArray()[0]
			}
			idKinds = append(idKinds, kind)
			return nil
		}); err != nil {
			return nil, err
		}
	}
	next := 0
	err := t.scan(l.id.first, func(row int64, v *parquet.Value) error {
		for row >= t.runs[next].to {
			next++
		}
		kind := byte(0)
		if idKinds != nil {
			kind = idKinds[row]
		}
		id, err := l.idOf(v, kind)
		if err != nil {
			return fmt.Errorf("row %d: %w", row+1, err)
		}
		p.add(t.runs[next].namespace, id, row)
		return nil
	})
	p.sort()
	return p, err
}

// once refuses a file that has an id twice in a namespace.
func (p *places) once(t *table) error {
	for i := 1; i < len(p.at); i++ {
		if p.at[i].hash != p.at[i-1].hash {
			continue
		}
		var two [2]place
		for j := range two {
			row := p.at[i-1+j].at
			if err := t.each(row, row+1, func(_ int64, r *vector.Record) error {
				two[j] = place{r.Namespace, r.ID}
				return nil
			}); err != nil {
				return err
			}
		}
		if two[0] == two[1] {
			return fmt.Errorf("%s: row %d: the id %s is there already, in row %d", t.path, p.at[i].at+1, two[1].id, p.at[i-1].at+1)
		}
	}
	return nil
}

func (t *table) fetch(namespace string, ids []vector.ID) ([]vector.Record, error) {
	p, err := t.index()
	if err != nil {
		return nil, err
	}
	wanted := make(map[vector.ID]bool, len(ids))
	var rows []int64
	for _, id := range ids {
		wanted[id] = true
		rows = slices.AppendSeq(rows, p.find(namespace, id))
	}
	slices.Sort(rows)
	rows = slices.Compact(rows)
	var out []vector.Record
	for i := 0; i < len(rows); { // rows beside each other are read at once
		j := i + 1
		for j < len(rows) && rows[j]-rows[j-1] <= nearby {
			j++
		}
		err := t.each(rows[i], rows[j-1]+1, func(_ int64, r *vector.Record) error {
			if r.Namespace == namespace && wanted[r.ID] {
				out = append(out, *r)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		i = j
	}
	return out, nil
}

// nearby is how many rows are read for nothing rather than looked for anew.
const nearby = 16

// describe is what the file has.
func (t *table) describe() *vector.Description {
	d := t.about
	return &d
}

func (t *table) close() error { return t.file.Close() }
