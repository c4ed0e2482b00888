package structure

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const module = "freehold/"

// root of the repository, seen from this package.
const root = "../.."

// source is one Go file of the repository.
type source struct {
	path  string // from the root, with slashes
	pkg   string // the directory, from the root
	test  bool
	lines int
	ast   *ast.File
}

// imports are the paths that the file imports.
func (s source) imports() []string {
	var out []string
	for _, i := range s.ast.Imports {
		out = append(out, strings.Trim(i.Path.Value, `"`))
	}
	return out
}

// sources are all Go files, whatever system they are for.
func sources(t *testing.T) []source {
	t.Helper()
	all, err := read()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 100 {
		t.Fatalf("only %d Go files found below %s", len(all), root)
	}
	return all
}

// read reads them once for all tests.
var read = sync.OnceValues(func() ([]source, error) {
	var out []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin" || name == "dist") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, data, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		dir := "."
		if i := strings.LastIndexByte(rel, '/'); i >= 0 {
			dir = rel[:i]
		}
		out = append(out, source{
			path: rel, pkg: dir, test: strings.HasSuffix(rel, "_test.go"),
			lines: strings.Count(string(data), "\n"), ast: file,
		})
		return nil
	})
	return out, err
})
