package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"syscall"
	"time"

	"freehold/internal/regular"
)

// OSEnv takes variables and files from the operating system.
func OSEnv(cat Catalog) Env {
	return Env{LookupEnv: os.LookupEnv, ReadFile: readFile, Exists: exists, Catalog: cat, Now: time.Now}
}

func exists(name string) error {
	_, err := os.Stat(name)
	return err
}

// readFile reads a configuration or a file that it names: one byte over the
// bound of a configuration at most, which tells that it is too large.
func readFile(name string) ([]byte, error) { return regular.ReadTo(name, maxFile+1) }

// Load reads and checks a configuration file. All problems come back at once
// in the order of the file; the Config is nil when one of them is an error.
func Load(path string, env Env) (*Config, Diagnostics) {
	src, ds := read(path, env)
	if ds != nil {
		return nil, ds
	}
	return Parse(path, src, env)
}

func read(path string, env Env) ([]byte, Diagnostics) {
	src, err := env.ReadFile(path)
	if err != nil {
		return nil, Diagnostics{{File: path, Message: "cannot read the configuration: " + reason(err), Hint: "name another file with --config, or let freehold up write one"}}
	}
	return src, nil
}

// Parse is Load for text that is already in memory; path names it in
// messages and is what relative file names refer to.
func Parse(path string, src []byte, env Env) (*Config, Diagnostics) {
	rep := &report{}
	doc := parse(src, rep)
	var cfg *Config
	var literals []*node
	if doc != nil && doc.root != nil {
		cfg, literals = decodeConfig(path, doc, env, rep)
	}
	finish(rep, path, doc, literals)
	if len(rep.list.Errors()) > 0 {
		cfg = nil
	}
	return cfg, rep.list
}

func decodeConfig(path string, doc *document, env Env, rep *report) (*Config, []*node) {
	cfg := &Config{path: path, doc: doc}
	exp := &expander{env: env, path: path, files: map[string]bool{}}
	dec := &decoder{rep: rep, exp: exp}
	if k := doc.root.value.kind; k != kindMap && k != kindNull {
		rep.errorf(doc.root.pos, "write server:, providers:, models: and workloads: with their keys below", "the file must be a map, not %s", k)
		return cfg, nil
	}
	if doc.root.value.kind == kindNull {
		rep.errorf(Pos{1, 1}, "freehold up writes a first configuration", "the configuration is empty")
		return cfg, nil
	}
	dec.decode(doc.root, reflect.ValueOf(cfg).Elem(), nil, limits{})
	if env.Refresh != nil && cfg.Catalog != (CatalogFiles{}) {
		cat, err := env.Refresh(cfg.Catalog)
		if err != nil {
			pos := Pos{1, 1}
			if e := doc.root.lookup("catalog"); e != nil {
				pos = e.pos
			}
			rep.errorf(pos, "mend the file, or leave the key out to use the data of this program", "the catalog cannot be refreshed: %v", err)
		} else {
			env.Catalog = cat
		}
	}
	c := &checker{cfg: cfg, rep: rep, env: env, root: doc.root, files: exp.files, literals: dec.literals}
	c.run()
	cfg.files = slices.Sorted(maps.Keys(c.files))
	return cfg, append(dec.literals, dec.hidden...)
}

// finish puts file names and source lines, free of secrets, to the problems.
func finish(rep *report, path string, doc *document, literals []*node) {
	if len(rep.list) == 0 {
		return
	}
	red := newRedaction(doc, literals)
	rep.list = rep.list.sorted()
	for i := range rep.list {
		d := &rep.list[i]
		d.File = path
		d.Message, d.Hint = red.text(d.Message), red.text(d.Hint)
		if doc != nil && d.Line > 0 {
			d.Source, d.caret = red.line(d.Line, d.Col)
		}
	}
	if len(rep.list) > maxProblems {
		rest := len(rep.list) - maxProblems
		rep.list = append(slices.Clip(rep.list[:maxProblems]), Diagnostic{File: path, Message: fmt.Sprintf("and %d more problems", rest), Severity: worst(rep.list[maxProblems:])})
	}
}

// maxProblems bounds what one load reports.
const maxProblems = 200

func worst(ds Diagnostics) Severity {
	if len(ds.of(Error)) > 0 {
		return Error
	}
	return Warning
}

// reason is an error of the file system without the path, which the message
// around it already has.
func reason(err error) string {
	var errno syscall.Errno
	var pe *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "no such file"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied"
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &pe):
		return pe.Err.Error()
	}
	return err.Error()
}
