package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Options of a [Log]. Clock, Random and Logger are required.
type Options struct {
	// KeyFile holds the signing key, beside the state; made at the first
	// start. Without it the log can be read and verified, not appended to.
	KeyFile string
	// Outside are places to copy each checkpoint to: a file, or a directory in
	// which a file is made. Best on another machine's storage, where this
	// machine may append and not overwrite. Close the log if there are any.
	Outside []string
	// ReadOnly leaves the outside places as they are, and needs no key file: who
	// verifies must not write the evidence first.
	ReadOnly bool
	// AcceptNewKey lets a log whose key was lost go on with a new one. The
	// change of keys becomes a record, and Verify names it.
	AcceptNewKey bool

	Clock  func() time.Time
	Random io.Reader // cryptographically secure: crypto/rand.Reader
	Logger *slog.Logger
}

// Log is the change record. Its methods may be used concurrently, and several
// processes may append to one store.
type Log struct {
	store  Store
	key    *signingKey // nil: read only
	o      Options
	mu     sync.Mutex // appends of this process take turns, so that they do not conflict
	copier *copier    // nil: no outside place
}

// Open opens the history in a store. The first start makes the signing key.
func Open(ctx context.Context, store Store, o Options) (*Log, error) {
	l := &Log{store: store, o: o}
	var err error
	switch {
	case o.KeyFile == "":
		return l, nil
	case o.ReadOnly:
		l.key, err = loadKey(o.KeyFile, o.Logger)
		return l, err
	}
	// The last entry first: where there is none yet, a key made by another
	// process in between is found below.
	last, err := store.LastHistory(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the history: %w", err)
	}
	if l.key, err = openKey(last, o); err != nil {
		return nil, err
	}
	if len(o.Outside) > 0 {
		l.copier = startCopier(store, l.key, o.Outside, o.Clock, o.Logger)
	}
	return l, nil
}

// openKey loads the key, or makes one for a new log.
func openKey(last Entry, o Options) (*signingKey, error) {
	key, err := loadKey(o.KeyFile, o.Logger)
	if key != nil || err != nil {
		return key, err
	}
	if last.Seq == 0 {
		origin, err := newOrigin(o.Random)
		if err != nil {
			return nil, err
		}
		return createKey(o.KeyFile, origin, o.Random, o.Logger)
	}
	if !o.AcceptNewKey {
		return nil, fmt.Errorf("the history has %d records, but its signing key %s is missing: restore the file from a backup, "+
			"or accept that a new key begins", last.Seq, o.KeyFile)
	}
	origin, _, err := signerOf(last.Checkpoint)
	if err != nil {
		return nil, &TamperedError{Seq: last.Seq, What: "the checkpoint of record", Why: err.Error()}
	}
	return createKey(o.KeyFile, origin, o.Random, o.Logger)
}

// VerifierKey is the public key, to be kept elsewhere: with it, and a
// checkpoint, anyone can verify. Empty for a log opened without key.
func (l *Log) VerifierKey() string {
	if l.key == nil {
		return ""
	}
	return l.key.vkey
}

// TamperedError means that the end of the history does not bear the mark of
// this installation, so nothing is built on it.
type TamperedError struct {
	Seq  int64
	What string
	Why  string
}

func (e *TamperedError) Error() string {
	return fmt.Sprintf("the history was altered: %s %d does not hold: %s; run `freehold history verify`", e.What, e.Seq, e.Why)
}

// errKeyChange: the history's last checkpoint is signed by another key than ours.
var errKeyChange = errors.New("the history was signed with another key than the one in the key file: " +
	"restore the right key file from a backup, or accept that a new key begins")

// appendAttempts bounds the races lost against other processes. Each loss means
// that another one has appended.
const appendAttempts = 100

// Append records a change and signs the new end of the history. When it returns,
// the record is durable; copies to outside places follow in the background. What
// looks like a secret in the reason is taken out: nobody can do so later.
func (l *Log) Append(ctx context.Context, c Change) (Record, error) {
	if l.key == nil {
		return Record{}, errors.New("append to the history: it was opened without a signing key, to be read only")
	}
	c.Why = Redact(c.Why)
	l.mu.Lock()
	defer l.mu.Unlock()
	for range appendAttempts {
		last, err := l.store.LastHistory(ctx)
		if err != nil {
			return Record{}, fmt.Errorf("append to the history: %w", err)
		}
		next := c
		err = l.checkEnd(ctx, last)
		keyRecord := last.Seq == 0 || errors.Is(err, errKeyChange) && l.o.AcceptNewKey
		switch {
		case keyRecord:
			next = Change{
				Kind: KindHistoryKey, Subject: l.key.Name(), Who: OSUser(),
				Why:     "a signing key begins",
				Details: map[string]string{"verifier": l.key.vkey},
			}
		case err != nil:
			return Record{}, fmt.Errorf("append to the history: %w", err)
		}
		record, err := l.appendOne(ctx, last.Seq+1, next)
		if errors.Is(err, ErrConflict) || err == nil && keyRecord {
			continue
		}
		if err != nil {
			return Record{}, fmt.Errorf("append to the history: %w", err)
		}
		if l.copier != nil {
			l.copier.wake()
		}
		return record, nil
	}
	return Record{}, fmt.Errorf("append to the history: other processes were faster %d times: try again", appendAttempts)
}

// checkEnd refuses to build on an end that we did not sign: a signature over a
// new record would vouch for all before it.
func (l *Log) checkEnd(ctx context.Context, last Entry) error {
	if last.Seq == 0 {
		return nil
	}
	fail := func(err error) error {
		return &TamperedError{Seq: last.Seq, What: "the checkpoint of record", Why: err.Error()}
	}
	name, hash, err := signerOf(last.Checkpoint)
	if err != nil {
		return fail(err)
	}
	ours := name == l.key.Name() && hash == l.key.KeyHash()
	var c checkpoint
	if ours {
		c, _, err = openCheckpoint(last.Checkpoint, []note.Verifier{l.key.verifier})
	} else {
		c, err = claimed(last.Checkpoint) // its key is not here: at least it must fit
	}
	if err != nil {
		return fail(err)
	}
	if c.size != last.Seq {
		return fail(fmt.Errorf("it is the checkpoint of record %d", c.size))
	}
	root, err := tlog.TreeHash(last.Seq, hashReader(ctx, l.store))
	if err != nil {
		return err
	}
	if root != c.root {
		return &TamperedError{Seq: last.Seq, What: "the tree up to record", Why: "its hashes are not those that were signed"}
	}
	if !ours {
		return errKeyChange
	}
	return nil
}

func (l *Log) appendOne(ctx context.Context, seq int64, c Change) (Record, error) {
	r := Record{Seq: seq, Time: l.o.Clock().UTC(), Change: c}
	data, err := encode(r)
	if err != nil {
		return Record{}, err
	}
	reader := hashReader(ctx, l.store)
	hashes, err := tlog.StoredHashes(seq-1, data, reader)
	if err != nil {
		return Record{}, err
	}
	root, err := tlog.TreeHash(seq, withNew(reader, seq, hashes))
	if err != nil {
		return Record{}, err
	}
	signed, err := note.Sign(&note.Note{Text: checkpoint{origin: l.key.Name(), size: seq, root: root}.text()}, l.key)
	if err != nil {
		return Record{}, fmt.Errorf("sign the checkpoint: %w", err)
	}
	r.Hash = hashes[0].String()
	return r, l.store.AppendHistory(ctx, Entry{Seq: seq, Record: data, Hashes: joinHashes(hashes), Checkpoint: signed})
}

// withNew reads the hashes of an entry that is not stored yet, and all others
// from stored.
func withNew(stored tlog.HashReader, seq int64, hashes []tlog.Hash) tlog.HashReader {
	first := tlog.StoredHashIndex(0, seq-1)
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		old := slices.DeleteFunc(slices.Clone(indexes), func(i int64) bool { return i >= first })
		read, err := stored.ReadHashes(old)
		if err != nil {
			return nil, err
		}
		out := make([]tlog.Hash, 0, len(indexes))
		for _, index := range indexes {
			if index >= first {
				out = append(out, hashes[index-first])
			} else {
				out, read = append(out, read[0]), read[1:]
			}
		}
		return out, nil
	})
}

// Filter selects records; zero fields select all.
type Filter struct {
	Kinds   []Kind
	Subject string
	Since   time.Time // at or after
	Until   time.Time // before
	Limit   int       // at most so many; 0: all
}

func (f *Filter) matches(r *Record) bool {
	return (len(f.Kinds) == 0 || slices.Contains(f.Kinds, r.Kind)) &&
		(f.Subject == "" || r.Subject == f.Subject) &&
		(f.Since.IsZero() || !r.Time.Before(f.Since)) &&
		(f.Until.IsZero() || r.Time.Before(f.Until))
}

// List returns records, newest first. It reads and does not verify.
func (l *Log) List(ctx context.Context, f Filter) ([]Record, error) {
	var records []Record
	for entry, err := range l.store.ScanHistoryBack(ctx) {
		if err != nil {
			return nil, fmt.Errorf("list the history: %w", err)
		}
		r, err := read(entry)
		if err != nil {
			return nil, err
		}
		if f.matches(&r) {
			records = append(records, r)
			if len(records) == f.Limit {
				break
			}
		}
	}
	return records, nil
}

// Show returns one record. It reads and does not verify.
func (l *Log) Show(ctx context.Context, seq int64) (Record, error) {
	last, err := l.store.LastHistory(ctx)
	if err != nil {
		return Record{}, fmt.Errorf("show record %d: %w", seq, err)
	}
	if seq < 1 || seq > last.Seq {
		return Record{}, fmt.Errorf("show record %d: %w: the history has records 1 to %d", seq, ErrNotFound, last.Seq)
	}
	entries, err := l.store.HistoryEntries(ctx, []int64{seq})
	if err != nil {
		return Record{}, fmt.Errorf("show record %d: %w", seq, err)
	}
	return read(entries[0])
}

// read decodes an entry and refuses one whose bytes are not those that its own
// hash was made of: the cheap part of verification, so that a careless
// alteration is never shown as a fact.
func read(e Entry) (Record, error) {
	leaf := tlog.RecordHash(e.Record)
	if !bytes.HasPrefix(e.Hashes, leaf[:]) {
		return Record{}, &TamperedError{Seq: e.Seq, What: "record", Why: "its content and its hash disagree"}
	}
	r, err := decode(e.Record)
	if err != nil {
		return Record{}, &TamperedError{Seq: e.Seq, What: "record", Why: err.Error()}
	}
	r.Hash = leaf.String()
	return r, nil
}

// Outside says how far the outside copies have come; nil without any.
func (l *Log) Outside() []OutsideStatus {
	if l.copier == nil {
		return nil
	}
	return l.copier.status()
}

// Close brings the outside copies up to date, as far as that is possible before
// ctx ends, and stops copying. An error means that a copy is behind; the next
// process to append catches up.
func (l *Log) Close(ctx context.Context) error {
	if l.copier == nil {
		return nil
	}
	return l.copier.close(ctx)
}
