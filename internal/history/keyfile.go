package history

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// signingKey is the key of this installation.
type signingKey struct {
	note.Signer
	verifier note.Verifier
	vkey     string // printable: name+hash+key
}

// loadKey reads a key file; it returns nil where there is none.
func loadKey(path string, logger *slog.Logger) (*signingKey, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the history's signing key: %w", err)
	}
	if info, err := os.Stat(path); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		logger.Warn("others can read the history's signing key: run chmod 600 on it", "file", path, "mode", info.Mode().Perm().String())
	}
	key, err := parseKey(string(data))
	if err != nil {
		return nil, fmt.Errorf("the history's signing key %s: %w", path, err)
	}
	return key, nil
}

// parseKey reads the two lines of a key file: the private and the public key.
func parseKey(text string) (*signingKey, error) {
	lines := strings.Fields(text)
	if len(lines) != 2 {
		return nil, errors.New("the file is not of two lines, private key and public key: restore it from a backup")
	}
	signer, err := note.NewSigner(lines[0])
	if err != nil {
		return nil, errors.New("the first line is no private key: restore the file from a backup") // the cause could quote it
	}
	verifier, err := note.NewVerifier(lines[1])
	if err != nil {
		return nil, fmt.Errorf("the second line is no public key: %w", err)
	}
	if signer.Name() != verifier.Name() || signer.KeyHash() != verifier.KeyHash() {
		return nil, errors.New("its two lines are of different keys: restore the file from a backup")
	}
	return &signingKey{Signer: signer, verifier: verifier, vkey: lines[1]}, nil
}

// newOrigin names a new log. It is random, so that checkpoints of two
// installations in one outside place cannot be taken for each other.
func newOrigin(random io.Reader) (string, error) {
	var raw [8]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return "", fmt.Errorf("name the history: %w", err)
	}
	return "freehold-history/" + hex.EncodeToString(raw[:]), nil
}

// createKey makes a key file, readable by its owner only, and returns the key
// in it: another process's, if that was faster.
func createKey(path, origin string, random io.Reader, logger *slog.Logger) (_ *signingKey, err error) {
	fail := func(err error) (*signingKey, error) {
		return nil, fmt.Errorf("create the history's signing key %s: %w", path, err)
	}
	skey, vkey, err := note.GenerateKey(random, origin)
	if err != nil {
		return fail(err)
	}
	// Written whole beside its place, then linked there: no one ever reads
	// half a key, and a link never replaces a file.
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // mode 0600
	if err != nil {
		return fail(err)
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.WriteString(skey + "\n" + vkey + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fail(err)
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fail(err)
	}
	key, err := loadKey(path, logger)
	if err == nil && key == nil {
		return fail(errors.New("it was removed at once"))
	}
	return key, err
}
