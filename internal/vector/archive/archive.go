// Package archive keeps vectors in a file: a store to copy from and to. Its forms are
// JSON lines, one record a line as [vector.Record.AppendJSON] has it, and Parquet, of
// which files that others wrote are read, too.
//
// A file cannot take a record in the place of another. What is written goes into a
// spool beside it (PATH.partial, an SQLite file that says where each record is in
// PATH.partial.records), and becomes the file when all of it is there: whole or not at
// all, sorted by namespace and id, each record once.
package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"sync"

	"freehold/internal/vector"
)

// Archive is a file of records, or the spool of one that is being written. It
// implements [vector.Target].
type Archive struct {
	path    string
	columns Columns

	mu    sync.Mutex
	spool *spool // nil: nothing is being written
	file  file   // nil: it was not read yet
}

// file is an archive that is there.
type file interface {
	describe() *vector.Description
	units(ctx context.Context, namespace, after string, size int) iter.Seq2[vector.Unit, error]
	read(ctx context.Context, u vector.Unit) iter.Seq2[[]vector.Record, error]
	fetch(namespace string, ids []vector.ID) ([]vector.Record, error)
	close() error
}

var _ vector.Target = (*Archive)(nil)

// Open opens an archive, which need not be there yet. A spool that was left behind
// is taken up.
func Open(ctx context.Context, path string) (*Archive, error) {
	return OpenTable(ctx, path, Columns{})
}

// OpenTable is [Open] of a Parquet file that may be another's, whose columns are named.
func OpenTable(ctx context.Context, path string, columns Columns) (*Archive, error) {
	a := &Archive{path: path, columns: columns}
	if columns != (Columns{}) && !columns.texts && !a.parquet() {
		return nil, a.wrong(vector.Invalid, "open", "columns are named of Parquet files only")
	}
	if _, err := os.Stat(a.partial()); err == nil {
		// One that was killed before it was said what it is to hold is empty, and made anew.
		if a.spool, err = openSpool(ctx, a.partial(), a.form()); err != nil && !errors.Is(err, errNothing) {
			return nil, err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return a, nil
}

// OpenTexts is [Open] of a file to read that need not have vectors: an archive, a Parquet
// file, or JSON lines, of which each is an object with an id in the member id (empty: id)
// and fields of the payload, in it or in a member payload.
func OpenTexts(ctx context.Context, path, id string) (*Archive, error) {
	return OpenTable(ctx, path, Columns{ID: id, texts: true})
}

func (a *Archive) partial() string { return a.path + ".partial" }

func (a *Archive) form() form {
	if a.parquet() {
		return rowForm{}
	}
	return lineForm{}
}

func (a *Archive) parquet() bool { return filepath.Ext(a.path) == ".parquet" }

// open opens the file that is there.
func (a *Archive) open() (file, error) {
	if a.parquet() {
		return openTable(a.path, a.columns)
	}
	if a.columns.texts {
		return readLines(a.path, a.columns.parser())
	}
	return readLines(a.path, records)
}

func (a *Archive) wrong(t vector.Trouble, doing string, format string, args ...any) error {
	return &vector.Error{Trouble: t, Store: a.path, Doing: doing, Message: fmt.Sprintf(format, args...)}
}

// reading is the spool, or the file.
func (a *Archive) reading() (*spool, file, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.spool != nil {
		return a.spool, nil, nil
	}
	if a.file == nil {
		f, err := a.open()
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, a.wrong(vector.Missing, "open", "there is no such file")
		}
		if err != nil {
			return nil, nil, err
		}
		a.file = f
	}
	return nil, a.file, nil
}

// Limits implements [vector.Target]. A file can hold whatever a record can have.
func (a *Archive) Limits() vector.Limits {
	return vector.Limits{
		IDs: []vector.IDKind{vector.TextID, vector.IntegerID, vector.UUIDID}, Nulls: true, Nested: true, Integers: true, Namespace: true, Named: true,
		Forms: []vector.Form{vector.Dense, vector.Sparse, vector.Multi, vector.Binary},
	}
}

// Create implements [vector.Target].
func (a *Archive) Create(ctx context.Context, d *vector.Description) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.spool != nil {
		if why := a.spool.about.Holds(d); why != "" {
			return a.wrong(vector.Invalid, "create", "what was begun there holds other records: %s", why)
		}
		return nil
	}
	if _, err := os.Stat(a.path); err == nil {
		return a.wrong(vector.Invalid, "create", "the file is there already: a copy does not write over an archive")
	}
	s, err := newSpool(ctx, a.partial(), a.form(), d)
	if err == nil {
		a.spool = s
	}
	return err
}

// Put implements [vector.Target].
func (a *Archive) Put(ctx context.Context, namespace string, records []vector.Record) error {
	s, _, err := a.reading()
	if err != nil {
		return err
	}
	if s == nil {
		return a.wrong(vector.Invalid, "put", "the archive is finished")
	}
	return s.put(ctx, namespace, records)
}

// Delete implements [vector.Target].
func (a *Archive) Delete(ctx context.Context, namespace string, ids []vector.ID) error {
	s, _, err := a.reading()
	if err != nil {
		return err
	}
	if s == nil {
		return a.wrong(vector.Invalid, "delete", "the archive is finished")
	}
	return s.delete(ctx, namespace, ids)
}

// Finish makes the file of what was written. Without a spool there is nothing to do.
func (a *Archive) Finish(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.spool == nil {
		return nil
	}
	if err := a.spool.export(ctx, a.path); err != nil {
		return err
	}
	err := a.spool.remove()
	a.spool = nil
	return err
}

// Describe implements [vector.Source].
func (a *Archive) Describe(ctx context.Context) (*vector.Description, error) {
	s, f, err := a.reading()
	if err != nil {
		return nil, err
	}
	if s != nil {
		return s.description(ctx)
	}
	return f.describe(), nil
}

// Count implements [vector.Source].
func (a *Archive) Count(ctx context.Context, namespace string) (int64, error) {
	d, err := a.Describe(ctx)
	if err != nil {
		return 0, err
	}
	for _, ns := range d.Namespaces {
		if ns.Name == namespace {
			return ns.Count, nil
		}
	}
	return 0, nil
}

// Units implements [vector.Source].
func (a *Archive) Units(ctx context.Context, namespace, after string, size int) iter.Seq2[vector.Unit, error] {
	s, f, err := a.reading()
	switch {
	case err != nil:
		return func(yield func(vector.Unit, error) bool) { yield(vector.Unit{}, err) }
	case s != nil:
		return s.units(ctx, namespace, after, size)
	}
	return f.units(ctx, namespace, after, size)
}

// Read implements [vector.Source].
func (a *Archive) Read(ctx context.Context, u vector.Unit) iter.Seq2[[]vector.Record, error] {
	s, f, err := a.reading()
	switch {
	case err != nil:
		return func(yield func([]vector.Record, error) bool) { yield(nil, err) }
	case s != nil:
		return s.read(ctx, u)
	}
	return f.read(ctx, u)
}

// Fetch implements [vector.Source].
func (a *Archive) Fetch(ctx context.Context, namespace string, ids []vector.ID) ([]vector.Record, error) {
	s, f, err := a.reading()
	switch {
	case err != nil:
		return nil, err
	case s != nil:
		return s.fetch(ctx, namespace, ids)
	}
	return f.fetch(namespace, ids)
}

// Search implements [vector.Source]: it looks at all records.
func (a *Archive) Search(ctx context.Context, q vector.Search) ([]vector.Hit, error) {
	d, err := a.Describe(ctx)
	if err != nil {
		return nil, err
	}
	spec := d.Vector(q.Query.Name)
	if spec == nil {
		return nil, a.wrong(vector.Invalid, "search", "there is no vector %q", q.Query.Name)
	}
	nearest := vector.NewNearest(spec.Metric, q.K)
	for u, err := range a.Units(ctx, q.Namespace, "", 1000) {
		if err != nil {
			return nil, err
		}
		for records, err := range a.Read(ctx, u) {
			if err != nil {
				return nil, err
			}
			for i := range records {
				if v := records[i].Vector(q.Query.Name); v != nil && q.Filter.Match(records[i].Payload) {
					nearest.Add(records[i].ID, spec.Metric.Score(&q.Query, v))
				}
			}
		}
	}
	return nearest.Hits(), nil
}

// Close implements [vector.Source]. What was written and not finished stays in the
// spool.
func (a *Archive) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var err error
	if a.file != nil {
		err = a.file.close()
	}
	if a.spool != nil {
		err = errors.Join(err, a.spool.close())
	}
	a.file, a.spool = nil, nil
	return err
}
