package vectors_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold/internal/vector/pinecone/sim"
	"freehold/internal/vector/qdrant/qdranttest"
)

// served is freehold in front of the simulator and Qdrant, as a process.
type served struct {
	t       testing.TB
	dir     string
	address string
	sim     *sim.Server
	qdrant  *qdranttest.Server
	to      string // the collection

	mu  sync.Mutex // of what restarts the process
	cmd *exec.Cmd
	log bytes.Buffer
}

func newServed(t testing.TB) *served { return newServedWith(t, 4, "", "") }

// newServedWith has an index whose vectors have dim numbers, and more in its entry and in
// the configuration.
func newServedWith(t testing.TB, dim int, entry, more string) *served {
	t.Helper()
	s := &served{t: t, dir: t.TempDir(), qdrant: qdranttest.Shared(t)}
	var err error
	if s.sim, err = sim.New(sim.Options{Key: key}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.sim.Close)
	if _, err := s.sim.Add(sim.Index{Name: "docs", Dimension: dim, Metric: "cosine"}); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s.to = s.qdrant.Name(t)
	text := fmt.Sprintf("server: {listen: %q, log: {level: warn}}\nstate: sqlite:state.db\nindexes:\n  docs: {from: \"pinecone://%s/docs\", to: \"qdrant://%s/%s\"%s}\n%s",
		s.address, s.sim.Address(), s.qdrant.Addr(), s.to, entry, more)
	if err := os.WriteFile(filepath.Join(s.dir, "config.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	t.Cleanup(func() { s.kill() })
	return s
}

func (s *served) command(args ...string) *exec.Cmd {
	c := exec.Command(binary(s.t), args...)
	c.Dir = s.dir
	c.Env = append(os.Environ(), "PINECONE_API_KEY="+key, "FREEHOLD_CONFIG=")
	return c
}

func (s *served) start() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cmd = s.command("serve")
	s.cmd.Stderr = &s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for range 400 {
		r, err := http.Get("http://" + s.address + "/pinecone/indexes/docs")
		if err == nil {
			_ = r.Body.Close() // it was not read
			if r.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(25 * time.Millisecond)
	}
	s.t.Fatalf("freehold does not serve: %s", s.log.String())
}

func (s *served) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.cmd.Process.Kill() // it may have ended
	_ = s.cmd.Wait()
}

func (s *served) run(args ...string) string {
	s.t.Helper()
	out, err := s.command(args...).CombinedOutput()
	if err != nil {
		s.t.Errorf("freehold %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// ask asks for a path of the index, and returns the status and the answer.
func (s *served) ask(ctx context.Context, path string, in any) (int, map[string]any, error) {
	text, err := json.Marshal(in)
	if err != nil {
		return 0, nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.address+"/pinecone/docs"+path, bytes.NewReader(text))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Pinecone-Api-Version", "2026-04")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	var out map[string]any
	if err == nil {
		err = json.Unmarshal(body, &out)
	}
	return resp.StatusCode, out, err
}

// known is what an application knows: the last version of each record that was
// acknowledged, and those that may be there since then because they were not.
type known struct {
	mu  sync.Mutex
	may map[string][]int // versions; -1: it is not there. The first is known
}

func (k *known) wrote(id string, version int, acknowledged bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if acknowledged {
		k.may[id] = []int{version}
		return
	}
	if k.may[id] == nil {
		k.may[id] = []int{-1}
	}
	k.may[id] = append(k.may[id], version)
}

// application writes records of its own until ctx ends, one at a time.
func (s *served) application(ctx context.Context, n int, r *rand.Rand, k *known) {
	version := 0
	for ctx.Err() == nil {
		version++
		id, write := fmt.Sprintf("app%d-%d", n, r.IntN(40)), version
		path, in := "/vectors/upsert", map[string]any{"vectors": []any{map[string]any{"id": id, "values": []float64{r.NormFloat64(), 1, r.NormFloat64(), 2}, "metadata": map[string]any{"version": version, "app": n}}}}
		if r.IntN(5) == 0 {
			path, in, write = "/vectors/delete", map[string]any{"ids": []string{id}}, -1
		}
		code, _, err := s.ask(context.WithoutCancel(ctx), path, in)
		ok := err == nil && code == http.StatusOK
		if k.wrote(id, write, ok); !ok {
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// check fetches all records that applications know of from whoever answers.
func (s *served) check(what string, k *known) {
	s.t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, may := range k.may {
		r, err := http.Get("http://" + s.address + "/pinecone/docs/vectors/fetch?ids=" + id)
		if err != nil {
			s.t.Fatal(err)
		}
		var out struct {
			Vectors map[string]struct{ Metadata struct{ Version int } }
		}
		err = json.NewDecoder(r.Body).Decode(&out)
		_ = r.Body.Close() // it was read
		if err != nil || r.StatusCode != http.StatusOK {
			s.t.Fatalf("fetch %s: %d, %v", id, r.StatusCode, err)
		}
		have := -1
		if v, ok := out.Vectors[id]; ok {
			have = v.Metadata.Version
		}
		if !slices.Contains(may, have) {
			s.t.Errorf("%s: %s is version %d, and may be %v", what, id, have, may)
		}
	}
}

// TestFrontKilled: applications write through freehold while an index is filled, cut
// over and rolled back, and freehold is killed at any moment. No acknowledged write is
// lost, and both stores end with the same.
func TestFrontKilled(t *testing.T) {
	s := newServed(t)
	r := rand.New(rand.NewPCG(11, 12))
	var before []any
	for i := range 400 {
		before = append(before, map[string]any{"id": fmt.Sprintf("old-%d", i), "values": []float64{float64(i), 1, 2, 3}, "metadata": map[string]any{"n": i, "text": "there before"}})
	}
	if code, out, err := s.ask(t.Context(), "/vectors/upsert", map[string]any{"vectors": before}); code != http.StatusOK || err != nil {
		t.Fatalf("%d %v %v", code, out, err)
	}
	k := &known{may: map[string][]int{}}
	applications := func(during func()) {
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for n := range 3 {
			seed := r.Uint64()
			all.Go(func() { s.application(ctx, n, rand.New(rand.NewPCG(seed, uint64(n))), k) })
		}
		during()
		stop()
		all.Wait()
	}
	kills := func(n int) {
		for range n {
			time.Sleep(time.Duration(50+r.IntN(400)) * time.Millisecond)
			s.kill()
			s.start()
		}
	}
	out, err := s.command("vectors", "sync", "docs").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	applications(func() { kills(3) })
	s.check("sync", k)
	if out, err := s.command("vectors", "copy", "--from", "pinecone://"+s.sim.Address()+"/docs", "--to", "qdrant://"+s.qdrant.Addr()+"/"+s.to).CombinedOutput(); err == nil || !strings.Contains(string(out), "--again") {
		t.Errorf("a copy writes over what applications write: %v\n%s", err, out)
	}
	s.run("vectors", "sync", "docs", "--again")
	applications(func() { s.run("vectors", "cutover", "docs", "--reason", "test") })
	s.check("cutover", k)
	applications(func() { kills(3) })
	s.check("after the cutover", k)
	s.run("vectors", "rollback", "docs")
	s.check("rollback", k)
	for _, v := range s.sim.Records("docs", "") {
		k.mu.Lock()
		may, ours := k.may[v.GetId()]
		k.mu.Unlock()
		if version := int(v.GetMetadata().GetFields()["version"].GetNumberValue()); ours && !slices.Contains(may, version) {
			t.Errorf("Pinecone has version %d of %s, which may be %v", version, v.GetId(), may)
		}
	}
	if out := s.run("vectors", "cutover", "docs"); !strings.Contains(out, "all the same") {
		t.Errorf("the stores differ:\n%s", out)
	}
	if out := s.run("history", "list", "--json"); strings.Count(out, `"index.`) < 5 {
		t.Errorf("history: %s", out)
	}
	k.mu.Lock()
	unsure := 0
	for _, may := range k.may {
		unsure += len(may) - 1
	}
	t.Logf("%d records of applications, %d writes of which they do not know", len(k.may), unsure)
	k.mu.Unlock()
	if t.Failed() {
		t.Log(s.log.String())
	}
}
