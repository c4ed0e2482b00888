package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// The cache directory holds
//
//	engines/NAME-VERSION-PLATFORM/   managed engines
//	models/SHA256/FILE.gguf          weights, by content
//	sources/KEY.json                 which weights a source was found to be
//	tmp/KEY/                         work under way, under the lock of its key
//	locks/KEY.lock                   held by who works on KEY
//	run/ID.json                      processes, to clean up after a crash
//
// What is under engines and models is whole: it got there by a rename.
type cache struct{ dir string }

func (c cache) path(elem ...string) string {
	return filepath.Join(append([]string{c.dir}, elem...)...)
}

// lock takes the lock of a key and returns how to give it back. While somebody
// else has it, onWait is told once and the lock is tried again until ctx ends.
func (c cache) lock(ctx context.Context, key string, onWait func()) (func(), error) {
	path := c.path("locks", key+".lock")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fileError("the cache directory cannot be made", filepath.Dir(path), err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fileError("the lock cannot be opened", path, err)
	}
	for waited := false; ; waited = true {
		ok, err := tryLock(f)
		if err != nil {
			f.Close()
			return nil, fileError("the lock cannot be taken", path, err)
		}
		if ok {
			return func() { f.Close() }, nil
		}
		if !waited && onWait != nil {
			onWait()
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// fresh makes the empty work directory of a key whose lock the caller holds:
// what a killed predecessor left there is removed.
func (c cache) fresh(key string) (string, error) {
	dir := c.path("tmp", key)
	if err := os.RemoveAll(dir); err != nil {
		return "", fileError("old temporary files cannot be removed", dir, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fileError("the temporary directory cannot be made", dir, err)
	}
	return dir, nil
}

// place renames what is whole to where it is used.
func place(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fileError("the cache directory cannot be made", filepath.Dir(to), err)
	}
	if err := os.Rename(from, to); err != nil {
		return fileError("the finished files cannot be moved into place", to, err)
	}
	return syncDir(filepath.Dir(to))
}

// syncDir makes a rename in the directory last over a power cut, where the file
// system can.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fileError("the cache directory cannot be read", dir, err)
	}
	defer d.Close()
	// Not every system can sync a directory; the rename has happened anyway.
	_ = d.Sync()
	return nil
}

// saveJSON writes v whole or not at all.
func saveJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return saveFile(path, append(b, '\n'))
}

// saveFile writes a small file whole or not at all.
func saveFile(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fileError("the cache directory cannot be made", filepath.Dir(path), err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fileError("a file cannot be written", path, err)
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fileError("a file cannot be written", path, err)
	}
	return nil
}

func loadJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// hashFile is the SHA-256 of a file in hex and its size. It stops when ctx ends.
func hashFile(ctx context.Context, path string) (string, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, &ctxReader{ctx, f})
	return hex.EncodeToString(h.Sum(nil)), n, err
}

// ctxReader ends a long copy when its context ends.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

// dirSize is the number of bytes in the files under dir; files that vanish
// meanwhile do not count.
func dirSize(dir string) int64 {
	var n int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}

// keyOf turns any text into a file name.
func keyOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:12])
}
