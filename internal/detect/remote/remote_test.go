package remote_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"freehold/internal/detect/remote"
	"freehold/internal/policy"
	"freehold/internal/upstream"
)

// detector asks a handler.
func detector(t testing.TB, h http.HandlerFunc, change func(*remote.Options)) *remote.Detector {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := upstream.New(upstream.Target{Provider: "d", BaseURL: s.URL, Auth: upstream.AuthBearer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	o := remote.Options{
		Sender: c, Permit: policy.Inside(policy.Place{Provider: "d", Inside: true}), Key: upstream.NewKey("secret-key"), Path: "/detect",
		Protocol: remote.Freehold, Language: "en", Timeout: time.Minute, Concurrent: 2, MaxText: 1 << 20, Clock: time.Now,
	}
	if change != nil {
		change(&o)
	}
	return remote.New(o)
}

// says answers with a text.
func says(answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }
}

// bobs is a strict detector of the name Bob, in both protocols.
func bobs(t testing.TB) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer secret-key" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %v", r.Method, r.Header)
		}
		var in struct {
			Texts          []string
			Text, Language string
		}
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(&in); err != nil {
			t.Error(err)
		}
		presidio := r.URL.Path == "/analyze"
		if presidio {
			if in.Language != "de" || in.Texts != nil {
				t.Errorf("asked %+v", in)
			}
			in.Texts = []string{in.Text}
		}
		out := []map[string]any{}
		for i, text := range in.Texts {
			runes := []rune(text)
			for at := 0; at+3 <= len(runes); at++ {
				if string(runes[at:at+3]) == "Bob" {
					f := map[string]any{"start": at, "end": at + 3, "score": 0.8}
					if presidio {
						f["entity_type"], f["analysis_explanation"] = "PERSON", nil
					} else {
						f["kind"], f["text"] = "person", i
					}
					out = append(out, f)
				}
			}
		}
		var answer any = map[string]any{"findings": out}
		if presidio {
			answer = out
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}
}

func both(t testing.TB) map[string]*remote.Detector {
	return map[string]*remote.Detector{
		"freehold": detector(t, bobs(t), nil),
		"presidio": detector(t, bobs(t), func(o *remote.Options) { o.Protocol, o.Path, o.Language = remote.Presidio, "/analyze", "de" }),
	}
}

// What is found is found at its place, however the body writes it.
func TestPlaces(t *testing.T) {
	for name, d := range both(t) {
		for body, want := range map[string][]string{
			`{"messages":[{"role":"user","content":"Bob and Bob"}]}`:         {"Bob", "Bob"},
			`{"a":"\u0042ob","b":"日本 Bob\n😀Bob","c":"\ud83d\ude00 \"Bob\""}`: {`\u0042ob`, "Bob", "Bob", "Bob"},
			`{"arguments":"{\"to\":\"Bob\"}","Bob":1,"user":"user"}`:         {"Bob"},
			`{"url":"data:image/png;base64,Bob=","text":"\ud83dBob"}`:        {"Bob"},
			`{}`: nil,
		} {
			hits, err := d.JSON(t.Context(), []byte(body))
			var got []string
			for _, h := range hits {
				got = append(got, body[h.Start:h.End])
				if h.Kind != "person" || h.Rules != 0 {
					t.Errorf("%s: %+v", name, h)
				}
			}
			if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: %s: %q, %v", name, body, got, err)
			}
		}
		hits, err := d.Text(t.Context(), []byte("é Bob"), "/v1/files", "q=Bob")
		if err != nil || len(hits) != 2 || hits[1].Start != 3 || hits[1].End != 6 || hits[0].End != 0 {
			t.Errorf("%s: raw: %+v, %v", name, hits, err)
		}
	}
}

// Whatever a body's strings hold, a finding lies at the text that was found.
func TestPlacesOfAnything(t *testing.T) {
	ds := both(t)
	pieces := rapid.SampledFrom([]string{"Bob", "é", "日", "😀", "\"", "\\", "\n", " ", "x", "\u2028", "{\"a\":\"Bob\"}"})
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.Map(rapid.SliceOfN(pieces, 0, 8), func(p []string) string { return strings.Join(p, "") })
		texts := rapid.SliceOfN(text, 1, 4).Draw(t, "texts")
		body, err := json.Marshal(texts)
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Count(strings.Join(texts, "|"), "Bob")
		for name, d := range ds {
			hits, err := d.JSON(context.Background(), body)
			if err != nil || len(hits) != want {
				t.Fatalf("%s: %d found, want %d: %v", name, len(hits), want, err)
			}
			for _, h := range hits {
				if string(body[h.Start:h.End]) != "Bob" {
					t.Fatalf("%s: %q is found in %s", name, body[h.Start:h.End], body)
				}
			}
		}
	})
}

// An answer that cannot be trusted is none, and its error repeats no text.
func TestNoAnswer(t *testing.T) {
	many := `{"findings":[` + strings.TrimSuffix(strings.Repeat(`{"text":0,"start":0,"end":1,"kind":"x"},`, 10_001), ",") + `]}`
	for name, h := range map[string]http.HandlerFunc{
		"500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"204": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
		"cut":              func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"garbage":          says("hello secret"),
		"nothing":          says(""),
		"no findings":      says(`{}`),
		"null":             says(`{"findings":null}`),
		"a list":           says(`[]`),
		"behind the end":   says(`{"findings":[]}{"findings":[]}`),
		"text":             says(`{"findings":[{"text":1,"start":0,"end":1,"kind":"x"}]}`),
		"negative text":    says(`{"findings":[{"text":-1,"start":0,"end":1,"kind":"x"}]}`),
		"before the text":  says(`{"findings":[{"text":0,"start":-1,"end":1,"kind":"x"}]}`),
		"behind the text":  says(`{"findings":[{"text":0,"start":0,"end":99,"kind":"x"}]}`),
		"empty":            says(`{"findings":[{"text":0,"start":1,"end":1,"kind":"x"}]}`),
		"backwards":        says(`{"findings":[{"text":0,"start":2,"end":1,"kind":"x"}]}`),
		"no number":        says(`{"findings":[{"text":0,"start":"0","end":1,"kind":"x"}]}`),
		"half a character": says(`{"findings":[{"text":0,"start":0.5,"end":1,"kind":"x"}]}`),
		"a number too far": says(`{"findings":[{"text":0,"start":0,"end":99999999999999999999,"kind":"x"}]}`),
		"score":            says(`{"findings":[{"text":0,"start":0,"end":1,"kind":"x","score":7}]}`),
		"too many":         says(many),
		"too large":        says(`{"findings":[` + strings.Repeat(" ", 5<<20) + `]}`),
		"compressed": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, "x")
		},
		"of no text":        says(`{"findings":[{"start":0,"end":1,"kind":"x"}]}`),
		"no beginning":      says(`{"findings":[{"text":0,"end":1,"kind":"x"}]}`),
		"one bad among all": says(`{"findings":[{"text":0,"start":0,"end":1,"kind":"x"},{"text":0,"start":0,"end":0,"kind":"x"}]}`),
	} {
		d := detector(t, h, nil)
		hits, err := d.JSON(t.Context(), []byte(`["the secret"]`))
		if err == nil || hits != nil {
			t.Errorf("%s: %v", name, hits)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
		if s := d.Stats(); s.Calls != 1 || s.Failures != 1 {
			t.Errorf("%s: %+v", name, s)
		}
	}
	for name, answer := range map[string]string{"null": "null", "an object": `{"findings":[]}`, "behind": `[{"start":0,"end":99,"entity_type":"X","score":1}]`, "empty": `[{}]`, "no beginning": `[{"end":1,"entity_type":"X"}]`} {
		d := detector(t, says(answer), func(o *remote.Options) { o.Protocol = remote.Presidio })
		if hits, err := d.JSON(t.Context(), []byte(`["the secret","x"]`)); err == nil {
			t.Errorf("presidio, %s: %v", name, hits)
		}
	}
}

func TestLimits(t *testing.T) {
	release := make(chan struct{})
	d := detector(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, `{"findings":[]}`)
	}, func(o *remote.Options) { o.Timeout, o.Concurrent, o.MaxText = 100*time.Millisecond, 1, 10 })
	held := make(chan error)
	go func() {
		_, err := d.JSON(context.Background(), []byte(`["x"]`))
		held <- err
	}()
	if _, err := d.JSON(t.Context(), []byte(`["x"]`)); err == nil {
		t.Error("a silent detector is waited for")
	}
	if err := <-held; err == nil {
		t.Error("a silent detector is waited for")
	}
	close(release)
	if _, err := d.JSON(t.Context(), []byte(`["more than ten bytes"]`)); err == nil {
		t.Error("more text than allowed is sent")
	}
	if _, err := d.Text(t.Context(), []byte("\xff")); err == nil {
		t.Error("a body that is no text is taken for one")
	}
	if _, err := d.Text(t.Context(), nil, "\xff"); err == nil {
		t.Error("a query that is no text is taken for one")
	}
}

// Kinds are as configurations write them, and no others count.
func TestKinds(t *testing.T) {
	answer := says(`{"findings":[{"text":0,"start":0,"end":1,"kind":"US_SSN","score":0.4},{"text":0,"start":1,"end":2,"kind":"Person","score":0.9},{"text":0,"start":2,"end":3,"kind":"<b>","score":0.9},{"text":0,"start":3,"end":4,"kind":""}]}`)
	for want, change := range map[string]func(*remote.Options){
		"[us-ssn person b other]": nil,
		"[person]":                func(o *remote.Options) { o.Kinds = []string{"us-ssn", "person"}; o.MinScore = 0.5 },
		"[person b other]":        func(o *remote.Options) { o.MinScore = 0.5 },
	} {
		hits, err := detector(t, answer, change).JSON(t.Context(), []byte(`["abcdef"]`))
		var got []string
		for _, h := range hits {
			got = append(got, h.Kind)
		}
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%v, want %s: %v", got, want, err)
		}
	}
	var many strings.Builder
	for i := range 100 {
		fmt.Fprintf(&many, `,{"text":0,"start":0,"end":1,"kind":"k%d"}`, i)
	}
	hits, err := detector(t, says(`{"findings":[`+many.String()[1:]+`]}`), nil).JSON(t.Context(), []byte(`["abc"]`))
	kinds := map[string]bool{}
	for _, h := range hits {
		kinds[h.Kind] = true
	}
	if err != nil || len(kinds) != 33 || !kinds["other"] {
		t.Errorf("%d kinds, %v", len(kinds), err)
	}
}

// FuzzAnswer: whatever a detector says of whatever body, a hit is a place in it.
func FuzzAnswer(f *testing.F) {
	f.Add(`["Bob \ud83d\ude00 x","y"]`, `{"findings":[{"text":0,"start":1,"end":6,"kind":"x"}]}`, true)
	f.Add(`{"a":"\u00e9\n","b":"日"}`, `[{"start":0,"end":5,"entity_type":"X","score":0.5}]`, false)
	f.Fuzz(func(t *testing.T, body, answer string, own bool) {
		o := remote.Options{
			Sender: sender(answer), Protocol: remote.Presidio, Path: "/", Timeout: time.Minute, Concurrent: 1, MaxText: 1 << 20, Clock: time.Now,
		}
		if own {
			o.Protocol = remote.Freehold
		}
		d := remote.New(o)
		for _, ask := range []func() (int, error){
			func() (int, error) {
				if !json.Valid([]byte(body)) {
					return 0, nil
				}
				hits, err := d.JSON(context.Background(), []byte(body))
				for _, h := range hits {
					if h.Start < 0 || h.End <= h.Start || h.End > len(body) || h.Kind == "" {
						t.Fatalf("%+v in %q", h, body)
					}
				}
				return len(hits), err
			},
			func() (int, error) {
				hits, err := d.Text(context.Background(), []byte(body), "other")
				for _, h := range hits {
					if h.Start < 0 || h.End > len(body) {
						t.Fatalf("%+v in %q", h, body)
					}
				}
				return len(hits), err
			},
		} {
			if n, err := ask(); err != nil && n != 0 {
				t.Fatalf("%d hits with %v", n, err)
			}
		}
	})
}

// sender answers without a connection.
type sender string

func (s sender) Send(context.Context, upstream.Permit, *upstream.Call) (*upstream.Reply, error) {
	return &upstream.Reply{Status: 200, Length: -1, Body: io.NopCloser(strings.NewReader(string(s)))}, nil
}
