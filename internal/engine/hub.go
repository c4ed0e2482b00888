package engine

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// DefaultHubURL is the hub of hf: sources.
const DefaultHubURL = "https://huggingface.co"

// hubStall is how long a download may bring nothing before it counts as cut.
const hubStall = 30 * time.Second

// hubTries is how often a download is taken up again without having brought
// anything.
const hubTries = 4

// writeFile is what a download is written to.
type writeFile interface {
	io.Writer
	Sync() error
	Close() error
}

// hubFile is what the hub says of a file before it is fetched.
type hubFile struct {
	URL    string `json:"url"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
	// ETag of the answer that the part on disk came from; what a resumed
	// download must still be (If-Range).
	ETag string `json:"etag,omitempty"`
}

func (in *Installer) hub() string {
	if in.HubURL != "" {
		return in.HubURL
	}
	return DefaultHubURL
}

// client returns an HTTP client that gives our token to the hub's own host
// only, and that says in its errors where, but never with a query: the links to
// the hub's storage are signed.
func (in *Installer) client() *http.Client {
	base := http.DefaultClient
	if in.Client != nil {
		base = in.Client
	}
	c := *base
	hub, _ := url.Parse(in.hub())
	c.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if len(via) >= 10 {
			return errors.New("too many redirects")
		}
		if hub == nil || req.URL.Host != hub.Host || req.URL.Scheme != hub.Scheme {
			req.Header.Del("Authorization")
		}
		return nil
	}
	return &c
}

func (in *Installer) hubRequest(ctx context.Context, method, target string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return nil, &Error{Kind: BadSpec, What: "the hub's address is wrong", Where: in.hub(), Do: "check HF_ENDPOINT", Err: plainURLError(err)}
	}
	// Compression would make sizes and ranges meaningless.
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", "freehold")
	if in.HubToken != "" {
		req.Header.Set("Authorization", "Bearer "+in.HubToken)
	}
	return req, nil
}

// plainURLError drops the address from a client's error: it may be signed.
func plainURLError(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}

// hubMeta asks what a file is, without fetching it. The hub's answer to HEAD
// names the SHA-256 and the size of a large file in X-Linked-Etag and
// X-Linked-Size, on the redirect to its storage; redirects on the hub itself
// (a renamed repository) are followed.
func (in *Installer) hubMeta(ctx context.Context, target string) (hubFile, error) {
	ctx, cancel := context.WithTimeout(ctx, hubStall)
	defer cancel()
	c := in.client()
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	hub, err := url.Parse(in.hub())
	if err != nil {
		return hubFile{}, &Error{Kind: BadSpec, What: "the hub's address is wrong", Do: "check HF_ENDPOINT"}
	}
	next := target
	for range 10 {
		req, err := in.hubRequest(ctx, http.MethodHead, next)
		if err != nil {
			return hubFile{}, err
		}
		res, err := c.Do(req)
		if err != nil {
			return hubFile{}, &Error{Kind: NoNetwork, What: "the model hub does not answer", Where: in.hub(), Do: "check the network and HF_ENDPOINT, then start again", Err: plainURLError(err)}
		}
		res.Body.Close()
		f := hubFile{URL: target, SHA256: strings.Trim(strings.TrimPrefix(res.Header.Get("X-Linked-Etag"), "W/"), `"`)}
		if f.SHA256 == "" && res.StatusCode == http.StatusOK {
			f.SHA256 = strings.Trim(res.Header.Get("Etag"), `"`)
		}
		f.Size, _ = strconv.ParseInt(res.Header.Get("X-Linked-Size"), 10, 64)
		if f.Size == 0 && res.StatusCode == http.StatusOK {
			f.Size = res.ContentLength
		}
		if isSHA256(f.SHA256) && f.Size > 0 && res.StatusCode < 400 {
			return f, nil
		}
		loc, err := res.Location()
		if res.StatusCode >= 300 && res.StatusCode < 400 && err == nil && loc.Host == hub.Host && loc.Scheme == hub.Scheme {
			next = loc.String()
			continue
		}
		return hubFile{}, in.hubStatus(res.StatusCode, target)
	}
	return hubFile{}, &Error{Kind: DownloadRefused, What: "the hub redirects in a circle", Where: target}
}

func isSHA256(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == 64
}

func (in *Installer) hubStatus(status int, target string) error {
	e := &Error{Kind: DownloadRefused, What: fmt.Sprintf("the hub answered %d %s", status, http.StatusText(status)), Where: target}
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		e.Do = "the file is private or gated: accept its terms on the hub and set HF_TOKEN"
	case status == http.StatusNotFound:
		e.Do = "check organisation, repository and file in source"
	case status == http.StatusTooManyRequests || status >= 500:
		e.Kind, e.Do = DownloadCut, "the hub is busy: start again later"
	default:
		e.What = fmt.Sprintf("the hub names no SHA-256 for the file (status %d)", status)
		e.Do = "without it the file cannot be checked: fetch it yourself and set source to its path"
	}
	return e
}

// fetchHub downloads a file from the hub, taking up an earlier download where
// it ended. The caller holds the lock of key.
func (in *Installer) fetchHub(ctx context.Context, src Source, rec sourceRecord, key string, report func(Progress)) (sourceRecord, error) {
	meta, err := in.hubMeta(ctx, src.url(in.hub()))
	if err != nil {
		return rec, err
	}
	rec = sourceRecord{Source: rec.Source, SHA256: meta.SHA256, Size: meta.Size, File: path.Base(src.File)}
	final := in.modelPath(rec.SHA256, rec.File)
	if st, err := os.Stat(final); err == nil && st.Size() == rec.Size {
		return rec, nil
	}
	dir := cache{in.Dir}.path("tmp", key)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return rec, fileError("the temporary directory cannot be made", dir, err)
	}
	d := &hubDownload{in: in, part: filepath.Join(dir, "part"), note: filepath.Join(dir, "part.json"), meta: meta, what: "weights " + rec.File, report: report}
	if err := d.resume(ctx); err != nil {
		return rec, err
	}
	if err := in.room(dir, d.what, meta.Size-d.have); err != nil {
		return rec, err
	}
	if err := d.run(ctx); err != nil {
		if errors.Is(err, HashMismatch) {
			err = errors.Join(err, os.RemoveAll(dir))
		}
		return rec, err
	}
	if _, err := readGGUF(d.part); err != nil {
		return rec, errors.Join(err, os.RemoveAll(dir))
	}
	if err := place(d.part, final); err != nil {
		return rec, err
	}
	return rec, os.RemoveAll(dir)
}

// hubDownload is one file on its way.
type hubDownload struct {
	in         *Installer
	part, note string
	meta       hubFile
	what       string
	report     func(Progress)
	have       int64     // bytes on disk
	sum        hash.Hash // of them
}

// resume reads what an earlier try left; it counts only if it is of the same
// content.
func (d *hubDownload) resume(ctx context.Context) error {
	d.sum, d.have = sha256.New(), 0
	var old hubFile
	if loadJSON(d.note, &old) != nil || old.SHA256 != d.meta.SHA256 || old.Size != d.meta.Size {
		return d.restart()
	}
	f, err := os.Open(d.part)
	if err != nil {
		return d.restart()
	}
	defer f.Close()
	n, err := io.Copy(d.sum, io.LimitReader(&ctxReader{ctx, f}, d.meta.Size+1))
	if err != nil {
		return fileError("the part already downloaded cannot be read", d.part, err)
	}
	if n > d.meta.Size {
		return d.restart()
	}
	d.have, d.meta.ETag = n, old.ETag
	return nil
}

// restart forgets what is on disk.
func (d *hubDownload) restart() error {
	d.sum, d.have, d.meta.ETag = sha256.New(), 0, ""
	if err := os.Remove(d.part); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fileError("the part already downloaded cannot be removed", d.part, err)
	}
	return saveJSON(d.note, d.meta)
}

// run downloads until all is there and its hash is right. A cut is taken up
// again at once; only cuts that bring nothing are counted.
func (d *hubDownload) run(ctx context.Context) error {
	fails, restarts := 0, 0
	pause := cmp.Or(d.in.pause, 500*time.Millisecond)
	for d.have < d.meta.Size {
		before := d.have
		err := d.once(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil && KindOf(err) != DownloadCut {
			return err
		}
		if d.have < before { // the server began anew
			if restarts++; restarts > hubTries {
				return err
			}
			continue
		}
		if d.have > before {
			fails = 0
			continue
		}
		if fails++; err != nil && fails >= hubTries {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Duration(fails) * pause):
		}
	}
	if got := hex.EncodeToString(d.sum.Sum(nil)); got != d.meta.SHA256 {
		return &Error{
			Kind: HashMismatch, Where: d.meta.URL,
			What: fmt.Sprintf("what the hub sent is not what it promised: SHA-256 %s, expected %s", got, d.meta.SHA256),
			Do:   "nothing of it was kept; start again",
		}
	}
	return nil
}

func (d *hubDownload) cut(err error) error {
	return &Error{
		Kind: DownloadCut, Where: d.meta.URL, Err: plainURLError(err),
		What: fmt.Sprintf("the download was cut at %s of %s", bytesText(d.have), bytesText(d.meta.Size)),
		Do:   "start again: it goes on where it ended",
	}
}

// once makes one request and writes what it brings.
func (d *hubDownload) once(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(hubStall, func() { cancel(fmt.Errorf("nothing came for %s", hubStall)) })
	defer stall.Stop()
	req, err := d.in.hubRequest(ctx, http.MethodGet, d.meta.URL)
	if err != nil {
		return err
	}
	if d.have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.have))
		if d.meta.ETag != "" {
			req.Header.Set("If-Range", d.meta.ETag)
		}
	}
	res, err := d.in.client().Do(req)
	if err != nil {
		return d.cut(err)
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
		if err := d.restart(); err != nil {
			return err
		}
		if res.ContentLength >= 0 && res.ContentLength != d.meta.Size {
			return &Error{Kind: HashMismatch, Where: d.meta.URL, What: fmt.Sprintf("the hub sends %d bytes and promised %d", res.ContentLength, d.meta.Size), Do: "start again"}
		}
		if etag := res.Header.Get("Etag"); strings.HasPrefix(etag, `"`) { // a strong one
			d.meta.ETag = etag
			if err := saveJSON(d.note, d.meta); err != nil {
				return err
			}
		}
	case http.StatusPartialContent:
		want := fmt.Sprintf("bytes %d-%d/%d", d.have, d.meta.Size-1, d.meta.Size)
		if got := res.Header.Get("Content-Range"); got != want {
			return errors.Join(d.cut(fmt.Errorf("asked for %q and got %q", want, got)), d.restart())
		}
	case http.StatusRequestedRangeNotSatisfiable:
		return errors.Join(d.cut(errors.New("the hub does not have the rest")), d.restart())
	default:
		return d.in.hubStatus(res.StatusCode, d.meta.URL)
	}
	return d.write(ctx, res.Body, stall)
}

func (d *hubDownload) write(ctx context.Context, body io.Reader, stall *time.Timer) error {
	open := d.in.open
	if open == nil {
		open = func(path string, flag int) (writeFile, error) { return os.OpenFile(path, flag, 0o644) }
	}
	f, err := open(d.part, os.O_CREATE|os.O_WRONLY|os.O_APPEND)
	if err != nil {
		return fileError("the download cannot be written", d.part, err)
	}
	buf := make([]byte, 1<<18)
	var last int64
	for d.have < d.meta.Size {
		n, readErr := body.Read(buf[:min(int64(len(buf)), d.meta.Size-d.have)])
		if n > 0 {
			stall.Reset(hubStall)
			w, err := f.Write(buf[:n])
			d.sum.Write(buf[:w])
			d.have += int64(w)
			if err != nil {
				return errors.Join(fileError("the download cannot be written", d.part, err), f.Close())
			}
			if d.have-last >= 1<<20 || d.have == d.meta.Size {
				last = d.have
				d.report(Progress{What: d.what, Done: d.have, Total: d.meta.Size})
			}
		}
		if readErr != nil {
			if d.have == d.meta.Size {
				break
			}
			if cause := context.Cause(ctx); cause != nil {
				readErr = cause
			}
			return errors.Join(d.cut(readErr), f.Close())
		}
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fileError("the download cannot be written", d.part, err)
	}
	return nil
}
