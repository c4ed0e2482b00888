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

	"freehold/internal/vector"
)

// lines is a file of records, one a line. It was read once, so that each line is a
// record, and no id is there twice.
type lines struct {
	path   string
	about  vector.Description
	counts map[string]int64

	parse parser
	index func() (*places, error) // where each record begins; read when it is first asked for
}

// parser reads lines: all of one, or what it is but for its numbers.
type parser struct {
	record  func(line []byte) (vector.Record, error)
	outline func(line []byte) (vector.Outline, error)
}

var records = parser{vector.ParseRecord, vector.ParseOutline}

type place struct {
	namespace string
	id        vector.ID
}

// longest is how long a line may be.
const longest = 64 << 20

// readLines reads a file from its beginning to its end.
func readLines(path string, parse parser) (*lines, error) {
	l := &lines{path: path, parse: parse, counts: map[string]int64{}, about: vector.Description{Store: "file", Name: filepath.Base(path), IDs: kinds, Scans: true}}
	specs := map[string]*vector.Spec{}
	head, err := l.header()
	if err != nil {
		return nil, err
	}
	if head != nil {
		l.parse = records
	}
	at := newPlaces()
	err = l.scan(0, func(x *line) error {
		o, err := l.outline(x)
		if err != nil {
			return err
		}
		at.add(o.Namespace, o.ID, x.begin)
		l.counts[o.Namespace]++
		for i := range o.Vectors {
			if err := spec(specs, &o.Vectors[i]); err != nil {
				return fmt.Errorf("%s:%d: %w", path, x.n, err)
			}
		}
		return nil
	})
	if err == nil {
		at.sort()
		err = l.once(at)
	}
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

// once refuses a file that has an id twice in a namespace.
func (l *lines) once(p *places) error {
	twice := p.twice()
	if len(twice) == 0 {
		return nil
	}
	seen := map[place]int{}
	return l.scan(0, func(x *line) error {
		o, err := l.outline(x)
		if err != nil || !twice[p.of(o.Namespace, o.ID)] {
			return err
		}
		at := place{o.Namespace, o.ID}
		if first := seen[at]; first > 0 {
			return fmt.Errorf("%s:%d: the id %s is there already, in line %d", l.path, x.n, o.ID, first)
		}
		seen[at] = x.n
		return nil
	})
}

// spec learns what a vector of this name is. A file that does not say what its
// vectors are measured by is taken for cosine, as most are.
func spec(specs map[string]*vector.Spec, is *vector.Spec) error {
	is.Metric, is.Element, is.Assumed = vector.Cosine, "float32", is.Form != vector.Sparse
	switch is.Form {
	case vector.Binary:
		is.Metric, is.Element = vector.Hamming, "bit"
	case vector.Sparse:
		is.Metric = vector.Dot
	}
	had := specs[is.Name]
	if had == nil {
		specs[is.Name] = is
		return nil
	}
	if *had != *is {
		return fmt.Errorf("vector %q is %s of %d, and was %s of %d before", is.Name, is.Form, is.Dim, had.Form, had.Dim)
	}
	return nil
}

// mark is what some programs put before a text to say that it is UTF-8.
var mark = []byte("\xef\xbb\xbf")

// unmarked is a line that begins at a place in its file, without the mark that the first
// one may have.
func unmarked(line []byte, begin int64) []byte {
	if begin > 0 {
		return line
	}
	return bytes.TrimPrefix(line, mark)
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
	if json.Unmarshal(unmarked(first, 0), &h) != nil || h.Archive == 0 {
		return nil, nil
	}
	if h.Archive > version {
		return nil, fmt.Errorf("%s: the archive is of version %d, and this freehold knows %d", l.path, h.Archive, version)
	}
	return &h, nil
}

// line is a line with a record.
type line struct {
	n          int // of a scan from the beginning
	begin, end int64
	text       []byte // good until the next one
}

// scan reads the lines from an offset on. It stops at the first error of do.
func (l *lines) scan(from int64, do func(x *line) error) error {
	f, err := os.Open(l.path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return err
	}
	in := bufio.NewScanner(f)
	in.Buffer(make([]byte, 0, 1<<17), longest)
	x := line{end: from}
	in.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		n, token, err := bufio.ScanLines(data, atEOF)
		x.end += int64(n)
		return n, token, err
	})
	for x.n = 1; ; x.n++ {
		x.begin = x.end
		if !in.Scan() {
			break
		}
		x.text = bytes.TrimSpace(unmarked(in.Bytes(), x.begin))
		if len(x.text) == 0 || x.begin == 0 && isHeader(x.text) {
			continue
		}
		if err := do(&x); err != nil {
			return err
		}
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("%s: %w", l.path, err)
	}
	return nil
}

// outline is what a line is, of a scan from the beginning.
func (l *lines) outline(x *line) (vector.Outline, error) {
	o, err := l.parse.outline(x.text)
	if err != nil {
		err = fmt.Errorf("%s:%d: %w", l.path, x.n, err)
	}
	return o, err
}

// record reads a line. Of its error it says where the line begins, since not all are
// counted here.
func (l *lines) record(text []byte, begin int64) (vector.Record, error) {
	r, err := l.parse.record(text)
	if err != nil {
		err = fmt.Errorf("%s: the line that begins at byte %d: %w", l.path, begin, err)
	}
	return r, err
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
		err = l.scan(from, func(x *line) error {
			o, err := l.outline(x)
			if err := errors.Join(err, ctx.Err()); err != nil {
				return err
			}
			if o.Namespace != namespace {
				return nil
			}
			u.Count++
			if u.Upto = strconv.FormatInt(x.end, 10); u.Count == size && !out() {
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
		err = l.scan(from, func(x *line) error {
			if x.begin >= upto {
				return errEnough
			}
			r, err := l.record(x.text, x.begin)
			if err != nil || r.Namespace != u.Namespace {
				return err
			}
			if page = append(page, r); len(page) == readPage {
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
func (l *lines) places() (*places, error) {
	p := newPlaces()
	err := l.scan(0, func(x *line) error {
		o, err := l.outline(x)
		p.add(o.Namespace, o.ID, x.begin)
		return err
	})
	p.sort()
	return p, err
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
	in := bufio.NewReaderSize(nil, 1<<14)
	for _, id := range ids {
		for at := range index.find(namespace, id) {
			in.Reset(io.NewSectionReader(f, at, longest))
			text, err := in.ReadBytes('\n')
			if err != nil && !errors.Is(err, io.EOF) {
				return nil, fmt.Errorf("%s: %w", l.path, err)
			}
			r, err := l.record(bytes.TrimSpace(unmarked(text, at)), at)
			if err != nil {
				return nil, err
			}
			if r.ID == id && r.Namespace == namespace {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

func offset(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	return strconv.ParseInt(s, 10, 64)
}
