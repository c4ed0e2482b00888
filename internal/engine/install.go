package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Installer puts engines and weights into a cache directory. Several processes
// may use one directory at the same time.
type Installer struct {
	// Dir is the cache directory; it is made when needed.
	Dir string
	// HubURL is the model hub for hf: sources; empty: DefaultHubURL.
	HubURL string
	// HubToken is sent to the hub, and to nobody else; empty: none.
	HubToken string
	// Client fetches from the hub; nil: a client with sane limits.
	Client *http.Client
	// Log hears what is done; nil: nobody.
	Log *slog.Logger

	// For tests.
	free func(path string) (int64, error) // nil: the file system's word
	open func(path string, flag int) (writeFile, error)
	pins map[string]pin // nil: engineWheels
	// pause is the unit of waiting between tries of a download; 0: half a second.
	pause time.Duration
}

// Runtime is an engine that can be started.
type Runtime struct {
	Name    string // "llama-server" or "xllamacpp"
	Version string // of the managed engine
	Binary  string // llama-server's path
	Python  string // the interpreter of the managed engine
	Site    string // the directory with its package
	// Launcher is the script that starts the managed engine.
	Launcher string
}

// String names the engine for people.
func (r Runtime) String() string {
	if r.Binary != "" {
		return r.Binary
	}
	return r.Name + " " + r.Version
}

// at is the same Installer with another cache directory; empty: its own.
func (in *Installer) at(dir string) *Installer {
	if dir == "" || dir == in.Dir {
		return in
	}
	other := *in
	other.Dir = dir
	return &other
}

func (in *Installer) log() *slog.Logger {
	if in.Log != nil {
		return in.Log
	}
	return slog.New(slog.DiscardHandler)
}

func (in *Installer) freeSpace(path string) (int64, error) {
	if in.free != nil {
		return in.free(path)
	}
	return freeSpace(path)
}

// room refuses work for which there is not enough space; dir exists.
func (in *Installer) room(dir, what string, need int64) error {
	free, err := in.freeSpace(dir)
	if err != nil || free >= need {
		// A file system that does not say how much is free is found out by
		// writing.
		return nil //nolint:nilerr // as above
	}
	return &Error{
		Kind: DiskFull, Where: dir,
		What: fmt.Sprintf("%s needs %s and the disk has %s", what, bytesText(need), bytesText(free)),
		Do:   "free some space or set another cache directory, then start again",
	}
}

func bytesText(n int64) string {
	if n < 1<<30 {
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

// Engine finds the engine for a Spec, in this order: its Binary, llama-server on
// PATH, the managed environment, which is installed if it is not there.
func (in *Installer) Engine(ctx context.Context, s Spec, report func(Progress)) (Runtime, error) {
	if s.Binary != "" {
		p, err := exec.LookPath(s.Binary)
		if err != nil {
			return Runtime{}, &Error{Kind: BadSpec, What: "the engine cannot be run", Where: s.Binary, Do: "set the engine's path to a llama-server program", Err: errors.Unwrap(err)}
		}
		return Runtime{Name: "llama-server", Binary: p}, nil
	}
	if p, err := exec.LookPath("llama-server"); err == nil {
		return Runtime{Name: "llama-server", Binary: p}, nil
	}
	return in.Managed(ctx, s.Python, report)
}

// managedDir is where the managed engine of this platform is installed.
func (in *Installer) managedDir() string {
	return cache{in.Dir}.path("engines", "xllamacpp-"+engineVersion+"-"+runtime.GOOS+"-"+runtime.GOARCH)
}

// Managed returns the managed engine, installing it first if it is not there: a
// wheel of a known hash, fetched by pip, unpacked into a temporary directory,
// tried out, and renamed into place.
func (in *Installer) Managed(ctx context.Context, interpreter string, report func(Progress)) (Runtime, error) {
	pins := engineWheels
	if in.pins != nil {
		pins = in.pins
	}
	wheel, ok := pins[runtime.GOOS+"/"+runtime.GOARCH]
	if !ok {
		return Runtime{}, &Error{
			Kind: UnsupportedPlatform, What: "there is no managed engine for " + runtime.GOOS + "/" + runtime.GOARCH,
			Do: "install llama.cpp and put llama-server on PATH, or set the engine's path",
		}
	}
	py, err := findPython(ctx, interpreter)
	if err != nil {
		return Runtime{}, err
	}
	dir := in.managedDir()
	rt := Runtime{Name: "xllamacpp", Version: engineVersion, Python: py.Path, Site: dir}
	if rt.Launcher, err = (cache{in.Dir}).writeLauncher(); err != nil {
		return Runtime{}, err
	}
	if isDir(dir) {
		return rt, nil
	}
	if py.Musl {
		return Runtime{}, &Error{
			Kind: UnsupportedPlatform, What: "the managed engine needs glibc, and this Python is built for musl", Where: py.Path,
			Do: "install llama.cpp and put llama-server on PATH, or use a glibc system",
		}
	}
	what := "engine xllamacpp " + engineVersion
	c, key := cache{in.Dir}, filepath.Base(dir)
	unlock, err := c.lock(ctx, key, func() {
		report(Progress{What: what + " (another process installs it)"})
	})
	if err != nil {
		return Runtime{}, err
	}
	defer unlock()
	if isDir(dir) {
		return rt, nil
	}
	in.log().Info("installing the engine", "engine", what, "dir", dir)
	tmp, err := c.fresh(key)
	if err != nil {
		return Runtime{}, err
	}
	defer os.RemoveAll(tmp)
	if err := in.room(tmp, what, wheel.size*5); err != nil {
		return Runtime{}, err
	}
	order := wheelOrder{requirement: "xllamacpp==" + engineVersion, hashes: []string{wheel.sha256}, size: wheel.size, what: what}
	file, err := fetchWheel(ctx, py, order, tmp, report)
	if err != nil {
		return Runtime{}, err
	}
	if _, _, err := checkHash(ctx, file, what, wheel.sha256); err != nil {
		return Runtime{}, err
	}
	site := filepath.Join(tmp, "site")
	err = unzip(ctx, file, site, func(string) bool { return true }, func(done, total int64) {
		report(Progress{What: what + ", unpacking", Done: done, Total: total})
	})
	if err != nil {
		return Runtime{}, err
	}
	if err := tryEngine(ctx, py.Path, site); err != nil {
		return Runtime{}, err
	}
	if err := place(site, dir); err != nil {
		return Runtime{}, err
	}
	report(Progress{What: what, Done: wheel.size, Total: wheel.size, Finished: true})
	return rt, nil
}

// tryEngine loads the engine's library once: a processor or a system that it
// was not built for is found out before it counts as installed.
func tryEngine(ctx context.Context, interpreter, site string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, interpreter, "-I", "-B", "-c", "import sys; sys.path.insert(0, sys.argv[1]); import xllamacpp; xllamacpp.Server", site)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled) {
		return context.Cause(ctx)
	}
	return &Error{
		Kind: UnsupportedPlatform, What: "the managed engine does not load on this machine", Where: interpreter,
		Do: "install llama.cpp and put llama-server on PATH, or set the engine's path", Log: lastLines(string(out), 5), Err: err,
	}
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

// Inventory is what a cache directory holds.
type Inventory struct {
	Engines []string  // directories of managed engines
	Weights []Weights // by source
}

// List says what is installed.
func (in *Installer) List() (Inventory, error) {
	var inv Inventory
	c := cache{in.Dir}
	entries, err := os.ReadDir(c.path("engines"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return inv, fileError("the cache directory cannot be read", c.path("engines"), err)
	}
	for _, e := range entries {
		if e.IsDir() {
			inv.Engines = append(inv.Engines, c.path("engines", e.Name()))
		}
	}
	entries, err = os.ReadDir(c.path("sources"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return inv, fileError("the cache directory cannot be read", c.path("sources"), err)
	}
	for _, e := range entries {
		var r sourceRecord
		if !strings.HasSuffix(e.Name(), ".json") || loadJSON(c.path("sources", e.Name()), &r) != nil {
			continue
		}
		if w, ok := in.recorded(r); ok {
			inv.Weights = append(inv.Weights, w)
		}
	}
	return inv, nil
}
