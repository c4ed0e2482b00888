package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	hubSource = "hf:org/repo/dir/model.gguf"
	hubToken  = "hf_very-secret"
)

// hubWeights is a GGUF file with a tail long enough to be cut.
func hubWeights() []byte {
	var b bytes.Buffer
	le := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) }
	b.WriteString("GGUF")
	le(uint32(3))
	le(uint64(0))
	le(uint64(1))
	le(uint64(len("general.architecture")))
	b.WriteString("general.architecture")
	le(uint32(8))
	le(uint64(len("llama")))
	b.WriteString("llama")
	for i := range 200_000 {
		b.WriteByte(byte(i * 7))
	}
	return b.Bytes()
}

// hubFake is the hub and, on another address, its storage. It is strict about
// what it is sent, and fails as it is told.
type hubFake struct {
	t       *testing.T
	content []byte
	sum     string // promised
	etag    string // of the storage
	cutAt   []int  // bytes after which each request in turn is cut; -1: not
	corrupt bool
	status  int // of the hub, if not 0
	noRange bool

	hub, storage *httptest.Server
	mu           sync.Mutex
	ranges       []string
	heads        int
}

func newHubFake(t *testing.T) *hubFake {
	content := hubWeights()
	sum := sha256.Sum256(content)
	f := &hubFake{t: t, content: content, sum: hex.EncodeToString(sum[:]), etag: `"storage-1"`}
	f.storage = httptest.NewServer(http.HandlerFunc(f.serveStorage))
	f.hub = httptest.NewServer(http.HandlerFunc(f.serveHub))
	t.Cleanup(f.storage.Close)
	t.Cleanup(f.hub.Close)
	return f
}

func (f *hubFake) serveHub(w http.ResponseWriter, r *http.Request) {
	if got := r.Header.Get("Authorization"); got != "Bearer "+hubToken {
		f.t.Errorf("the hub got Authorization %q", got)
	}
	if r.URL.Path == "/org/repo/resolve/main/dir/model.gguf" {
		// The repository was renamed.
		http.Redirect(w, r, "/org/new/resolve/main/dir/model.gguf", http.StatusTemporaryRedirect)
		return
	}
	if r.URL.Path != "/org/new/resolve/main/dir/model.gguf" {
		f.t.Errorf("the hub was asked for %s", r.URL.Path)
	}
	if f.status != 0 {
		w.WriteHeader(f.status)
		return
	}
	if r.Method == http.MethodHead {
		f.mu.Lock()
		f.heads++
		f.mu.Unlock()
	}
	w.Header().Set("X-Linked-Etag", `"`+f.sum+`"`)
	w.Header().Set("X-Linked-Size", strconv.Itoa(len(f.content)))
	w.Header().Set("Location", f.storage.URL+"/blob?Signature=signed-secret")
	w.WriteHeader(http.StatusFound)
}

func (f *hubFake) serveStorage(w http.ResponseWriter, r *http.Request) {
	if got := r.Header.Get("Authorization"); got != "" {
		f.t.Errorf("the storage got Authorization %q", got)
	}
	if r.Method != http.MethodGet || r.Header.Get("Accept-Encoding") != "identity" {
		f.t.Errorf("the storage got %s with Accept-Encoding %q", r.Method, r.Header.Get("Accept-Encoding"))
	}
	f.mu.Lock()
	n := len(f.ranges)
	f.ranges = append(f.ranges, r.Header.Get("Range"))
	f.mu.Unlock()
	from, status := 0, http.StatusOK
	if h := r.Header.Get("Range"); h != "" {
		if _, err := fmt.Sscanf(h, "bytes=%d-", &from); err != nil || h != fmt.Sprintf("bytes=%d-", from) {
			f.t.Errorf("bad Range %q", h)
		}
		if r.Header.Get("If-Range") == "" {
			f.t.Error("a Range without If-Range could join two different files")
		}
		if r.Header.Get("If-Range") != f.etag || f.noRange {
			from = 0
		} else {
			status = http.StatusPartialContent
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(f.content)-1, len(f.content)))
		}
	} else if r.Header.Get("If-Range") != "" {
		f.t.Error("If-Range without Range")
	}
	body := bytes.Clone(f.content[from:])
	if f.corrupt {
		body[len(body)-1] ^= 1
	}
	w.Header().Set("Etag", f.etag)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if n < len(f.cutAt) && f.cutAt[n] >= 0 {
		_, _ = w.Write(body[:f.cutAt[n]])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(body)
}

func (f *hubFake) installer() *Installer {
	return &Installer{Dir: f.t.TempDir(), HubURL: f.hub.URL, HubToken: hubToken, pause: 1}
}

func quiet(Progress) {}

// leftovers are the files in a cache that are neither whole nor locks.
func leftovers(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(filepath.Join(dir, "tmp"), func(p string, _ os.DirEntry, err error) error {
		if err == nil && p != filepath.Join(dir, "tmp") {
			found = append(found, p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestHubDownload(t *testing.T) {
	f := newHubFake(t)
	in := f.installer()
	var last Progress
	w, err := in.Weights(t.Context(), hubSource, func(p Progress) { last = p })
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(w.Path)
	if err != nil || !bytes.Equal(got, f.content) {
		t.Fatalf("the file differs (%v)", err)
	}
	size := int64(len(f.content))
	if diff := cmp.Diff(Progress{What: "weights model.gguf", Done: size, Total: size, Finished: true}, last); diff != "" {
		t.Errorf("the last progress (-want +got):\n%s", diff)
	}
	if left := leftovers(t, in.Dir); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if err := in.Verify(t.Context(), w); err != nil {
		t.Error(err)
	}
	// The second time nobody is asked.
	again, err := in.Weights(t.Context(), hubSource, quiet)
	if err != nil || again != w || f.heads != 1 {
		t.Errorf("second time: %+v, %v, %d questions to the hub", again, err, f.heads)
	}
	inv, err := in.List()
	if err != nil || len(inv.Weights) != 1 || inv.Weights[0] != w {
		t.Errorf("list: %+v, %v", inv, err)
	}
	// A damaged file is found out and fetched again.
	if err := os.WriteFile(w.Path, got[:100], 0o644); err != nil {
		t.Fatal(err)
	}
	if err := in.Verify(t.Context(), w); !errors.Is(err, HashMismatch) {
		t.Errorf("verify of a cut file: %v", err)
	}
	if again, err := in.Weights(t.Context(), hubSource, quiet); err != nil || in.Verify(t.Context(), again) != nil {
		t.Errorf("after damage: %v", err)
	}
}

func TestHubCutGoesOn(t *testing.T) {
	f := newHubFake(t)
	f.cutAt = []int{1000, 50_000, 0, -1}
	in := f.installer()
	w, err := in.Weights(t.Context(), hubSource, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Verify(t.Context(), w); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"", "bytes=1000-", "bytes=51000-", "bytes=51000-"}, f.ranges); diff != "" {
		t.Errorf("ranges (-want +got):\n%s", diff)
	}
}

// A download that a killed process left is taken up by the next one.
func TestHubResumesAcrossProcesses(t *testing.T) {
	f := newHubFake(t)
	f.cutAt = []int{70_000, 0, 0, 0, 0, 0, 0, 0}
	in := f.installer()
	_, err := in.Weights(t.Context(), hubSource, quiet)
	if !errors.Is(err, DownloadCut) || !strings.Contains(err.Error(), "goes on where it ended") {
		t.Fatalf("got %v", err)
	}
	for _, secret := range []string{"signed-secret", hubToken} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error holds %q: %v", secret, err)
		}
	}
	if _, err := os.Stat(filepath.Join(in.Dir, "models")); !errors.Is(err, os.ErrNotExist) {
		t.Error("something half-way was put in place")
	}
	f.cutAt, f.ranges = nil, nil
	next := &Installer{Dir: in.Dir, HubURL: f.hub.URL, HubToken: hubToken}
	if _, err := next.Weights(t.Context(), hubSource, quiet); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"bytes=70000-"}, f.ranges); diff != "" {
		t.Errorf("ranges (-want +got):\n%s", diff)
	}
}

// When the storage's copy changed, or it knows no ranges, the file is fetched anew.
func TestHubResumeRefused(t *testing.T) {
	for name, change := range map[string]func(*hubFake){
		"another entity": func(f *hubFake) { f.etag = `"storage-2"` },
		"no ranges":      func(f *hubFake) { f.noRange = true },
	} {
		t.Run(name, func(t *testing.T) {
			f := newHubFake(t)
			f.cutAt = []int{70_000, 0, 0, 0, 0, 0}
			in := f.installer()
			if _, err := in.Weights(t.Context(), hubSource, quiet); !errors.Is(err, DownloadCut) {
				t.Fatalf("got %v", err)
			}
			f.cutAt = nil
			change(f)
			w, err := in.Weights(t.Context(), hubSource, quiet)
			if err != nil {
				t.Fatal(err)
			}
			if err := in.Verify(t.Context(), w); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestHubWrongContent(t *testing.T) {
	f := newHubFake(t)
	f.corrupt = true
	in := f.installer()
	_, err := in.Weights(t.Context(), hubSource, quiet)
	if !errors.Is(err, HashMismatch) || !strings.Contains(err.Error(), f.sum) {
		t.Fatalf("got %v", err)
	}
	if left := leftovers(t, in.Dir); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestHubRefusals(t *testing.T) {
	for status, want := range map[int]struct {
		kind Kind
		text string
	}{
		401: {DownloadRefused, "HF_TOKEN"},
		403: {DownloadRefused, "HF_TOKEN"},
		404: {DownloadRefused, "check organisation"},
		429: {DownloadCut, "busy"},
		503: {DownloadCut, "busy"},
		200: {DownloadRefused, "no SHA-256"},
	} {
		f := newHubFake(t)
		f.status = status
		_, err := f.installer().Weights(t.Context(), hubSource, quiet)
		if !errors.Is(err, want.kind) || !strings.Contains(err.Error(), want.text) || strings.Contains(err.Error(), hubToken) {
			t.Errorf("%d: got %v", status, err)
		}
	}
	f := newHubFake(t)
	in := f.installer()
	f.hub.Close()
	if _, err := in.Weights(t.Context(), hubSource, quiet); !errors.Is(err, NoNetwork) {
		t.Errorf("no hub: got %v", err)
	}
}

// tightDisk writes so many bytes and is full then.
type tightDisk struct {
	*os.File
	room *int
}

func (d tightDisk) Write(b []byte) (int, error) {
	if len(b) > *d.room {
		n, _ := d.File.Write(b[:*d.room])
		*d.room = 0
		return n, &os.PathError{Op: "write", Path: d.Name(), Err: syscall.ENOSPC}
	}
	*d.room -= len(b)
	return d.File.Write(b)
}

func TestHubDiskFull(t *testing.T) {
	f := newHubFake(t)
	in := f.installer()
	in.free = func(string) (int64, error) { return 1000, nil }
	_, err := in.Weights(t.Context(), hubSource, quiet)
	if !errors.Is(err, DiskFull) || !strings.Contains(err.Error(), in.Dir) {
		t.Fatalf("known beforehand: got %v", err)
	}
	if len(f.ranges) > 0 {
		t.Error("the download was begun")
	}
	// It fills up on the way.
	in.free = nil
	room := 90_000
	in.open = func(path string, flag int) (writeFile, error) {
		file, err := os.OpenFile(path, flag, 0o644)
		return tightDisk{file, &room}, err
	}
	_, err = in.Weights(t.Context(), hubSource, quiet)
	if !errors.Is(err, DiskFull) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("on the way: got %v", err)
	}
	if _, err := os.Stat(filepath.Join(in.Dir, "models")); !errors.Is(err, os.ErrNotExist) {
		t.Error("something half-way was put in place")
	}
	// When there is room again, it goes on.
	in.open, f.ranges = nil, nil
	if _, err := in.Weights(t.Context(), hubSource, quiet); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"bytes=90000-"}, f.ranges); diff != "" {
		t.Errorf("ranges (-want +got):\n%s", diff)
	}
}

func TestHubConcurrent(t *testing.T) {
	f := newHubFake(t)
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			in := &Installer{Dir: dir, HubURL: f.hub.URL, HubToken: hubToken}
			w, err := in.Weights(t.Context(), hubSource, quiet)
			if err != nil || in.Verify(t.Context(), w) != nil {
				t.Errorf("got %+v, %v", w, err)
			}
		})
	}
	wg.Wait()
	if len(f.ranges) != 1 {
		t.Errorf("it was fetched %d times", len(f.ranges))
	}
}
