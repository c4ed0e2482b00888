package engine

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

//go:embed launcher.py
var launcher []byte

// writeLauncher puts the launcher into the cache, under a name that is its
// content's, and returns its path.
func (c cache) writeLauncher() (string, error) {
	path := c.path("engines", "launcher-"+keyOf(string(launcher))+".py")
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, launcher) {
		return path, nil
	}
	return path, saveFile(path, launcher)
}

// promptCacheMiB bounds the prompts that the engine keeps in memory besides
// those in its slots; its own default is 8 GiB.
const promptCacheMiB = 512

// cpuBatch is how many prompt tokens the managed engine works on at a time on a
// processor. A request is neither cancelled nor does another slot move on within
// a batch, and larger ones are not faster there.
const cpuBatch = 128

// command is how an engine is started.
type command struct {
	path string
	args []string
	// supervised: the program does not notice itself that freehold is gone.
	supervised bool
}

// commandFor builds the command line of an engine. Everything in it may be seen
// by every user of the machine: there are no secrets in it.
func commandFor(s Spec, rt Runtime, w Weights, port int) (command, error) {
	if rt.Binary != "" {
		return serverCommand(s, rt, w, port), nil
	}
	return managedCommand(s, rt, w, port)
}

// serverCommand is for a llama-server of any recent version: only flags that
// have been there since 2024.
func serverCommand(s Spec, rt Runtime, w Weights, port int) command {
	n := s.Slots()
	threads := strconv.Itoa(s.threads(cores()))
	args := []string{
		"--host", "127.0.0.1", "--port", strconv.Itoa(port),
		"--model", w.Path, "--alias", s.Name,
		"--threads", threads, "--threads-batch", threads,
		"--parallel", strconv.Itoa(n), "--ctx-size", strconv.Itoa(s.context(w.Context) * n),
	}
	if s.GPULayers != 0 {
		layers := s.GPULayers
		if layers < 0 {
			layers = 999
		}
		args = append(args, "--n-gpu-layers", strconv.Itoa(layers))
	}
	if s.Embedding {
		size := strconv.Itoa(s.context(w.Context))
		args = append(args, "--embedding", "--pooling", pooling(s, w), "--batch-size", size, "--ubatch-size", size)
	} else {
		args = append(args, "--jinja")
	}
	return command{path: rt.Binary, args: append(args, s.ExtraArgs...), supervised: true}
}

// pooling is as asked for, else as the weights say of themselves, else mean.
func pooling(s Spec, w Weights) string {
	return cmp.Or(s.Pooling, w.Pooling, "mean")
}

func managedCommand(s Spec, rt Runtime, w Weights, port int) (command, error) {
	n, threads := s.Slots(), s.threads(cores())
	p := map[string]any{
		"model.path": w.Path, "model_alias": s.Name, "port": port,
		"cpuparams.n_threads": threads, "cpuparams_batch.n_threads": threads,
		"n_parallel": n, "n_ctx": s.context(w.Context) * n,
		"n_gpu_layers": s.GPULayers, "cache_ram_mib": promptCacheMiB,
		// One for each request and some for the probes.
		"n_threads_http":   n + 4,
		"endpoint_metrics": true,
		"fit_params":       false,
	}
	if s.Embedding {
		// An input must fit into one batch.
		p["embedding"], p["pooling_type"] = true, pooling(s, w)
		p["n_batch"], p["n_ubatch"] = s.context(w.Context), s.context(w.Context)
	} else if s.GPULayers == 0 && runtime.GOOS != "darwin" {
		p["n_batch"], p["n_ubatch"] = cpuBatch, cpuBatch
	}
	for _, a := range s.ExtraArgs {
		name, value, _ := strings.Cut(strings.TrimLeft(a, "-"), "=")
		if !strings.HasPrefix(a, "--") || name == "" {
			return command{}, &Error{Kind: BadSpec, What: fmt.Sprintf("extra argument %q is not of the form --NAME=VALUE", a), Where: s.Name, Do: "the managed engine takes names of its parameters, e.g. --n-keep=64"}
		}
		p[strings.ReplaceAll(name, "-", "_")] = value
	}
	doc, err := json.Marshal(p)
	if err != nil {
		return command{}, err
	}
	return command{path: rt.Python, args: []string{"-I", "-B", rt.Launcher, rt.Site, string(doc)}}, nil
}

// environment is the engine's: ours without what could send secrets or change
// where it listens. OMP variables stay: they are the user's tuning.
func environment() []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		upper := strings.ToUpper(name)
		if strings.HasPrefix(upper, "LLAMA_ARG_") || strings.HasPrefix(upper, "FREEHOLD_") ||
			strings.Contains(upper, "KEY") || strings.Contains(upper, "TOKEN") || strings.Contains(upper, "SECRET") || strings.Contains(upper, "PASSWORD") {
			continue
		}
		env = append(env, kv)
	}
	return env
}
