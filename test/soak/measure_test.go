package soak

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// socketURL asks the server of a configuration where it listens; "" while none
// answers.
func socketURL(config string) string {
	socket := filepath.Join(filepath.Dir(config), "freehold.db.sock")
	h := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}}
	resp, err := h.Get("http://freehold/admin/v1/status")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	var status struct{ URL string }
	if json.NewDecoder(resp.Body).Decode(&status) != nil {
		return ""
	}
	return status.URL
}

// sample is a look at the process from outside.
type sample struct {
	at       time.Duration
	requests int64
	rss      int64 // bytes
	threads  int64
	fds      int64
	state    int64 // bytes of the journal
	heap     int64 // bytes in use
	routines int64 // goroutines
}

var (
	number = regexp.MustCompile(`(?m)^(VmRSS|Threads):\s+(\d+)`)
	metric = regexp.MustCompile(`(?m)^(go_goroutines|go_memstats_heap_inuse_bytes) (\S+)$`)
)

func (p *process) sample(t *testing.T, dir string) sample {
	t.Helper()
	proc := fmt.Sprintf("/proc/%d", p.cmd.Process.Pid)
	status, err := os.ReadFile(proc + "/status")
	if err != nil {
		t.Fatalf("the process cannot be looked at (it needs /proc): %v\n%s", err, p.out)
	}
	var s sample
	for _, m := range number.FindAllSubmatch(status, -1) {
		n, err := strconv.ParseInt(string(m[2]), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if string(m[1]) == "VmRSS" {
			s.rss = n << 10
		} else {
			s.threads = n
		}
	}
	resp, err := http.Get(p.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	for _, m := range metric.FindAllSubmatch(text, -1) {
		n, err := strconv.ParseFloat(string(m[2]), 64)
		if err != nil {
			t.Fatal(err)
		}
		if string(m[1]) == "go_goroutines" {
			s.routines = int64(n)
		} else {
			s.heap = int64(n)
		}
	}
	if s.routines == 0 || s.heap == 0 {
		t.Fatalf("/metrics has no goroutines and heap:\n%.2000s", text)
	}
	fds, err := os.ReadDir(proc + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	s.fds = int64(len(fds))
	err = filepath.WalkDir(filepath.Join(dir, "freehold.db.journal"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // segments go away while they are listed
		}
		if info, err := d.Info(); err == nil {
			s.state += info.Size()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// growth of each figure that is allowed in the second half, as a share of its
// mean there and as a floor below which noise is not looked at.
var allowed = []struct {
	name  string
	of    func(sample) float64
	share float64
	floor float64
}{
	{"resident memory", func(s sample) float64 { return float64(s.rss) }, 0.10, 8 << 20},
	{"heap in use", func(s sample) float64 { return float64(s.heap) }, 0.20, 8 << 20},
	{"goroutines", func(s sample) float64 { return float64(s.routines) }, 0.20, 64},
	{"threads", func(s sample) float64 { return float64(s.threads) }, 0.20, 6},
	{"file descriptors", func(s sample) float64 { return float64(s.fds) }, 0.25, 32},
	{"journal", func(s sample) float64 { return float64(s.state) }, 0.50, 24 << 20},
}

// settled is the length from which the second half says something: a replaced
// configuration keeps its connections for as long as its requests may take and a
// minute more, so that the first minutes fill up to a level.
const settled = 4 * time.Minute

// flat fits a line through the second half of each figure and fails where it
// rises. What a shorter run than settled shows is only printed.
func flat(t *testing.T, d time.Duration, all []sample) {
	t.Helper()
	if len(all) < 10 && d < settled {
		t.Logf("%d samples: a slow machine, of which nothing is judged", len(all))
		return
	}
	if len(all) < 10 {
		t.Fatalf("%d samples", len(all))
	}
	half := all[len(all)/2:]
	for _, f := range allowed {
		var x, y []float64
		for _, s := range half {
			x, y = append(x, s.at.Seconds()), append(y, f.of(s))
		}
		mean, slope := line(x, y)
		rise := slope * (x[len(x)-1] - x[0])
		t.Logf("%-17s mean %.0f, fitted rise in the second half %+.0f (%+.1f%%)", f.name, mean, rise, 100*rise/mean)
		if d >= settled && rise > max(f.floor, f.share*mean) {
			t.Errorf("%s grows: %+.0f in %v, mean %.0f", f.name, rise, time.Duration((x[len(x)-1]-x[0])*float64(time.Second)), mean)
		}
	}
}

// line is the mean of y and the slope of the line of least squares through it.
func line(x, y []float64) (mean, slope float64) {
	n := float64(len(x))
	var mx float64
	for i := range x {
		mx += x[i] / n
		mean += y[i] / n
	}
	var xy, xx float64
	for i := range x {
		xy += (x[i] - mx) * (y[i] - mean)
		xx += (x[i] - mx) * (x[i] - mx)
	}
	return mean, xy / xx
}
