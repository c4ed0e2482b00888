package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// outsideFile is the file of an outside place: the place itself, or in a
// directory one named after the log.
func outsideFile(place, origin string) string {
	info, err := os.Stat(place)
	if err == nil && info.IsDir() || strings.HasSuffix(place, string(filepath.Separator)) {
		return filepath.Join(place, strings.ReplaceAll(origin, "/", "-")+".notes")
	}
	return place
}

// outsideNote is one checkpoint of an outside file.
type outsideNote struct {
	line   int // of its first line, from 1
	signed []byte
}

// parseNotes splits an outside file. A note begins with the line of its origin,
// and ends with that of its signature; whatever does not fit comes back as a
// note that will not verify. A note that was cut while it was written, and then
// written again, is left out.
func parseNotes(data []byte, origin string) []outsideNote {
	var notes []outsideNote
	line, ended := 0, true
	for text := range bytes.Lines(data) {
		line++
		if string(text) == origin+"\n" || ended {
			notes = append(notes, outsideNote{line: line})
		}
		current := &notes[len(notes)-1]
		current.signed = append(current.signed, text...)
		ended = bytes.HasPrefix(text, []byte("— "))
	}
	whole := notes[:0]
	for i, n := range notes {
		if i+1 < len(notes) {
			next := notes[i+1].signed
			// The copier ends a cut line with a line feed before it goes on.
			if cut := bytes.TrimSuffix(n.signed, []byte("\n")); len(cut) < len(next)-1 && bytes.HasPrefix(next, cut) {
				continue
			}
		}
		whole = append(whole, n)
	}
	return whole
}

// tailSize is how much of the end of an outside file the copier reads to know
// how far it has come; a note takes about 200 bytes.
const tailSize = 64 << 10

// copyOutside appends to an outside file the checkpoints that it lacks and
// returns the number of the last record that it covered before, and of the last
// that it covers then.
func copyOutside(ctx context.Context, store Store, key *signingKey, place string) (had, upto int64, err error) {
	path := outsideFile(place, key.Name())
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if errors.Is(err, fs.ErrPermission) {
		return 0, 0, fmt.Errorf("%w: give this user the right to read and append", err)
	}
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	had, torn, err := lastOutside(f, key)
	upto = had
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", path, err)
	}
	// The store after the file: so it cannot be behind by an append in between.
	if upto > 0 {
		last, err := store.LastHistory(ctx)
		if err != nil {
			return had, upto, err
		}
		if last.Seq < upto {
			return had, upto, fmt.Errorf("%s has a checkpoint of record %d, but the history ends at %d: it was cut short or set back; run `freehold history verify`",
				path, upto, last.Seq)
		}
	}
	var batch []byte
	if torn {
		batch = append(batch, '\n')
	}
	done := upto
	for entry, err := range store.ScanHistory(ctx, upto+1) {
		if err != nil {
			return had, upto, err
		}
		c, _, err := openCheckpoint(entry.Checkpoint, []note.Verifier{key.verifier})
		if err == nil && c.size != entry.Seq {
			err = fmt.Errorf("it is the checkpoint of record %d", c.size)
		}
		if _, hash, signerErr := signerOf(entry.Checkpoint); signerErr == nil && hash != key.KeyHash() {
			continue // of an earlier key; the next of ours covers its records too
		}
		if err != nil {
			return had, upto, &TamperedError{Seq: entry.Seq, What: "the checkpoint of record", Why: err.Error()}
		}
		batch, done = append(batch, entry.Checkpoint...), entry.Seq
	}
	if done == upto {
		return had, upto, nil
	}
	if _, err := f.Write(batch); err != nil {
		return had, upto, err
	}
	if err := f.Sync(); err != nil {
		return had, upto, err
	}
	return had, done, nil
}

// lastOutside finds the last whole checkpoint in an outside file and whether
// the file ends within a line.
func lastOutside(f *os.File, key *signingKey) (upto int64, torn bool, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, false, err
	}
	if info.Size() == 0 {
		return 0, false, nil
	}
	data, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-tailSize), tailSize))
	if err != nil {
		return 0, false, err
	}
	if len(data) == 0 { // it shrank as we looked
		return 0, false, errors.New("it changes while it is read")
	}
	for _, n := range parseNotes(data, key.Name()) {
		if c, _, err := openCheckpoint(n.signed, []note.Verifier{key.verifier}); err == nil {
			upto = max(upto, c.size)
		}
	}
	return upto, data[len(data)-1] != '\n', nil
}
