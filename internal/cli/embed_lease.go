package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"freehold/internal/admin"
	"freehold/internal/ledger/filelock"
)

// lease is the right to make an archive. A lock of the operating system beside it keeps
// others out, which ends with its holder; who that is stands in a file of its own, since
// not every system lets others read a file that is locked.
type lease struct {
	lock *filelock.Lock
	by   string // the file that says whose it is
}

// holder is who makes an archive.
type holder struct {
	Process int       `json:"process"`
	Since   time.Time `json:"since"`
}

// takeLease takes the right to make out, or says who has it.
func (p *program) takeLease(out string) (l *lease, err error) {
	l = &lease{by: out + ".lock.json"}
	l.lock, err = filelock.Try(out + ".lock")
	if errors.Is(err, filelock.ErrHeld) {
		return nil, &admin.Error{Code: admin.CodeConflict, Hint: "wait for it, or name another -o", Message: fmt.Sprintf("another freehold is making %s%s: nothing was asked", out, l.holder())}
	}
	if err != nil {
		return nil, fmt.Errorf("-o: %w", err)
	}
	text, err := json.Marshal(holder{os.Getpid(), p.clock().UTC()})
	if err == nil {
		err = replaced(l.by, text)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("-o: %w", err), l.lock.Remove())
	}
	return l, nil
}

// replaced writes a file whole: who reads it finds it as it was, or as it is.
func replaced(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// holder says who has the lease, as far as that is known.
func (l *lease) holder() string {
	var h holder
	text, err := os.ReadFile(l.by)
	if err != nil || json.Unmarshal(text, &h) != nil || h.Process == 0 {
		return ""
	}
	return fmt.Sprintf(" (process %d, since %s UTC)", h.Process, at(h.Since))
}

// end gives the right up.
func (l *lease) end() error {
	err := os.Remove(l.by)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, l.lock.Remove())
}
