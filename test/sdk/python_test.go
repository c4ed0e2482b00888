package sdk

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"testing"

	"freehold/internal/parttest"
)

// python calls through a Python SDK: one process serves all steps of a cell.
type python struct {
	client string
	in     io.WriteCloser
	out    *bufio.Reader
	stderr *bytes.Buffer
}

// startPython starts python/driver.py with the packages of `make test`.
func startPython(t *testing.T, client string, w *world) *python {
	t.Helper()
	home := parttest.Part{Name: "python", What: "the set of the official Python SDKs"}.Find(t)
	cmd := home.Command(t.Context(), "test/sdk/python/driver.py")
	cmd.Env = append(cmd.Env, "PYTHONUNBUFFERED=1", "OPENAI_LOG=", "ANTHROPIC_LOG=")
	p := &python{client: client, stderr: &bytes.Buffer{}}
	cmd.Stderr = p.stderr
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReaderSize(stdout, 1<<20)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.in.Close() // that is how it is told to end
		if err := cmd.Wait(); err != nil && t.Context().Err() == nil {
			t.Errorf("python: %v\n%s", err, p.stderr)
		}
	})
	p.send(t, object{"url": w.url, "key": w.key})
	return p
}

func (p *python) send(t *testing.T, v any) {
	t.Helper()
	if _, err := p.in.Write(append(mustJSON(t, v), '\n')); err != nil {
		t.Fatalf("python: %v\n%s", err, p.stderr)
	}
}

func (p *python) do(t *testing.T, s step) outcome {
	t.Helper()
	p.send(t, struct {
		step
		Client string `json:"client"`
	}{s, p.client})
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("python: %v\n%s", err, p.stderr)
	}
	var o struct {
		outcome
		Broken string `json:"broken"`
	}
	if err := json.Unmarshal(line, &o); err != nil {
		t.Fatalf("python said %s: %v", line, err)
	}
	if o.Broken != "" {
		t.Fatalf("python/%s_calls.py: %s", p.client, o.Broken)
	}
	return o.outcome
}
