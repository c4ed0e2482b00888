package engine

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// maxUnpacked bounds what one archive may become; the engine's own is 101 MiB.
const maxUnpacked = 64 << 30

// checkHash compares a file with what it must be.
func checkHash(ctx context.Context, file, what string, want ...string) (sum string, size int64, err error) {
	sum, size, err = hashFile(ctx, file)
	if err != nil {
		return "", 0, fileError("the downloaded file cannot be read", file, err)
	}
	for _, w := range want {
		if sum == w {
			return sum, size, nil
		}
	}
	if len(want) == 0 {
		return sum, size, nil
	}
	return sum, size, &Error{
		Kind: HashMismatch, Where: file,
		What: fmt.Sprintf("%s is not what it must be: SHA-256 %s, expected %s", what, sum, strings.Join(want, " or ")),
		Do:   "nothing of it was kept; fetch again, and if it stays so, do not trust where it comes from",
	}
}

// unzip writes the files of an archive that keep says to below dir. Nothing can
// land outside of dir: the files are opened through an os.Root, and links are
// refused.
func unzip(ctx context.Context, archive, dir string, keep func(name string) bool, report func(done, total int64)) error {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return &Error{Kind: InstallFailed, What: "the archive cannot be opened", Where: archive, Do: "start again", Err: err}
	}
	defer z.Close()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fileError("a directory cannot be made", dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fileError("a directory cannot be opened", dir, err)
	}
	defer root.Close()
	var files []*zip.File
	var total, done int64
	for _, f := range z.File {
		name := path.Clean(f.Name)
		if f.FileInfo().IsDir() || !keep(name) {
			continue
		}
		if !filepath.IsLocal(name) || strings.ContainsAny(f.Name, "\\:") || !f.Mode().IsRegular() {
			return &Error{Kind: InstallFailed, What: fmt.Sprintf("the archive holds %q, which must not be unpacked", f.Name), Where: archive, Do: "do not trust where it comes from"}
		}
		if f.UncompressedSize64 > maxUnpacked-uint64(total) {
			return &Error{Kind: InstallFailed, What: "the archive is larger than any we know", Where: archive}
		}
		total += int64(f.UncompressedSize64)
		files = append(files, f)
	}
	for _, f := range files {
		if err := unzipOne(ctx, root, f, func(n int64) { report(done+n, total) }); err != nil {
			if errors.Is(err, zip.ErrChecksum) || errors.Is(err, zip.ErrFormat) {
				return &Error{Kind: InstallFailed, What: "the archive is damaged", Where: archive, Do: "start again", Err: err}
			}
			return fileError("unpacking failed", filepath.Join(dir, f.Name), err)
		}
		done += int64(f.UncompressedSize64)
	}
	report(total, total)
	return nil
}

func unzipOne(ctx context.Context, root *os.Root, f *zip.File, report func(int64)) error {
	name := filepath.FromSlash(path.Clean(f.Name))
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	// The zip reader checks the size and the CRC at the end.
	_, err = io.Copy(&countingWriter{w: out, report: report}, &ctxReader{ctx, in})
	return errors.Join(err, out.Sync(), out.Close())
}

// countingWriter reports how much went through, each 4 MiB.
type countingWriter struct {
	w       io.Writer
	n, last int64
	report  func(int64)
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	if c.n-c.last >= 4<<20 {
		c.last = c.n
		c.report(c.n)
	}
	return n, err
}
