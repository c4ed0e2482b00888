package sdk

import (
	"bytes"
	"testing"

	"freehold/internal/parttest"
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

var pineconeClient = parttest.Part{Name: "pinecone", What: "the official Python client of Pinecone"}

// TestPineconePython has the official Python client of Pinecone do all that
// python/pinecone_checks.py does, against the simulator.
func TestPineconePython(t *testing.T) {
	t.Parallel()
	home := pineconeClient.Find(t)
	s := startPinecone(t)
	checkPinecone(t, home, object{"control": s.URL(), "key": pineconeKey, "index": "books"})
}

func checkPinecone(t *testing.T, home *parttest.Home, where object) {
	t.Helper()
	cmd := home.Command(t.Context(), "test/sdk/python/pinecone_checks.py")
	cmd.Env = append(cmd.Env, "PINECONE_API_KEY=", "PINECONE_DEBUG_CURL=")
	cmd.Stdin = bytes.NewReader(append(mustJSON(t, where), '\n'))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
