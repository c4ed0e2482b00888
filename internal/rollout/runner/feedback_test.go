package runner_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"freehold/internal/app/apptest"
	"freehold/internal/rollout"
	"freehold/internal/rollout/runner"
)

// rate says of a request's answer what somebody thinks of it.
func (w *world) rate(t *testing.T, request, thumbs string) {
	t.Helper()
	said, err := http.Post(w.URL+"/v1/feedback", "application/json", strings.NewReader(fmt.Sprintf(`{"request_id":%q,"thumbs":%q}`, request, thumbs)))
	if err != nil {
		t.Fatal(err)
	}
	said.Body.Close()
	if said.StatusCode >= 300 {
		t.Fatalf("feedback: %d", said.StatusCode)
	}
}

// question asks a question of its own, and returns the request and who answered.
func (w *world) question(t *testing.T, n int) (request, model string) {
	t.Helper()
	body := fmt.Sprintf(`{"model":"w","messages":[{"role":"user","content":"question %d"}]}`, n)
	resp, err := http.Post(w.URL+"/v1/chat/completions", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.Header.Get("X-Request-Id"), resp.Header.Get("X-Freehold-Model")
}

// TestFeedback: people who like the new model less end its canary.
func TestFeedback(t *testing.T) {
	w := newWorld(t)
	p := quick()
	p.Shadow.Share, p.Steps = 0, []rollout.Step{{Share: 0.5, For: time.Hour, Samples: 1000}, {Share: 1}}
	if _, err := w.App.Rollouts.Begin(t.Context(), "w", "new", p, ann, ""); err != nil {
		t.Fatal(err)
	}
	n := 0
	st := w.until(t, "w", func() {
		n++
		request, model := w.question(t, n)
		thumbs := "up"
		if model == "new" {
			thumbs = "down"
		}
		w.rate(t, request, thumbs)
	}, func(s runner.Status) bool { return s.Stage.Ended() })
	if st.Stage != rollout.Aborted || !strings.Contains(st.Reason, "bad words of people") {
		t.Errorf("%s: %s", st.Where, st.Reason)
	}
}

// TestFeedbackOnce: who says of one answer more than once counts once, with what was
// said first, also after a restart.
func TestFeedbackOnce(t *testing.T) {
	w := newWorld(t)
	p := quick()
	p.Shadow.Share, p.Steps = 0, []rollout.Step{{Share: 0.5, For: time.Hour, Samples: 1000}, {Share: 1}}
	if _, err := w.App.Rollouts.Begin(t.Context(), "w", "new", p, ann, ""); err != nil {
		t.Fatal(err)
	}
	const asked = 20
	var want rollout.Rate
	for n := range asked {
		request, model := w.question(t, n)
		thumbs := []string{"up", "down", "down", "up", "down"}
		if n%4 == 0 {
			thumbs = []string{"down", "up", "up"}
		}
		for _, say := range thumbs {
			w.rate(t, request, say)
		}
		side := &want.Old
		if model == "new" {
			side = &want.New
		}
		side.N++
		if thumbs[0] == "down" {
			side.K++
		}
	}
	check := func(when string) {
		t.Helper()
		st, err := w.App.Rollouts.Status(t.Context(), "w", "")
		if err != nil {
			t.Fatal(err)
		}
		if len(st.Report.Rates) == 0 || want.Old.N+want.New.N != asked {
			t.Fatalf("%s: %d rates, %v", when, len(st.Report.Rates), want)
		}
		for _, r := range st.Report.Rates {
			if r.Name == "bad words of people" && (r.Old != want.Old || r.New != want.New) {
				t.Errorf("%s: %v of the old model's, %v of the new one's; want %v and %v", when, r.Old, r.New, want.Old, want.New)
			}
		}
	}
	check("at once")
	path := w.App.ConfigPath
	w.Stop(t)
	w.Server = apptest.Serve(t, path)
	check("after a restart")
}
