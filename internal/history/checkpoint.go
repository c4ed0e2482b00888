package history

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// checkpoint is the content of a signed note, in the form of
// https://c2sp.org/tlog-checkpoint: origin, size in decimal, root in base64,
// one a line.
type checkpoint struct {
	origin string // names the log, and the key that signs it
	size   int64
	root   tlog.Hash
}

func (c checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.origin, c.size, c.root)
}

// parseCheckpoint reads exactly what text writes: another spelling of the same
// facts is not accepted.
func parseCheckpoint(text string) (checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 {
		return checkpoint{}, errors.New("it is not three lines")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return checkpoint{}, fmt.Errorf("its size is not a number")
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return checkpoint{}, fmt.Errorf("its root is not a hash")
	}
	c := checkpoint{origin: lines[0], size: size, root: root}
	if c.text() != text {
		return checkpoint{}, errors.New("it is not in the canonical form")
	}
	return c, nil
}

// openCheckpoint checks a note's signature against any of the keys and returns
// what it says and which key signed it.
func openCheckpoint(signed []byte, keys []note.Verifier) (checkpoint, note.Verifier, error) {
	opened, err := note.Open(signed, note.VerifierList(keys...))
	if err != nil {
		return checkpoint{}, nil, fmt.Errorf("its signature is not valid: %w", err)
	}
	c, err := parseCheckpoint(opened.Text)
	if err != nil {
		return checkpoint{}, nil, err
	}
	// note.Open drops signatures that it cannot check and accepts several
	// spellings of one signature. What we write has one of each, so that no byte
	// can change unseen.
	if len(opened.Sigs) != 1 || len(opened.UnverifiedSigs) != 0 {
		return checkpoint{}, nil, errors.New("it carries more than one signature")
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(opened.Sigs[0].Base64)
	if err != nil || string(signed) != opened.Text+"\n— "+opened.Sigs[0].Name+" "+base64.StdEncoding.EncodeToString(raw)+"\n" {
		return checkpoint{}, nil, errors.New("it is not in the canonical form")
	}
	for _, key := range keys {
		if key.Name() == opened.Sigs[0].Name && key.KeyHash() == opened.Sigs[0].Hash {
			if c.origin != key.Name() {
				return checkpoint{}, nil, errors.New("it names another log than its key")
			}
			return c, key, nil
		}
	}
	return checkpoint{}, nil, errors.New("its key is unknown")
}

// signerOf returns name and hash of the key that a note claims to be signed by,
// unchecked.
func signerOf(signed []byte) (name string, hash uint32, err error) {
	_, err = note.Open(signed, note.VerifierList())
	if unverified, ok := errors.AsType[*note.UnverifiedNoteError](err); ok && len(unverified.Note.UnverifiedSigs) > 0 {
		sig := unverified.Note.UnverifiedSigs[0]
		return sig.Name, sig.Hash, nil
	}
	return "", 0, fmt.Errorf("its signature cannot be read: %w", err)
}
