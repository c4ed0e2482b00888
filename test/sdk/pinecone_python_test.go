package sdk

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
	"time"

	"freehold/internal/vector/pinecone/sim"
)

// pineconeKey is the key of the simulator.
const pineconeKey = "the-key"

func startPinecone(t *testing.T) *sim.Server {
	t.Helper()
	s, err := sim.New(sim.Options{Key: pineconeKey})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// TestPineconePython has the official Python client of Pinecone do all that
// python/pinecone_checks.py does, against the simulator.
func TestPineconePython(t *testing.T) {
	t.Parallel()
	home := pythonHome(t, "pinecone.json", "the official Python client of Pinecone")
	s := startPinecone(t)
	checkPinecone(t, home, object{"control": s.URL(), "key": pineconeKey, "index": "books"})
}

func checkPinecone(t *testing.T, home home, where object) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), home.Interpreter, "-s", "-B", "python/pinecone_checks.py")
	cmd.Env = append(os.Environ(), "PYTHONPATH="+home.Site, "NO_PROXY=*", "PINECONE_API_KEY=", "PINECONE_DEBUG_CURL=")
	cmd.Stdin = bytes.NewReader(append(mustJSON(t, where), '\n'))
	cmd.WaitDelay = 5 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
