package archive

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	_ "modernc.org/sqlite" // the database/sql driver "sqlite"

	"freehold/internal/vector"
)

// spool is what is being written.
type spool struct {
	db   *sql.DB
	path string
}

const schema = `
CREATE TABLE IF NOT EXISTS about (description TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS records (namespace TEXT NOT NULL, key TEXT NOT NULL, record BLOB NOT NULL, PRIMARY KEY (namespace, key)) WITHOUT ROWID`

// openSpool opens a spool, or makes one. What it takes is on the disk when it says so.
func openSpool(ctx context.Context, path string) (*spool, error) {
	name := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath(), RawQuery: url.Values{
		"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(10000)", "cache_size(-4096)"}, "_txlock": {"immediate"},
	}.Encode()}).String()
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), db.Close())
	}
	return &spool{db, path}, nil
}

func (s *spool) close() error { return s.db.Close() }

func (s *spool) fail(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", s.path, err)
}

// key is an id as the spool sorts it: numbers by size, then UUIDs, then texts.
func key(id vector.ID) string {
	switch id.Kind() {
	case vector.IntegerID:
		return fmt.Sprintf("0%020d", id.Integer())
	case vector.UUIDID:
		return "1" + id.String()
	}
	return "2" + id.String()
}

func (s *spool) describe(ctx context.Context, d *vector.Description) error {
	text, err := json.Marshal(d)
	if err == nil {
		_, err = s.db.ExecContext(ctx, `INSERT INTO about (description) VALUES (?)`, string(text))
	}
	return s.fail(err)
}

// about is what the records are, without their counts.
func (s *spool) about(ctx context.Context) (*vector.Description, error) {
	var text string
	d := &vector.Description{}
	err := s.db.QueryRowContext(ctx, `SELECT description FROM about`).Scan(&text)
	if err == nil {
		err = json.Unmarshal([]byte(text), d)
	}
	if err != nil {
		return nil, s.fail(err)
	}
	d.Store, d.Name, d.Namespaces, d.IDs, d.Scans = "file", filepath.Base(s.path), nil, kinds, true
	return d, nil
}

func (s *spool) description(ctx context.Context) (*vector.Description, error) {
	d, err := s.about(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, `SELECT namespace, COUNT(*) FROM records GROUP BY namespace ORDER BY namespace`)
	if err != nil {
		return nil, s.fail(err)
	}
	defer rows.Close()
	for rows.Next() {
		var ns vector.Namespace
		if err := rows.Scan(&ns.Name, &ns.Count); err != nil {
			return nil, s.fail(err)
		}
		d.Namespaces = append(d.Namespaces, ns)
	}
	return d, s.fail(rows.Err())
}

var kinds = []vector.IDKind{vector.TextID, vector.IntegerID, vector.UUIDID}

func (s *spool) tx(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return s.fail(err)
	}
	if err := do(tx); err != nil {
		return s.fail(errors.Join(err, tx.Rollback()))
	}
	return s.fail(tx.Commit())
}

func (s *spool) put(ctx context.Context, namespace string, d *vector.Description, records []vector.Record) error {
	refused := map[vector.ID]string{}
	err := s.tx(ctx, func(tx *sql.Tx) error {
		put, err := tx.PrepareContext(ctx, `INSERT INTO records (namespace, key, record) VALUES (?, ?, ?) ON CONFLICT (namespace, key) DO UPDATE SET record = excluded.record`)
		if err != nil {
			return err
		}
		defer put.Close()
		var line []byte
		for i := range records {
			r := &records[i]
			if why := d.Refuse(r); why != "" {
				refused[r.ID] = why
				continue
			}
			if line, err = r.AppendJSON(line[:0]); err != nil {
				refused[r.ID] = err.Error()
				continue
			}
			if _, err := put.ExecContext(ctx, namespace, key(r.ID), line); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && len(refused) > 0 {
		return &vector.RefusedError{Records: refused}
	}
	return err
}

func (s *spool) delete(ctx context.Context, namespace string, ids []vector.ID) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		for _, id := range ids {
			if _, err := tx.ExecContext(ctx, `DELETE FROM records WHERE namespace = ? AND key = ?`, namespace, key(id)); err != nil {
				return err
			}
		}
		return nil
	})
}

// page is the keys and, with records, the records behind a key.
func (s *spool) page(ctx context.Context, namespace, after, upto string, size int) (keys []string, records []vector.Record, err error) {
	query, args := `SELECT key, record FROM records WHERE namespace = ? AND key > ?`, []any{namespace, after}
	if upto != "" {
		query, args = query+` AND key <= ?`, append(args, upto)
	}
	rows, err := s.db.QueryContext(ctx, query+` ORDER BY key LIMIT ?`, append(args, size)...)
	if err != nil {
		return nil, nil, s.fail(err)
	}
	defer rows.Close()
	for rows.Next() {
		var k string
		var line []byte
		if err := rows.Scan(&k, &line); err != nil {
			return nil, nil, s.fail(err)
		}
		r, err := vector.ReadRecord(jsontext.NewDecoder(bytes.NewReader(line)))
		if err != nil {
			return nil, nil, s.fail(fmt.Errorf("record %s: %w", k, err))
		}
		keys, records = append(keys, k), append(records, r)
	}
	return keys, records, s.fail(rows.Err())
}

func (s *spool) units(ctx context.Context, namespace, after string, size int) iter.Seq2[vector.Unit, error] {
	return func(yield func(vector.Unit, error) bool) {
		for {
			var last string
			var n int
			err := s.db.QueryRowContext(ctx, `SELECT COALESCE(MAX(key), ''), COUNT(*) FROM (SELECT key FROM records WHERE namespace = ? AND key > ? ORDER BY key LIMIT ?)`, namespace, after, size).Scan(&last, &n)
			if err != nil {
				yield(vector.Unit{}, s.fail(err))
				return
			}
			if n == 0 || !yield(vector.Unit{Namespace: namespace, After: after, Upto: last, Next: last, Count: n}, nil) {
				return
			}
			after = last
		}
	}
}

const readPage = 200

func (s *spool) read(ctx context.Context, u vector.Unit) iter.Seq2[[]vector.Record, error] {
	return func(yield func([]vector.Record, error) bool) {
		for after := u.After; ; {
			keys, records, err := s.page(ctx, u.Namespace, after, u.Upto, readPage)
			if err != nil {
				yield(nil, err)
				return
			}
			if len(keys) == 0 || !yield(records, nil) || len(keys) < readPage {
				return
			}
			after = keys[len(keys)-1]
		}
	}
}

func (s *spool) fetch(ctx context.Context, namespace string, ids []vector.ID) ([]vector.Record, error) {
	var out []vector.Record
	for _, id := range ids {
		var line []byte
		err := s.db.QueryRowContext(ctx, `SELECT record FROM records WHERE namespace = ? AND key = ?`, namespace, key(id)).Scan(&line)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, s.fail(err)
		}
		r, err := vector.ReadRecord(jsontext.NewDecoder(bytes.NewReader(line)))
		if err != nil {
			return nil, s.fail(fmt.Errorf("record %s: %w", id, err))
		}
		out = append(out, r)
	}
	return out, nil
}

// form writes records, as lines of JSON, as a file of its form.
type form func(w io.Writer, d *vector.Description, lines iter.Seq2[[]byte, error]) error

// export writes all records to a file, which is there whole or not at all.
func (s *spool) export(ctx context.Context, path string, write form) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	w := bufio.NewWriterSize(f, 1<<18)
	d, err := s.description(ctx)
	if err != nil {
		return err
	}
	if err := write(w, d, s.lines(ctx)); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// lines yields the records by namespace and key; each is good until the next one.
func (s *spool) lines(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		rows, err := s.db.QueryContext(ctx, `SELECT record FROM records ORDER BY namespace, key`)
		if err != nil {
			yield(nil, s.fail(err))
			return
		}
		defer rows.Close()
		var line sql.RawBytes
		for rows.Next() {
			if err := rows.Scan(&line); err != nil {
				yield(nil, s.fail(err))
				return
			}
			if !yield(line, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(nil, s.fail(err))
		}
	}
}

// writeLines writes records one a line. The first line says what the vectors are.
func writeLines(w io.Writer, d *vector.Description, lines iter.Seq2[[]byte, error]) error {
	head, err := json.Marshal(header{Archive: version, Vectors: d.Vectors, Fields: d.Fields})
	if err != nil {
		return err
	}
	if _, err := w.Write(append(head, '\n')); err != nil {
		return err
	}
	for line, err := range lines {
		if err != nil {
			return err
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
		if _, err := w.Write([]byte{'\n'}); err != nil {
			return err
		}
	}
	return nil
}

// header is what an archive of ours says of itself: in its first line, or its metadata.
type header struct {
	Archive int                `json:"archive"`
	Vectors []vector.Spec      `json:"vectors"`
	Fields  []vector.FieldSpec `json:"fields,omitempty"`
	// Namespaces are in the order of the records; a file of lines does not say them.
	Namespaces []vector.Namespace `json:"namespaces,omitempty"`
}

const version = 1

func offset(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	return strconv.ParseInt(s, 10, 64)
}
