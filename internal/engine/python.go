package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// python is an interpreter that can run the managed engine.
type python struct {
	Path    string // as given or found on PATH
	Version [2]int
	Pip     bool
	Musl    bool
}

// pythonProbe prints what we need to know of an interpreter as JSON.
const pythonProbe = `import sys, json, importlib.util, platform
print(json.dumps({"Version": list(sys.version_info[:2]), "Pip": importlib.util.find_spec("pip") is not None,
 "Musl": sys.platform == "linux" and platform.libc_ver()[0] != "glibc"}))`

const pythonHint = "install Python 3.10 or newer, or put llama-server on PATH, or set the engine's path"

// findPython looks for the interpreter: the one asked for, else python3, else
// python.
func findPython(ctx context.Context, asked string) (python, error) {
	names := []string{"python3", "python"}
	if asked != "" {
		names = []string{asked}
	}
	var path string
	for _, n := range names {
		if p, err := exec.LookPath(n); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		return python{}, &Error{Kind: NoPython, What: "no " + names[0] + " on this machine", Do: pythonHint}
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "-c", pythonProbe).Output()
	py := python{Path: path}
	if err == nil {
		err = json.Unmarshal(out, &py)
	}
	if err != nil {
		return python{}, &Error{Kind: NoPython, What: "the Python interpreter does not work", Where: path, Do: pythonHint, Err: err}
	}
	if py.Version[0] != 3 || py.Version[1] < 10 {
		return python{}, &Error{Kind: NoPython, What: fmt.Sprintf("Python %d.%d is too old", py.Version[0], py.Version[1]), Where: path, Do: pythonHint}
	}
	return py, nil
}

// ensurePip returns an interpreter that has pip: the given one, or one in a
// virtual environment below dir that bundles it.
func ensurePip(ctx context.Context, py python, dir string) (string, error) {
	if py.Pip {
		return py.Path, nil
	}
	venv := filepath.Join(dir, "venv")
	out, err := exec.CommandContext(ctx, py.Path, "-m", "venv", venv).CombinedOutput()
	if err != nil {
		if strings.Contains(string(out), "No space left") {
			return "", diskFullAt(dir)
		}
		return "", &Error{
			Kind: NoPython, What: "this Python has neither pip nor venv", Where: py.Path,
			Do: "install pip (Debian: apt install python3-pip), or put llama-server on PATH", Log: lastLines(string(out), 5), Err: err,
		}
	}
	for _, p := range []string{"bin/python", "Scripts/python.exe"} {
		if _, err := os.Stat(filepath.Join(venv, p)); err == nil {
			return filepath.Join(venv, p), nil
		}
	}
	return "", &Error{Kind: NoPython, What: "the virtual environment has no interpreter", Where: venv, Do: pythonHint}
}

// wheelOrder is what to ask pip for.
type wheelOrder struct {
	requirement string   // PACKAGE==VERSION
	hashes      []string // any of these SHA-256 will do; empty: whatever comes
	size        int64    // for the progress; 0: not known
	what        string   // for the progress and errors
}

// fetchWheel has pip download one wheel into dir and returns its path. pip is
// asked, and not the registry itself, because pip knows the user's mirrors,
// proxies, certificates and credentials.
func fetchWheel(ctx context.Context, py python, order wheelOrder, dir string, report func(Progress)) (string, error) {
	pip, err := ensurePip(ctx, py, dir)
	if err != nil {
		return "", err
	}
	into, tmp := filepath.Join(dir, "wheel"), filepath.Join(dir, "pip")
	for _, d := range []string{into, tmp} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return "", fileError("the temporary directory cannot be made", d, err)
		}
	}
	line := order.requirement
	args := []string{"-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--retries", "2", "--progress-bar", "off", "-d", into}
	if len(order.hashes) > 0 {
		for _, h := range order.hashes {
			line += " --hash=sha256:" + h
		}
		args = append(args, "--require-hashes")
	}
	req := filepath.Join(dir, "requirements.txt")
	if err := os.WriteFile(req, []byte(line+"\n"), 0o644); err != nil {
		return "", fileError("a file cannot be written", req, err)
	}
	args = append(args, "-r", req)
	stop := watchSize(dir, order, report)
	defer stop()
	err = runPip(ctx, pip, args, order, dir, tmp)
	if errors.Is(err, HashMismatch) {
		// It may have been a cut. Once.
		err = runPip(ctx, pip, args, order, dir, tmp)
	}
	if err != nil {
		return "", err
	}
	var wheel string
	err = filepath.WalkDir(into, func(p string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(p, ".whl") {
			wheel = p
		}
		return err
	})
	if err != nil || wheel == "" {
		return "", &Error{Kind: InstallFailed, What: "pip left no wheel for " + order.requirement, Where: into, Err: err}
	}
	return wheel, nil
}

// runPip runs pip, with its temporary files in tmp, and reads its words.
func runPip(ctx context.Context, pip string, args []string, order wheelOrder, dir, tmp string) error {
	// See dieWithParent: a killed freehold leaves no pip behind.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, pip, args...)
	cmd.Cancel = func() error { return killTree(cmd.Process) }
	cmd.WaitDelay = 5 * time.Second
	prepareChild(cmd)
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp, "TEMP="+tmp, "TMP="+tmp, "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_USER=0", "PIP_REQUIRE_VIRTUALENV=0")
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return pipError(order, dir, string(out), err)
	}
	return nil
}

// watchSize reports how much there is in dir until the returned function is
// called.
func watchSize(dir string, order wheelOrder, report func(Progress)) func() {
	done, ended := make(chan struct{}), make(chan struct{})
	base := dirSize(dir)
	go func() {
		defer close(ended)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				n := max(0, dirSize(dir)-base)
				if order.size > 0 {
					// pip may hold the file twice for a moment.
					n = min(n, order.size)
				}
				report(Progress{What: order.what, Done: n, Total: order.size})
			}
		}
	}()
	return func() { close(done); <-ended }
}

// userinfo is a name and a password in a URL.
var userinfo = regexp.MustCompile(`//[^/@\s]+@`)

// lastLines are the last n lines that are not empty, without URL credentials.
func lastLines(text string, n int) []string {
	var lines []string
	for l := range strings.Lines(text) {
		if l = strings.TrimRight(l, " \r\n"); l != "" {
			lines = append(lines, userinfo.ReplaceAllString(l, "//***@"))
		}
	}
	return lines[max(0, len(lines)-n):]
}

func diskFullAt(dir string) error {
	return &Error{Kind: DiskFull, What: "the disk is full", Where: dir, Do: "free some space or set another cache directory, then start again"}
}

// pipError reads from pip's words what went wrong. The order matters: pip says
// "no matching distribution" also when it could not reach an index, and
// "connection broken" about a connection that was never made.
func pipError(order wheelOrder, dir, out string, cause error) error {
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(out, w) {
				return true
			}
		}
		return false
	}
	e := &Error{Where: order.requirement, Log: lastLines(out, 6), Err: cause}
	switch {
	case has("No space left on device", "Errno 28"):
		return diskFullAt(dir)
	case has("DO NOT MATCH THE HASHES"):
		// Older pips do not notice that a download was cut, only its hash.
		e.Kind, e.What = HashMismatch, "what the package index sent is not the file that we know, or it was cut"
		e.Do = "nothing of it was kept; start again, and if it stays so, check the index in pip's configuration and do not trust it"
	case has("NewConnectionError", "Failed to establish a new connection", "name resolution", "getaddrinfo", "ConnectTimeout", "ProxyError", "Network is unreachable", "SSLError", "SSLCertVerificationError", "Cannot connect"):
		e.Kind, e.What = NoNetwork, "pip cannot reach a package index"
		e.Do = "check the network and pip's proxy, index and certificate settings, then start again"
	case has("IncompleteRead", "Connection broken", "ReadTimeoutError", "Read timed out", "Connection aborted", "ConnectionResetError", "ProtocolError", "ChunkedEncodingError"):
		e.Kind, e.What = DownloadCut, "the download of "+order.what+" was cut"
		e.Do = "start again"
	case has("No matching distribution", "Could not find a version"):
		e.Kind, e.What = UnsupportedPlatform, "the package index has no "+order.what+" for this machine"
		e.Do = "check the name and version, and that the index in pip's configuration is complete; Alpine (musl) has no wheel of the engine"
	default:
		e.Kind, e.What, e.Do = InstallFailed, "pip failed", "see pip's last lines"
	}
	return e
}
