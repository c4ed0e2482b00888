package server_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"freehold/internal/app/apptest"
	"freehold/internal/auth"
	"freehold/internal/feedback"
	"freehold/internal/mock/mocktest"
)

// send posts a body with a key, and returns the status, the error's code, and the
// id of the request.
func send(t *testing.T, s *apptest.Server, path, key, body string) (status int, code, id string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := mocktest.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var envelope struct {
		Error struct{ Code string }
	}
	if err := json.Unmarshal(answer, &envelope); err != nil {
		t.Fatalf("%s: %v", answer, err)
	}
	return resp.StatusCode, envelope.Error.Code, resp.Header.Get("X-Request-Id")
}

const hi = `{"model":"m","messages":[{"role":"user","content":"hi"}]}`

// TestFeedback: who asked may rate the answer, and nobody else.
func TestFeedback(t *testing.T) {
	s, _ := gatewayFor(t, ", auth: keys, admin_key: the-admin-key-of-this-test")
	keys := s.App.Keys
	issue := func(r auth.Request) (string, string) {
		t.Helper()
		key, plain, err := keys.Create(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return key.ID, plain
	}
	models := auth.Grant{Models: true}
	id, mine := issue(auth.Request{Name: "mine", Grant: models})
	_, other := issue(auth.Request{Name: "other", Grant: models})
	_, admin := issue(auth.Request{Name: "admin", Grant: auth.Grant{Admin: true}})
	_, slow := issue(auth.Request{Name: "slow", Grant: auth.Grant{Models: true, Limits: auth.Limits{RequestsPerMinute: 1}}})

	_, _, asked := send(t, s, "/v1/chat/completions", mine, hi)
	about := func(member string) string { return `{"request_id":"` + asked + `",` + member + `}` }
	kept := func() feedback.Feedback {
		t.Helper()
		f, err := s.App.Feedback.Feedback(t.Context(), asked)
		if err != nil {
			t.Fatal(err)
		}
		if time.Since(f.Time) > time.Hour || f.Time.After(time.Now()) {
			t.Errorf("time %v", f.Time)
		}
		f.Time, f.First.Time = time.Time{}, time.Time{}
		return f
	}
	for _, x := range []struct {
		name, key, body string
		status          int
		code            string
	}{
		{"no key", "", about(`"score":1`), 401, "missing_key"},
		{"another's", other, about(`"score":1`), 404, "request_not_found"},
		{"unknown", mine, `{"request_id":"01890a5d-ac96-774b-bcce-000000000000","score":1}`, 404, "request_not_found"},
		{"bad score", mine, about(`"score":2`), 400, "invalid_request"},
		{"no JSON", mine, "score=1", 400, "invalid_request"},
		{"too much", mine, about(`"score":1,"comment":"` + strings.Repeat("x", feedback.MaxBody) + `"`), 413, "request_too_large"},
	} {
		if status, code, _ := send(t, s, "/v1/feedback", x.key, x.body); status != x.status || code != x.code {
			t.Errorf("%s: status %d, code %q; want %d, %q", x.name, status, code, x.status, x.code)
		}
		if _, err := s.App.Feedback.Feedback(t.Context(), asked); err == nil {
			t.Errorf("%s: is kept", x.name)
		}
	}
	rate := func(key, member string) {
		t.Helper()
		if status, code, _ := send(t, s, "/v1/feedback", key, about(member)); status != 200 {
			t.Errorf("status %d, code %q", status, code)
		}
	}
	rate(mine, `"score":0.5,"comment":"so so","task":"code"`)
	if got, want := kept(), (feedback.Feedback{Request: asked, KeyID: id, Score: 0.5, Comment: "so so", Task: "code", First: feedback.First{Score: 0.5}}); got != want {
		t.Errorf("kept %+v, want %+v", got, want)
	}
	rate(mine, `"thumbs":"up"`)
	if got, want := kept(), (feedback.Feedback{Request: asked, KeyID: id, Score: 1, First: feedback.First{Score: 0.5}}); got != want {
		t.Errorf("kept %+v, want %+v", got, want)
	}
	// A key that this one was rotated to is the same caller.
	next, renewed, err := keys.Rotate(t.Context(), id, time.Hour, "test")
	if err != nil {
		t.Fatal(err)
	}
	rate(renewed, `"score":0.25`)
	if got := kept(); got.KeyID != next.ID || got.Score != 0.25 {
		t.Errorf("kept %+v", got)
	}
	rate(admin, `"thumbs":"down"`)
	rate("the-admin-key-of-this-test", `"score":0.75`)
	if got := kept(); got.KeyID != "" || got.Score != 0.75 {
		t.Errorf("kept %+v", got)
	}
	// It counts toward the limits of the key.
	if status, _, _ := send(t, s, "/v1/feedback", slow, about(`"score":1`)); status != 404 {
		t.Errorf("status %d", status)
	}
	if status, code, _ := send(t, s, "/v1/feedback", slow, about(`"score":1`)); status != 429 {
		t.Errorf("status %d, code %q", status, code)
	}
	if resp, err := mocktest.Client().Get(s.URL + "/v1/feedback"); err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %v, %v", resp, err)
	} else if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	if rows := s.Rows(t); len(rows) != 1 {
		t.Errorf("%d requests are on record, want the one that a model answered", len(rows))
	}
}

// TestFeedbackWithoutKeys: where nobody needs a key, whoever may ask may rate; but
// for web pages of other sites.
func TestFeedbackWithoutKeys(t *testing.T) {
	s, _ := gatewayFor(t, "")
	_, _, asked := send(t, s, "/v1/chat/completions", "", hi)
	if status, code, _ := send(t, s, "/v1/feedback", "", `{"request_id":"`+asked+`","thumbs":"up"}`); status != 200 {
		t.Errorf("status %d, code %q", status, code)
	}
	req, err := http.NewRequest(http.MethodPost, s.URL+"/v1/feedback", strings.NewReader(`{"request_id":"`+asked+`","thumbs":"down"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "https://evil.example")
	resp, err := mocktest.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("status %d, %v", resp.StatusCode, err)
	}
	if f, err := s.App.Feedback.Feedback(t.Context(), asked); err != nil || f.Score != 1 || f.KeyID != "" {
		t.Errorf("%+v, %v", f, err)
	}
}
