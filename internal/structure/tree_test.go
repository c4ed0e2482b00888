package structure

import (
	"bytes"
	"go/ast"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// maxLines is the most a file may have; most have about 150.
const maxLines = 600

// long are files over maxLines, each with its reason.
var long = map[string]string{
	"internal/upstream/upstreamtest/suite.go": "one suite that reads from top to bottom",
}

func TestFilesAreShort(t *testing.T) {
	for _, s := range sources(t) {
		if ast.IsGenerated(s.ast) {
			continue
		}
		if s.lines > maxLines && long[s.path] == "" {
			t.Errorf("%s has %d lines, over %d: split it by what it does", s.path, s.lines, maxLines)
		}
		if s.lines <= maxLines && long[s.path] != "" {
			t.Errorf("%s is no longer long: take it out of the list", s.path)
		}
	}
}

// TestPackageDocs wants one doc comment a package, in the form of go doc.
func TestPackageDocs(t *testing.T) {
	docs := map[string][]string{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		if _, ok := docs[s.pkg]; !ok {
			docs[s.pkg] = nil
		}
		if s.ast.Doc == nil {
			continue
		}
		docs[s.pkg] = append(docs[s.pkg], s.path)
		want := "Package " + s.ast.Name.Name + " "
		if s.ast.Name.Name == "main" {
			want = "Command " + path.Base(s.pkg) + " "
		}
		if text := s.ast.Doc.Text(); !strings.HasPrefix(text, want) {
			t.Errorf("%s: the package comment begins %q, want %q...", s.path, firstLine(text), want)
		}
	}
	for pkg, files := range docs {
		switch len(files) {
		case 0:
			t.Errorf("%s has no package comment", pkg)
		case 1:
		default:
			t.Errorf("%s has package comments in several files: %s", pkg, strings.Join(files, ", "))
		}
	}
}

// TestNames refuses names that say nothing of what a package is for.
func TestNames(t *testing.T) {
	for _, s := range sources(t) {
		switch name := strings.TrimSuffix(s.ast.Name.Name, "_test"); name {
		case "util", "utils", "common", "types", "helper", "helpers", "misc", "shared", "base", "lib":
			t.Errorf("%s: package %s: name it after what it does", s.path, name)
		}
	}
}

// TestNoInit holds that implementations are listed in a table, not registered.
// Generated code of messages registers those, which is all it can do.
func TestNoInit(t *testing.T) {
	for _, s := range sources(t) {
		if ast.IsGenerated(s.ast) {
			continue
		}
		for _, d := range s.ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s has an init function: list what there is in one table instead", s.path)
			}
		}
	}
}

// TestOnlyPolicyPermits holds that nothing but policy can make the right to
// send: the method that upstream asks for is declared nowhere else, and only
// the named files make a perimeter of their own.
func TestOnlyPolicyPermits(t *testing.T) {
	perimeters := []string{"internal/fleet/probe.go"} // a probe carries no data
	for _, s := range sources(t) {
		if s.test || s.pkg == "internal/policy" || strings.HasSuffix(s.pkg, "test") {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv != nil && n.Name.Name == "Allows" {
					t.Errorf("%s declares a method Allows: only internal/policy makes permits", s.path)
				}
			case *ast.CompositeLit:
				if sel, ok := n.Type.(*ast.SelectorExpr); ok && sel.Sel.Name == "Perimeter" && !slices.Contains(perimeters, s.path) {
					t.Errorf("%s makes a policy.Perimeter: it comes from policy.Set", s.path)
				}
			}
			return true
		})
	}
}

var contract = regexp.MustCompile(`(?im)^\s*(drop|alter\s+table\s+\S+\s+(drop|rename|alter)|rename|delete\s+from|update)\b.*`)

// TestMigrationsExpand holds that the state of an older freehold stays readable
// for it: a migration adds, and what is no longer used goes in a later release
// (with a row here, once there is one).
func TestMigrationsExpand(t *testing.T) {
	files, err := filepath.Glob(root + "/internal/store/*/migrations/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no migrations found: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		up, _, _ := strings.Cut(string(data), "-- +goose Down")
		for _, statement := range contract.FindAllString(up, -1) {
			t.Errorf("%s: %q does not only expand", filepath.Base(file), strings.TrimSpace(statement))
		}
		if !regexp.MustCompile(`^\d{5}_[a-z_]+\.sql$`).MatchString(filepath.Base(file)) {
			t.Errorf("%s: migrations are called NNNNN_what.sql", filepath.Base(file))
		}
	}
}

// private are texts that tie the repository to a machine or its registries, in
// two halves so that this file does not hold them.
var private = []struct{ a, b string }{
	{"pypi", ".org"}, {"pythonhosted", ".org"}, {"proxy.golang", ".org"}, {"sum.golang", ".org"}, {"goproxy", ".io"},
	{"registry.npmjs", ".org"}, {"/root", "/"}, {"/work/", "main"}, {"/work/", "shared"}, {"/tmp/", "team"}, {"/home/", "runner"},
}

// TestTrackedFiles looks at everything that Git tracks.
func TestTrackedFiles(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "git", "ls-files", "-z")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("not a Git checkout: %v", err)
	}
	for file := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		data, err := os.ReadFile(filepath.Join(root, file))
		if os.IsNotExist(err) {
			continue // removed, not yet committed
		}
		if err != nil {
			t.Error(err)
			continue
		}
		for _, p := range private {
			if i := bytes.Index(data, []byte(p.a+p.b)); i >= 0 {
				t.Errorf("%s:%d names %s%s", file, 1+bytes.Count(data[:i], []byte("\n")), p.a, p.b)
			}
		}
		if len(data) > 2<<20 {
			t.Errorf("%s has %d bytes: large files are fetched, not tracked", file, len(data))
		}
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
