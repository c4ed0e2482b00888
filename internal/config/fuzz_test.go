package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse: whatever an editor has half-written, loading ends with a
// configuration or with errors that say where; redaction and editing cope.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Add([]byte(editable))
	f.Fuzz(func(t *testing.T, src []byte) {
		cfg, ds := Parse("c.yaml", src, testEnv())
		if (cfg == nil) != (ds.Err() != nil) {
			t.Fatalf("config %v with %v", cfg != nil, ds)
		}
		for _, d := range ds {
			if d.Message == "" || d.Line < 0 || d.Line > bytes.Count(src, []byte("\n"))+1 || !utf8.ValidString(d.String()) {
				t.Fatalf("odd diagnostic %+v", d)
			}
		}
		Redact(src)
		if out, err := Edit(src, "workloads.chat.model", "x"); err == nil {
			if again, err := Edit(out, "workloads.chat.model", "x"); err != nil || !bytes.Equal(again, out) {
				t.Fatalf("setting twice differs: %v\n%q\n%q", err, out, again)
			}
		}
	})
}

func TestHostileFiles(t *testing.T) {
	lol := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		p, n := string(rune('0'+i)), string(rune('1'+i))
		lol += "a" + n + ": &a" + n + " [" + strings.Repeat("*a"+p+", ", 10) + "]\n"
	}
	for name, tt := range map[string]struct{ src, want string }{
		"huge":            {strings.Repeat("# x\n", maxFile), "c.yaml: the file is too large: at most 1048576 bytes"},
		"brackets":        {strings.Repeat("[", 20_000), "c.yaml:1:65: nested deeper than 64 levels"},
		"braces":          {strings.Repeat("{a: ", 20_000), "c.yaml:1:257: nested deeper than 64 levels"},
		"dashes":          {strings.Repeat("- ", 20_000), "c.yaml:1:129: nested deeper than 64 levels"},
		"questions":       {strings.Repeat("? ", 20_000), "c.yaml:1:129: nested deeper than 64 levels"},
		"tags":            {strings.Repeat("!a ", 20_000), "c.yaml:1:"},
		"anchors":         {strings.Repeat("&a ", 20_000), "c.yaml:1:"},
		"indentation":     {indented(200), "nested deeper than 64 levels"},
		"laughs":          {lol, "the file stands for more than 100000 values"},
		"zero bytes":      {strings.Repeat("\x00", 100), "c.yaml:1:1: the character U+0000 cannot stand in a configuration"},
		"carriage return": {"a: 1\rb: 2\n", "c.yaml:1:5: a carriage return without a line feed"},
		"bidi":            {"a: \u2028\n", "c.yaml:1:4: the character U+2028"},
		"utf-16":          {"\xff\xfea\x00:\x00", "c.yaml:1:1: the file is not UTF-8 text"},
		"private":         {"a: \uE000\n", "c.yaml:1:4: the character U+E000"},
		"many problems":   {strings.Repeat("x: 1\n", 1000), "and 800 more problems"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, ds := Parse("c.yaml", []byte(tt.src), testEnv())
			if cfg != nil || !strings.Contains(ds.String(), tt.want) {
				t.Errorf("got %.300s, want %q", ds.String(), tt.want)
			}
			if len(ds.String()) > 100_000 {
				t.Errorf("%d bytes of diagnostics", len(ds.String()))
			}
		})
	}
}

func indented(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}
