package engine

import (
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestServerCommand(t *testing.T) {
	rt := Runtime{Name: "llama-server", Binary: "/bin/llama-server"}
	w := Weights{Path: "/m.gguf", Context: 100_000}
	tests := []struct {
		name string
		spec Spec
		want string
	}{
		{"defaults", Spec{Name: "m", Threads: 3},
			"--host 127.0.0.1 --port 9 --model /m.gguf --alias m --threads 3 --threads-batch 3 --parallel 2 --ctx-size 16384 --jinja"},
		{"set", Spec{Name: "m", Threads: 1, Parallel: 4, Context: 1000, GPULayers: -1, ExtraArgs: []string{"--mlock"}},
			"--host 127.0.0.1 --port 9 --model /m.gguf --alias m --threads 1 --threads-batch 1 --parallel 4 --ctx-size 4000 --n-gpu-layers 999 --jinja --mlock"},
		{"embedding", Spec{Name: "m", Threads: 1, Parallel: 1, Context: 512, Embedding: true},
			"--host 127.0.0.1 --port 9 --model /m.gguf --alias m --threads 1 --threads-batch 1 --parallel 1 --ctx-size 512 --embedding --pooling mean --batch-size 512 --ubatch-size 512"},
	}
	if got := pooling(Spec{}, Weights{Pooling: "cls"}) + pooling(Spec{Pooling: "last"}, Weights{Pooling: "cls"}); got != "clslast" {
		t.Errorf("the weights' own pooling: %s", got)
	}
	for _, tt := range tests {
		got, err := commandFor(tt.spec, rt, w, 9)
		if err != nil || !got.supervised {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
		if diff := cmp.Diff(tt.want, strings.Join(got.args, " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestManagedCommand(t *testing.T) {
	rt := Runtime{Name: "xllamacpp", Python: "/bin/python3", Site: "/site", Launcher: "/l.py"}
	s := Spec{Name: "m", Threads: 1, Parallel: 3, Context: 1000, Embedding: true, Pooling: "cls", ExtraArgs: []string{"--n-keep=64", "--no-perf", "--n-ubatch=32"}}
	got, err := commandFor(s, rt, Weights{Path: "/m.gguf"}, 9)
	if err != nil || got.supervised || got.path != "/bin/python3" {
		t.Fatalf("%+v, %v", got, err)
	}
	if diff := cmp.Diff([]string{"-I", "-B", "/l.py", "/site"}, got.args[:4]); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	var p map[string]any
	if err := json.Unmarshal([]byte(got.args[4]), &p); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"model.path": "/m.gguf", "model_alias": "m", "port": 9.0, "cpuparams.n_threads": 1.0, "cpuparams_batch.n_threads": 1.0,
		"n_parallel": 3.0, "n_ctx": 3000.0, "n_gpu_layers": 0.0, "cache_ram_mib": 512.0, "n_threads_http": 7.0,
		"endpoint_metrics": true, "fit_params": false, "embedding": true, "pooling_type": "cls", "n_batch": 1000.0,
		"n_ubatch": "32", "n_keep": "64", "no_perf": "",
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"-x", "x=1", "--", "--=1"} {
		s.ExtraArgs = []string{bad}
		if _, err := commandFor(s, rt, Weights{}, 9); !errors.Is(err, BadSpec) {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

func TestSpecDefaults(t *testing.T) {
	for cores, want := range map[int]int{1: 1, 2: 1, 8: 7} {
		if got := (Spec{}).threads(cores); got != want {
			t.Errorf("%d cores: %d threads, want %d", cores, got, want)
		}
	}
	for trained, want := range map[int]int{0: 4096, 2048: 2048, 131072: DefaultContext} {
		if got := (Spec{}).context(trained); got != want {
			t.Errorf("trained for %d: context %d, want %d", trained, got, want)
		}
	}
	a, b := Spec{Name: "a", ExtraArgs: []string{"x y"}}, Spec{Name: "a", ExtraArgs: []string{"x", "y"}}
	if first, again := a.fingerprint(), a.fingerprint(); first == b.fingerprint() || first != again {
		t.Error("fingerprints do not tell specs apart")
	}
}

// Secrets and settings that could move the engine stay out of its environment.
func TestEnvironment(t *testing.T) {
	hidden := []string{"OPENAI_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "LLAMA_ARG_HOST", "FREEHOLD_CONFIG", "DB_PASSWORD"}
	for _, name := range hidden {
		t.Setenv(name, "value")
	}
	t.Setenv("OMP_WAIT_POLICY", "passive")
	env := environment()
	if !slices.Contains(env, "OMP_WAIT_POLICY=passive") {
		t.Error("the user's tuning is gone")
	}
	for _, name := range hidden {
		if slices.Contains(env, name+"=value") {
			t.Errorf("the engine sees %s", name)
		}
	}
}

func TestBackoffGrows(t *testing.T) {
	var o Options
	o.fill()
	for try := 1; try < 100; try++ {
		most := min(30*time.Second, 500*time.Millisecond<<min(try-1, 10))
		if d := o.Backoff(try); d > most || d <= most/2-time.Nanosecond {
			t.Errorf("try %d: %v, want between %v and %v", try, d, most/2, most)
		}
	}
}

func TestLineLog(t *testing.T) {
	l := newLineLog((&Installer{}).log())
	for _, s := range []string{"one\ntw", "o\r\n\n\xff", "three", strings.Repeat("x", 3*maxLine) + "\n"} {
		if n, err := l.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatal(n, err)
		}
	}
	l.flush()
	got := l.last(100)
	if len(got) != 6 || got[0] != "one" || got[1] != "two" || !strings.HasPrefix(got[2], "?three") || len(got[3]) != maxLine {
		t.Errorf("got %d lines: %.20q", len(got), got)
	}
	for range 2 * maxLines {
		_, _ = l.Write([]byte("more\n"))
	}
	if got := l.last(3 * maxLines); len(got) != maxLines {
		t.Errorf("%d lines are kept", len(got))
	}
}

func TestStartOf(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("not known there")
	}
	if startOf(1<<30) != "" {
		t.Error("a process that does not exist has a start")
	}
}
