// Package dialecttest is the suite that every dialect passes: what the door
// refuses, that requests, answers and streams survive the way through the
// canonical model, that a stream reads the same however it is split, can be
// taken up at any event and is never whole when it was cut, that relayed bytes
// stay the same, and that no garbage makes a codec panic.
package dialecttest

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/llm"
)

// Fixtures are the samples of a dialect that the suite runs with.
type Fixtures struct {
	// Requests are bodies of clients that the dialect accepts, in a form that
	// it can encode again. At least one should use every member there is.
	Requests []Sample
	// Replies are whole answers of providers.
	Replies []Sample
	// Streams are streams of providers, complete.
	Streams []Sample
	// Refused are bodies that Read must refuse (beyond what every dialect
	// refuses, which the suite knows).
	Refused []Refusal
	// Failures are non-2xx answers of providers and what they mean.
	Failures []Failure
	// Finish says as what a client of the dialect sees a finish reason; nil: as
	// what it is. (Providers of the dialect may know more of them.)
	Finish func(llm.FinishReason) llm.FinishReason
}

// shown is a decoded answer as a client of the dialect sees it.
func (f *Fixtures) shown(r *llm.Response) *llm.Response {
	if f.Finish == nil {
		return r
	}
	out := *r
	out.Choices = slices.Clone(r.Choices)
	for i := range out.Choices {
		out.Choices[i].Finish = f.Finish(out.Choices[i].Finish)
	}
	return &out
}

// Sample is one body or stream.
type Sample struct {
	Name string
	Op   llm.Operation
	Data []byte
	// Golden is the file that holds what Data decodes to; empty: none.
	Golden string
}

// Refusal is a body that must be refused with 400 naming Param.
type Refusal struct {
	Name, Body, Param string
	Op                llm.Operation
}

// Failure is a provider's answer and the fault that it is.
type Failure struct {
	Name       string
	Status     int
	Header     http.Header
	Body       string
	Kind       fault.Kind
	RetryAfter time.Duration
	// Says is text that the fault's message must hold, Hides text that it must not.
	Says, Hides string
}

// Load reads samples from a directory: requests/OP/NAME.json,
// replies/OP/NAME.json and streams/OP/NAME.sse, each with NAME.golden beside
// it, where OP is an llm.Operation. With FREEHOLD_UPDATE=1 in the environment
// Run writes the golden files anew.
func Load(t testing.TB, dir string) Fixtures {
	t.Helper()
	return Fixtures{
		Requests: load(t, filepath.Join(dir, "requests"), ".json"),
		Replies:  load(t, filepath.Join(dir, "replies"), ".json"),
		Streams:  load(t, filepath.Join(dir, "streams"), ".sse"),
	}
}

func load(t testing.TB, dir, ext string) []Sample {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"+ext))
	if err != nil {
		t.Fatal(err)
	}
	var out []Sample
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		op := llm.Operation(filepath.Base(filepath.Dir(file)))
		stem := strings.TrimSuffix(file, ext)
		out = append(out, Sample{
			Name:   string(op) + "/" + filepath.Base(stem),
			Op:     op,
			Data:   data,
			Golden: stem + ".golden",
		})
	}
	return out
}

// Run runs the suite as subtests of t.
func Run(t *testing.T, c dialect.Codec, f Fixtures) {
	t.Run("door", func(t *testing.T) { door(t, c, f) })
	t.Run("requests", func(t *testing.T) { requests(t, c, f) })
	t.Run("replies", func(t *testing.T) { replies(t, c, f) })
	t.Run("streams", func(t *testing.T) { streams(t, c, f) })
	t.Run("errors", func(t *testing.T) { failures(t, c, f) })
}
