package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
	"freehold/test/client"
)

// TestFullDisk fills the disk that holds freehold's state: requests are refused
// before anything is sent, in the client's own dialect, and served again once
// there is room. The disk is a small one in memory, mounted where only the child
// sees it.
func TestFullDisk(t *testing.T) {
	if out, err := exec.Command("unshare", "--map-root-user", "--mount", "true").CombinedOutput(); err != nil {
		t.Skipf("skipped: no small disk can be mounted here (unshare: %v %s)", err, out)
	}
	provider := mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 3})
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	path := writeConfig(t, dir, fmt.Sprintf(`
state: "sqlite:disk/freehold.db"
providers: {p: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}}
models: {m: {provider: p, id: m}}
workloads: {w: {model: m}}
`, provider.URL()))
	p := launch(t, path, nil, "unshare", "--map-root-user", "--mount", "sh", "-c",
		`mount -t tmpfs -o size=40m none "$0" && exec "$@"`, disk)
	inside := fmt.Sprintf("/proc/%d/root%s", p.Process.Pid, disk)
	cs := both(t, p.url)
	for _, c := range cs {
		if r := ask(t, c, client.Request{Model: "w", Prompt: "hi"}); !r.Whole() {
			t.Fatalf("with room on the disk: %v", &r)
		}
	}

	filler, err := os.Create(filepath.Join(inside, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = filler.Write(make([]byte, 64<<10))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := filler.Close(); err != nil {
		t.Fatal(err)
	}

	// Long tags use up the room that the journal has set aside.
	header := http.Header{"X-Freehold-Tags": {strings.Repeat(strings.Repeat("t", 400)+",", 30)}}
	var refused client.Result
	answered := 2
	begun := time.Now()
	for n := 0; refused.Status == 0; n++ {
		if time.Since(begun) > patience {
			t.Fatalf("%d requests were answered on a full disk", n)
		}
		c := *cs[n%2]
		c.Header = header
		switch r := ask(t, &c, client.Request{Model: "w", Prompt: "hi", Stream: n%4 < 2}); {
		case r.Whole():
			answered++
		case r.Status == http.StatusOK: // its end had no more room: told as an error
			if r.Err == "" || r.Ended {
				t.Errorf("an answer that is not on record: %v", &r)
			}
		default:
			refused = r
		}
	}
	sent := provider.Stats().Requests
	for _, c := range cs {
		for _, stream := range []bool{false, true} {
			c := *c
			c.Header = header
			r := ask(t, &c, client.Request{Model: "w", Prompt: "hi", Stream: stream})
			if r.Status != http.StatusServiceUnavailable || !strings.Contains(r.Body, "storage_unavailable") || r.Header.Get("Retry-After") == "" ||
				c.Claude != strings.HasPrefix(r.Body, `{"type":"error"`) || !strings.Contains(r.Body, r.ID()) {
				t.Errorf("on a full disk: %v", &r)
			}
		}
	}
	if now := provider.Stats().Requests; now != sent {
		t.Errorf("%d requests were sent that are not on record", now-sent)
	}
	// What little room is left takes a few small records yet, of short requests
	// and then of their refusals.
	h := cs[0].HTTP
	eventually(t, "freehold says that it is not ready", func() bool {
		if r := ask(t, cs[0], client.Request{Model: "w", Prompt: "hi"}); r.Whole() {
			answered++
		}
		status, _ := get(t, h, p.url+"/health/ready", nil)
		return status == http.StatusServiceUnavailable
	})
	if status, _ := get(t, h, p.url+"/health/live", nil); status != http.StatusOK {
		t.Errorf("not live on a full disk: %d", status)
	}

	if err := os.Remove(filepath.Join(inside, "filler")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "requests are served again", func() bool {
		r := ask(t, cs[0], client.Request{Model: "w", Prompt: "hi"})
		if r.Whole() {
			answered++
		}
		return r.Whole()
	})
	if status, body := get(t, h, p.url+"/health/ready", nil); status != http.StatusOK {
		t.Errorf("not ready with room again: %d %s", status, body)
	}
	status, body := get(t, h, p.url+"/admin/v1/usage?outcome=ok", nil)
	var usage struct{ Total struct{ Requests int } }
	if err := json.Unmarshal([]byte(body), &usage); err != nil || status != http.StatusOK || usage.Total.Requests != answered {
		t.Errorf("%d answers were whole, the ledger says: %d %.500s", answered, status, body)
	}
	t.Logf("%d requests until the disk was full", answered)
	p.terminate(t)
}
