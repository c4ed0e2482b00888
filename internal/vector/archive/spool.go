package archive

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	_ "modernc.org/sqlite" // the database/sql driver "sqlite"

	"freehold/internal/vector"
)

// spool is what is being written: a file to which records are appended as its form
// keeps them, and an index (SQLite) of where each one is. What the index has was on
// the disk before; what it has not, since it was replaced, deleted or never
// acknowledged, stays in the file for nothing.
type spool struct {
	path  string
	form  form
	db    *sql.DB
	data  *os.File
	about vector.Description // what the records are, without their counts

	mu  sync.Mutex
	end int64 // of the data
}

const schema = `
CREATE TABLE IF NOT EXISTS about (description TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS places (namespace TEXT NOT NULL, key TEXT NOT NULL, at INTEGER NOT NULL, size INTEGER NOT NULL, PRIMARY KEY (namespace, key)) WITHOUT ROWID`

// dataOf is the file of the records beside the index.
func dataOf(path string) string { return path + ".records" }

// errNothing is of a spool that does not say yet what it is to hold, and so is empty.
var errNothing = errors.New("nothing is said of what it holds")

// openSpool opens a spool that is there. What it takes is on the disk when it says so.
func openSpool(ctx context.Context, path string, of form) (*spool, error) {
	return newSpool(ctx, path, of, nil)
}

// newSpool opens a spool, or makes one of what is described.
func newSpool(ctx context.Context, path string, of form, d *vector.Description) (_ *spool, err error) {
	name := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath(), RawQuery: url.Values{
		"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(10000)", "cache_size(-2048)"}, "_txlock": {"immediate"},
	}.Encode()}).String()
	s := &spool{path: path, form: of}
	if s.db, err = sql.Open("sqlite", name); err != nil {
		return nil, s.fail(err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	s.db.SetMaxOpenConns(1)
	var old int
	if err := s.db.QueryRowContext(ctx, `SELECT COUNT(*) FROM sqlite_schema WHERE name = 'records'`).Scan(&old); err != nil {
		return nil, s.fail(err)
	}
	if old > 0 {
		return nil, s.fail(errors.New("an older freehold has begun this archive, and can finish it; or write another one"))
	}
	if _, err := s.db.ExecContext(ctx, schema); err != nil {
		return nil, s.fail(err)
	}
	if s.data, err = os.OpenFile(dataOf(path), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, err
	}
	info, err := s.data.Stat()
	if err != nil {
		return nil, err
	}
	s.end = info.Size()
	if d != nil {
		if err := s.begin(ctx, d); err != nil {
			return nil, err
		}
	}
	if err := s.learn(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *spool) close() error {
	err := s.db.Close()
	if s.data != nil {
		err = errors.Join(err, s.data.Close())
	}
	return err
}

// remove takes the files away, when all is in the archive.
func (s *spool) remove() error {
	err := s.close()
	for _, path := range []string{s.path, s.path + "-wal", s.path + "-shm", dataOf(s.path)} { // without an index there is no spool
		if e := os.Remove(path); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

func (s *spool) fail(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", s.path, err)
}

// begin says what the records are to be. There are none yet.
func (s *spool) begin(ctx context.Context, d *vector.Description) error {
	s.end = 0
	err := s.data.Truncate(0)
	var text []byte
	if err == nil {
		text, err = json.Marshal(d)
	}
	if err == nil {
		_, err = s.db.ExecContext(ctx, `INSERT INTO about (description) VALUES (?)`, string(text))
	}
	return s.fail(err)
}

func (s *spool) learn(ctx context.Context) error {
	var text string
	err := s.db.QueryRowContext(ctx, `SELECT description FROM about`).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return s.fail(errNothing)
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &s.about)
	}
	d := &s.about
	d.Store, d.Name, d.Namespaces, d.IDs, d.Scans = "file", filepath.Base(s.path), nil, kinds, true
	return s.fail(err)
}

func (s *spool) description(ctx context.Context) (*vector.Description, error) {
	d := s.about
	rows, err := s.db.QueryContext(ctx, `SELECT namespace, COUNT(*) FROM places GROUP BY namespace ORDER BY namespace`)
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
	return &d, s.fail(rows.Err())
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

// piece is where a record is among others.
type piece struct {
	key  string
	at   int64
	size int
}

func (s *spool) put(ctx context.Context, namespace string, records []vector.Record) error {
	refused := map[vector.ID]string{}
	pieces := make([]piece, 0, len(records))
	room := 0
	for i := range records {
		room += s.form.room(&records[i])
	}
	data := make([]byte, 0, room)
	for i := range records {
		r := &records[i]
		why := s.about.Refuse(r)
		if why == "" {
			begin := len(data)
			out, err := s.form.append(data, &s.about, r)
			if err == nil {
				data, pieces = out, append(pieces, piece{key(r.ID), int64(begin), len(out) - begin})
				continue
			}
			data, why = data[:begin], err.Error()
		}
		refused[r.ID] = why
	}
	err := s.keep(ctx, namespace, data, pieces)
	if err == nil && len(refused) > 0 {
		return &vector.RefusedError{Records: refused}
	}
	return err
}

// keep puts records on the disk, and then on record.
func (s *spool) keep(ctx context.Context, namespace string, data []byte, pieces []piece) error {
	if len(pieces) == 0 {
		return nil
	}
	s.mu.Lock()
	first := s.end
	_, err := s.data.WriteAt(data, first)
	if err == nil {
		s.end += int64(len(data))
	}
	s.mu.Unlock()
	if err == nil {
		err = s.data.Sync()
	}
	if err != nil {
		return err
	}
	return s.tx(ctx, func(tx *sql.Tx) error {
		put, err := tx.PrepareContext(ctx, `INSERT INTO places (namespace, key, at, size) VALUES (?, ?, ?, ?) ON CONFLICT (namespace, key) DO UPDATE SET at = excluded.at, size = excluded.size`)
		if err != nil {
			return err
		}
		defer put.Close()
		for i := range pieces {
			if _, err := put.ExecContext(ctx, namespace, pieces[i].key, first+pieces[i].at, pieces[i].size); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *spool) delete(ctx context.Context, namespace string, ids []vector.ID) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		for _, id := range ids {
			if _, err := tx.ExecContext(ctx, `DELETE FROM places WHERE namespace = ? AND key = ?`, namespace, key(id)); err != nil {
				return err
			}
		}
		return nil
	})
}

// bytes reads what the form keeps of a record into b, which it may make larger.
func (s *spool) bytes(p *piece, b []byte) ([]byte, error) {
	if cap(b) < p.size {
		b = make([]byte, p.size)
	}
	b = b[:p.size]
	_, err := s.data.ReadAt(b, p.at)
	return b, err
}

// record reads a record.
func (s *spool) record(namespace string, p *piece) (vector.Record, error) {
	b, err := s.bytes(p, nil)
	if err != nil {
		return vector.Record{}, err
	}
	r, err := s.form.record(&s.about, namespace, p.key, b)
	if err != nil {
		err = fmt.Errorf("%s: record %s: %w", s.path, p.key, err)
	}
	return r, err
}

// page is where the records behind a key are.
func (s *spool) page(ctx context.Context, namespace, after, upto string, size int) (out []piece, err error) {
	query, args := `SELECT key, at, size FROM places WHERE namespace = ? AND key > ?`, []any{namespace, after}
	if upto != "" {
		query, args = query+` AND key <= ?`, append(args, upto)
	}
	rows, err := s.db.QueryContext(ctx, query+` ORDER BY key LIMIT ?`, append(args, size)...)
	if err != nil {
		return nil, s.fail(err)
	}
	defer rows.Close()
	for rows.Next() {
		var p piece
		if err := rows.Scan(&p.key, &p.at, &p.size); err != nil {
			return nil, s.fail(err)
		}
		out = append(out, p)
	}
	return out, s.fail(rows.Err())
}

func (s *spool) units(ctx context.Context, namespace, after string, size int) iter.Seq2[vector.Unit, error] {
	return func(yield func(vector.Unit, error) bool) {
		for {
			var last string
			var n int
			err := s.db.QueryRowContext(ctx, `SELECT COALESCE(MAX(key), ''), COUNT(*) FROM (SELECT key FROM places WHERE namespace = ? AND key > ? ORDER BY key LIMIT ?)`, namespace, after, size).Scan(&last, &n)
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
			pieces, err := s.page(ctx, u.Namespace, after, u.Upto, readPage)
			records := make([]vector.Record, len(pieces))
			for i := range pieces {
				if err == nil {
					records[i], err = s.record(u.Namespace, &pieces[i])
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if len(pieces) == 0 || !yield(records, nil) || len(pieces) < readPage {
				return
			}
			after = pieces[len(pieces)-1].key
		}
	}
}

func (s *spool) fetch(ctx context.Context, namespace string, ids []vector.ID) ([]vector.Record, error) {
	var out []vector.Record
	for _, id := range ids {
		p := piece{key: key(id)}
		err := s.db.QueryRowContext(ctx, `SELECT at, size FROM places WHERE namespace = ? AND key = ?`, namespace, p.key).Scan(&p.at, &p.size)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, s.fail(err)
		}
		r, err := s.record(namespace, &p)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// export writes all records to a file, which is there whole or not at all.
func (s *spool) export(ctx context.Context, path string) (err error) {
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
	if err := s.form.write(w, d, s.kept(ctx)); err != nil {
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

// kept yields the records by namespace and key; each is good until the next one.
func (s *spool) kept(ctx context.Context) iter.Seq2[kept, error] {
	return func(yield func(kept, error) bool) {
		rows, err := s.db.QueryContext(ctx, `SELECT namespace, key, at, size FROM places ORDER BY namespace, key`)
		if err != nil {
			yield(kept{}, s.fail(err))
			return
		}
		defer rows.Close()
		var k kept
		var p piece
		for rows.Next() {
			if err = rows.Scan(&k.namespace, &p.key, &p.at, &p.size); err == nil {
				k.key = p.key
				k.bytes, err = s.bytes(&p, k.bytes)
			}
			if err != nil {
				yield(kept{}, s.fail(err))
				return
			}
			if !yield(k, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(kept{}, s.fail(err))
		}
	}
}
