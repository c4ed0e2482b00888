package sdk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// post sends bytes that no SDK would send.
func (w *world) post(t *testing.T, method, path string, body []byte) (int, http.Header, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.key)
	r.Header.Set("Content-Type", "application/json")
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, data
}

// doors are the paths of models, with a good body.
var doors = []struct{ path, body string }{
	{"/v1/chat/completions", `{"model":"plain","messages":[{"role":"user","content":"hi"}]}`},
	{"/v1/messages", `{"model":"plain","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}`},
	{"/v1/messages/count_tokens", `{"model":"plain","messages":[{"role":"user","content":"hi"}]}`},
	{"/v1/completions", `{"model":"plain","prompt":"hi"}`},
	{"/v1/embeddings", `{"model":"plain","input":"hi"}`},
}

// TestMalformed: what is no request is a 400 in the client's own envelope, and
// no provider sees it.
func TestMalformed(t *testing.T) {
	w := start(t, "openai", []check{{name: "plain"}})
	for _, d := range doors {
		bad := map[string]string{
			"empty": "", "truncated": d.body[:len(d.body)-3],
			"truncated_stream": `{"stream":true,` + d.body[1:len(d.body)-3], "trailing": d.body + "{}", "not_json": "hello", "array": "[]", "null": "null", "empty_object": "{}",
			"duplicate_key":  strings.Replace(d.body, `{"model"`, `{"model":"other","model"`, 1),
			"case_variant":   strings.Replace(d.body, `{"model"`, `{"Model":"other","model"`, 1),
			"invalid_utf8":   strings.Replace(d.body, "hi", "h\xff", 1),
			"lone_surrogate": strings.Replace(d.body, "hi", `\ud800`, 1),
			"deep":           strings.Replace(d.body, `"model"`, `"x":`+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)+`,"model"`, 1),
			"model_number":   strings.Replace(d.body, `"plain"`, `7`, 1),
			"model_empty":    strings.Replace(d.body, `"plain"`, `""`, 1),
		}
		for name, body := range bad {
			t.Run(strings.ReplaceAll(d.path[4:], "/", "_")+"/"+name, func(t *testing.T) {
				status, _, answer := w.post(t, "POST", d.path, []byte(body))
				if status != http.StatusBadRequest {
					t.Errorf("status %d, want 400: %s", status, answer)
				}
				envelope(t, d.path, answer, "invalid_request_error")
			})
		}
	}
	if n := w.primary.Stats().Requests; n != 0 {
		t.Errorf("%d requests reached the provider", n)
	}
}

// envelope checks an error's body for the dialect of a path; typ empty: any type.
func envelope(t *testing.T, path string, body []byte, typ string) {
	t.Helper()
	var e struct {
		Type      string
		RequestID string `json:"request_id"`
		Error     struct {
			Type, Message string
			Code, Param   *string
		}
	}
	if err := json.Unmarshal(body, &e); err != nil {
		t.Fatalf("the error is %s: %v", body, err)
	}
	if e.Error.Type == "" || typ != "" && e.Error.Type != typ || e.Error.Message == "" {
		t.Errorf("error %s, want the type %s and a message", body, typ)
	}
	if claude := strings.HasPrefix(path, "/v1/messages"); claude != (e.Type == "error") || claude != (e.RequestID != "") {
		t.Errorf("the envelope %s is not of the client's dialect", body)
	}
}

// TestPaths: what is not there is a 404, the wrong method a 405, in the
// client's dialect; every answer has its request id.
func TestPaths(t *testing.T) {
	w := start(t, "openai", []check{{name: "plain"}})
	for _, d := range doors {
		status, header, body := w.post(t, "GET", d.path, nil)
		if status != http.StatusMethodNotAllowed || header.Get("Allow") != "POST" {
			t.Errorf("GET %s: status %d, Allow %q", d.path, status, header.Get("Allow"))
		}
		envelope(t, d.path, body, "invalid_request_error")
	}
	for _, path := range []string{"/v1/nothing", "/v2/chat/completions", "/", "/v1/files"} {
		status, header, body := w.post(t, "POST", path, []byte("{}"))
		if status != http.StatusNotFound || header.Get("X-Request-Id") == "" {
			t.Errorf("POST %s: status %d, %s", path, status, body)
		}
	}
	for _, d := range doors[:2] {
		status, header, body := w.post(t, "POST", d.path, []byte(d.body))
		if status != http.StatusOK || header.Get("X-Request-Id") == "" || header.Get("X-Freehold-Model") != "m-plain" {
			t.Errorf("%s: status %d, header %v, %s", d.path, status, header, body)
		}
	}
}

// TestStreamBytes: the bytes of a stream are as the documents show them.
func TestStreamBytes(t *testing.T) {
	for _, provider := range []string{"openai", "anthropic"} {
		w := start(t, provider, []check{{name: "plain"}, {name: "cut", workload: "continue: off"}})
		for _, d := range doors[:2] {
			claude := d.path == "/v1/messages"
			t.Run(fmt.Sprintf("%s at %s", d.path, provider), func(t *testing.T) {
				body := strings.Replace(d.body, `{"model"`, `{"stream":true,"model"`, 1)
				status, header, data := w.post(t, "POST", d.path, []byte(body))
				if status != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), "text/event-stream") {
					t.Fatalf("status %d, %v", status, header)
				}
				end := "data: [DONE]\n\n"
				if claude {
					end = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
				}
				if !strings.HasSuffix(string(data), end) {
					t.Errorf("the stream ends with %q", data[max(0, len(data)-120):])
				}
				w.rest()
				if err := w.primary.Fail("cut:60%"); err != nil {
					t.Fatal(err)
				}
				defer w.rest()
				body = strings.Replace(body, "plain", "cut", 1)
				_, _, data = w.post(t, "POST", d.path, []byte(body))
				last := string(data[strings.LastIndex(strings.TrimSpace(string(data)), "\n\n")+2:])
				name, rest, _ := strings.Cut(last, "data: ")
				if claude != (name == "event: error\n") {
					t.Errorf("a cut stream ends with %q", last)
				}
				envelope(t, d.path, []byte(rest), "")
				if strings.Contains(string(data), "[DONE]") || strings.Contains(string(data), "message_stop") {
					t.Errorf("a cut stream was closed as if it were whole: %q", data)
				}
			})
		}
	}
}
