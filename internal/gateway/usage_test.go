package gateway_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"freehold/internal/app/apptest"
)

// A provider whose stream begins with a believable count and ends with one that
// cannot be true is charged by our estimate, not by what it began with.
func TestUsageThatCannotBeTrueIsEstimated(t *testing.T) {
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, e := range [][2]string{
			{"message_start", `{"type":"message_start","message":{"id":"m1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":777,"output_tokens":1}}}`},
			{"content_block_start", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`},
			{"content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Good morning to all of you who read this"}}`},
			{"content_block_stop", `{"type":"content_block_stop","index":0}`},
			{"message_delta", `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":-9223372036854775807}}`},
			{"message_stop", `{"type":"message_stop"}`},
		} {
			_, _ = io.WriteString(w, "event: "+e[0]+"\ndata: "+e[1]+"\n\n")
		}
	}))
	t.Cleanup(provider.Close)
	s := apptest.Start(t, `
retries: {max: 0}
providers:
  a: {preset: anthropic, api_key: k, base_url: "`+provider.URL+`", probe: {enabled: false}}
models: {m: {provider: a}}
workloads: {w: {model: m}}
`)
	for i, claude := range []bool{false, true} {
		if got := (client{url: s.URL, claude: claude}).ask(t, "w", "hi", true, ""); got.Finish == "" {
			t.Errorf("claude client %v: %v", claude, got)
		}
		for _, r := range s.WaitRows(t, i+1) {
			if k := r.Tokens; !k.Estimated || k.In <= 0 || k.In == 777 || k.Out <= 1 || k.Out > 100 {
				t.Errorf("claude client %v: tokens %+v", claude, k)
			}
		}
	}
}
