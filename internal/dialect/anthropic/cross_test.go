package anthropic_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/dialect"
	"freehold/internal/dialect/anthropic"
	"freehold/internal/dialect/openaichat"
	"freehold/internal/llm"
	"freehold/internal/sse"
)

// golden compares with a file of testdata/cross; FREEHOLD_UPDATE=1 writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", "cross", name)
	if json.Valid(got) {
		var b bytes.Buffer
		if err := json.Indent(&b, got, "", "  "); err != nil {
			t.Fatal(err)
		}
		got = append(b.Bytes(), '\n')
	}
	if os.Getenv("FREEHOLD_UPDATE") == "1" {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(must(os.ReadFile(file)), string(got)); diff != "" {
		t.Errorf("%s (-want +got): %s", name, diff)
	}
}

// crossRequest carries a client's body over to another dialect's provider.
func crossRequest(t *testing.T, from, to dialect.Codec, body string, target dialect.Target) []byte {
	t.Helper()
	b, err := from.Read(llm.Chat, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	r, err := from.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	out, err := to.Encode(r, &target)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Dropped) > 0 {
		t.Logf("dropped %q", out.Dropped)
	}
	return out.Body
}

func crossReply(t *testing.T, provider, client dialect.Codec, body string) []byte {
	t.Helper()
	r, err := provider.DecodeReply(llm.Chat, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	out, err := client.EncodeReply(r, llm.Chat, dialect.View{Model: "support-chat", Created: 1700000000})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func crossStream(t *testing.T, provider, client dialect.Codec, stream string) string {
	t.Helper()
	d := provider.NewStreamDecoder(llm.Chat)
	e := client.NewStreamEncoder(llm.Chat, dialect.View{Model: "support-chat", Created: 1700000000, IncludeUsage: true}, nil)
	r := sse.NewReader(strings.NewReader(stream), 0)
	var out []byte
	for {
		ev, err := r.Next()
		if err != nil {
			break
		}
		events, err := d.Decode(nil, ev)
		if err != nil {
			t.Fatal(err)
		}
		for i := range events {
			if out, err = e.Encode(out, &events[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := d.End(nil); err != nil {
		t.Fatal(err)
	}
	return string(e.End(out))
}

func TestCrossOpenAIClientAnthropicProvider(t *testing.T) {
	var openai, own dialect.Codec = openaichat.Codec{}, anthropic.Codec{}
	body := crossRequest(t, openai, own, must(os.ReadFile("testdata/cross/request_openai.json")), dialect.Target{Model: "claude-3-5-sonnet-20241022", Stream: true})
	golden(t, "request_openai.to_anthropic.json", body)
	if b, err := own.Read(llm.Chat, body); err != nil {
		t.Errorf("the body is not one that the dialect takes: %v", err)
	} else {
		b.Release()
	}
	golden(t, "reply_anthropic.to_openai.json", crossReply(t, own, openai, must(os.ReadFile("testdata/replies/chat/thinking_tools.json"))))
	golden(t, "stream_anthropic.to_openai.sse", []byte(crossStream(t, own, openai, must(os.ReadFile("testdata/streams/chat/thinking_tools.sse")))))
}

func TestCrossAnthropicClientOpenAIProvider(t *testing.T) {
	var openai, own dialect.Codec = openaichat.Codec{}, anthropic.Codec{}
	golden(t, "request_anthropic.to_openai.json", crossRequest(t, own, openai, `{"model":"support-chat","max_tokens":300,"stream":true,
		"system":[{"type":"text","text":"You are terse."}],
		"messages":[{"role":"user","content":[{"type":"text","text":"What is this?"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}]},
			{"role":"assistant","content":[{"type":"text","text":"I look."},{"type":"tool_use","id":"toolu_1","name":"look","input":{"deep":true}},{"type":"tool_use","id":"toolu_2","name":"now","input":{}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"a cat"}]},{"type":"tool_result","tool_use_id":"toolu_2","content":"no clock","is_error":true},{"type":"text","text":"So?"}]}],
		"tools":[{"name":"look","description":"Looks","input_schema":{"type":"object","properties":{"deep":{"type":"boolean"}}}},{"name":"now","input_schema":{"type":"object"}}],
		"tool_choice":{"type":"any","disable_parallel_tool_use":true},"stop_sequences":["END"],"temperature":0.2,"metadata":{"user_id":"u-1"}}`,
		dialect.Target{Model: "gpt-4o", Stream: true, Usage: true}))
	golden(t, "reply_openai.to_anthropic.json", crossReply(t, openai, own, must(os.ReadFile("testdata/cross/reply_openai.json"))))
	stream := crossStream(t, openai, own, must(os.ReadFile("testdata/cross/stream_openai.sse")))
	golden(t, "stream_openai.to_anthropic.sse", []byte(stream))
	sequential(t, stream)
	m := sdkMessage(t, stream)
	if diff := cmp.Diff([]string{"tool_use ", "chatcmpl-1support-chat20 30", "thinking Let me think.freehold-unsigned", "text I look.", `tool_use {"deep":true}`, "tool_use {}"}, simple(m)); diff != "" {
		t.Error(diff)
	}
}
