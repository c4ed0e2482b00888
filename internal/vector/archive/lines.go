package archive

import (
	"bufio"
	"bytes"
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

	"github.com/go-json-experiment/json/jsontext"

	"freehold/internal/vector"
)

// lines is a file of records, one a line. It was read once, so that each line is a
// record, and no id is there twice.
type lines struct {
	path   string
	about  vector.Description
	counts map[string]int64

	parse parser
	index func() (map[place]int64, error) // where each record is; read when it is first asked for
}

// parser makes a record of a line.
type parser func(line []byte) (vector.Record, error)

func record(line []byte) (vector.Record, error) {
	return vector.ReadRecord(jsontext.NewDecoder(bytes.NewReader(line)))
}

type place struct {
	namespace string
	id        vector.ID
}

// longest is how long a line may be.
const longest = 64 << 20

// readLines reads a file from its beginning to its end.
func readLines(path string, parse parser) (*lines, error) {
	l := &lines{path: path, parse: parse, counts: map[string]int64{}, about: vector.Description{Store: "file", Name: filepath.Base(path), IDs: kinds, Scans: true}}
	seen := map[place]int{}
	specs := map[string]*vector.Spec{}
	head, err := l.header()
	if err != nil {
		return nil, err
	}
	if head != nil {
		l.parse = record
	}
	err = l.scan(0, func(n int, _, _ int64, r *vector.Record) error {
		at := place{r.Namespace, r.ID}
		if first := seen[at]; first > 0 {
			return fmt.Errorf("%s:%d: the id %s is there already, in line %d", path, n, r.ID, first)
		}
		seen[at] = n
		l.counts[r.Namespace]++
		for i := range r.Vectors {
			if err := spec(specs, &r.Vectors[i]); err != nil {
				return fmt.Errorf("%s:%d: %w", path, n, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if head != nil {
		l.about.Vectors, l.about.Fields = head.Vectors, head.Fields
	} else {
		for _, name := range slices.Sorted(maps.Keys(specs)) {
			l.about.Vectors = append(l.about.Vectors, *specs[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.counts)) {
		l.about.Namespaces = append(l.about.Namespaces, vector.Namespace{Name: name, Count: l.counts[name]})
	}
	l.index = sync.OnceValues(l.places)
	return l, nil
}

// spec learns what a vector of this name is. A file that does not say what its
// vectors are measured by is taken for cosine, as most are.
func spec(specs map[string]*vector.Spec, v *vector.Vector) error {
	is := vector.Spec{Name: v.Name, Form: vector.Dense, Dim: len(v.Dense), Metric: vector.Cosine, Element: "float32"}
	switch {
	case v.Bits != nil:
		is.Form, is.Dim, is.Metric, is.Element = vector.Binary, 8*len(v.Bits), vector.Hamming, "bit"
	case v.Indices != nil:
		is.Form, is.Dim, is.Metric = vector.Sparse, 0, vector.Dot
	case v.Rows > 0:
		is.Form, is.Dim = vector.Multi, len(v.Dense)/v.Rows
	}
	had := specs[v.Name]
	if had == nil {
		specs[v.Name] = &is
		return nil
	}
	if *had != is {
		return fmt.Errorf("vector %q is %s of %d, and was %s of %d before", v.Name, is.Form, is.Dim, had.Form, had.Dim)
	}
	return nil
}

// header reads the first line of an archive of ours, nil of another file.
func (l *lines) header() (*header, error) {
	f, err := os.Open(l.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	first, err := bufio.NewReader(io.LimitReader(f, longest)).ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var h header
	if json.Unmarshal(first, &h) != nil || h.Archive == 0 {
		return nil, nil
	}
	if h.Archive > version {
		return nil, fmt.Errorf("%s: the archive is of version %d, and this freehold knows %d", l.path, h.Archive, version)
	}
	return &h, nil
}

// scan reads the records from an offset on, with their line (of a scan from 0), and
// where they begin and end. It stops at the first error of do.
func (l *lines) scan(from int64, do func(n int, begin, end int64, r *vector.Record) error) error {
	f, err := os.Open(l.path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return err
	}
	in := bufio.NewScanner(f)
	in.Buffer(make([]byte, 0, 1<<16), longest)
	end := from
	in.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		n, token, err := bufio.ScanLines(data, atEOF)
		end += int64(n)
		return n, token, err
	})
	for n := 1; ; n++ {
		begin := end
		if !in.Scan() {
			break
		}
		line := bytes.TrimSpace(in.Bytes())
		if len(line) == 0 || begin == 0 && isHeader(line) {
			continue
		}
		r, err := l.parse(line)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", l.path, n, err)
		}
		if err := do(n, begin, end, &r); err != nil {
			return err
		}
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("%s: %w", l.path, err)
	}
	return nil
}

func isHeader(line []byte) bool {
	var h header
	return json.Unmarshal(line, &h) == nil && h.Archive > 0
}

// close has nothing to do: each scan has the file open for itself.
func (l *lines) close() error { return nil }

func (l *lines) describe() *vector.Description {
	d := l.about
	return &d
}

// errEnough ends a scan.
var errEnough = errors.New("enough")

// units are ranges of bytes; those of another namespace between are passed over.
func (l *lines) units(ctx context.Context, namespace, after string, size int) iter.Seq2[vector.Unit, error] {
	return func(yield func(vector.Unit, error) bool) {
		from, err := offset(after)
		if err != nil {
			yield(vector.Unit{}, err)
			return
		}
		u := vector.Unit{Namespace: namespace, After: strconv.FormatInt(from, 10)}
		out := func() bool {
			u.Next = u.Upto
			if u.Count > 0 && !yield(u, nil) {
				return false
			}
			u = vector.Unit{Namespace: namespace, After: u.Upto}
			return true
		}
		err = l.scan(from, func(_ int, _, end int64, r *vector.Record) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if r.Namespace != namespace {
				return nil
			}
			u.Count++
			if u.Upto = strconv.FormatInt(end, 10); u.Count == size && !out() {
				return errEnough
			}
			return nil
		})
		switch {
		case errors.Is(err, errEnough):
		case err == nil:
			out()
		default:
			yield(vector.Unit{}, err)
		}
	}
}

func (l *lines) read(_ context.Context, u vector.Unit) iter.Seq2[[]vector.Record, error] {
	return func(yield func([]vector.Record, error) bool) {
		from, err := offset(u.After)
		if err != nil {
			yield(nil, err)
			return
		}
		upto, err := offset(u.Upto)
		if err != nil {
			yield(nil, err)
			return
		}
		var page []vector.Record
		err = l.scan(from, func(_ int, begin, _ int64, r *vector.Record) error {
			if begin >= upto {
				return errEnough
			}
			if r.Namespace != u.Namespace {
				return nil
			}
			if page = append(page, *r); len(page) == readPage {
				full := page
				page = nil
				if !yield(full, nil) {
					return errEnough // and nothing of the page is left
				}
			}
			return nil
		})
		switch {
		case err != nil && !errors.Is(err, errEnough):
			yield(nil, err)
		case len(page) > 0:
			yield(page, nil)
		}
	}
}

// places is where each record begins.
func (l *lines) places() (map[place]int64, error) {
	out := map[place]int64{}
	err := l.scan(0, func(_ int, begin, _ int64, r *vector.Record) error {
		out[place{r.Namespace, r.ID}] = begin
		return nil
	})
	return out, err
}

func (l *lines) fetch(namespace string, ids []vector.ID) ([]vector.Record, error) {
	index, err := l.index()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(l.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []vector.Record
	for _, id := range ids {
		at, ok := index[place{namespace, id}]
		if !ok {
			continue
		}
		line, err := bufio.NewReader(io.NewSectionReader(f, at, longest)).ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s: %w", l.path, err)
		}
		r, err := l.parse(bytes.TrimSpace(line))
		if err != nil {
			return nil, fmt.Errorf("%s: the record %s: %w", l.path, id, err)
		}
		out = append(out, r)
	}
	return out, nil
}
