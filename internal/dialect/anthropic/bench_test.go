package anthropic_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"freehold/internal/dialect"
	"freehold/internal/dialect/anthropic"
	"freehold/internal/llm"
	"freehold/internal/sse"
)

// textDelta is an event of about 200 bytes.
func textDelta() *sse.Event {
	raw := event(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"` + strings.Repeat("some words ", 9) + `"}}`)
	return &sse.Event{
		Name: []byte("content_block_delta"), Raw: []byte(raw),
		Data: []byte(strings.TrimSpace(strings.TrimPrefix(raw, "event: content_block_delta\ndata: "))),
	}
}

func BenchmarkStreamDecode(b *testing.B) {
	d := anthropic.Codec{}.NewStreamDecoder(llm.Chat)
	start := `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`
	events, err := d.Decode(nil, &sse.Event{Data: []byte(start)})
	if err != nil {
		b.Fatal(err)
	}
	delta := textDelta()
	b.ReportAllocs()
	b.SetBytes(int64(len(delta.Raw)))
	for b.Loop() {
		if events, err = d.Decode(events[:0], delta); err != nil || len(events) != 1 {
			b.Fatal(err)
		}
	}
}

func BenchmarkStreamEncode(b *testing.B) {
	e := anthropic.Codec{}.NewStreamEncoder(llm.Chat, dialect.View{}, nil)
	out, err := e.Encode(nil, &llm.Event{Kind: llm.EventPartStart, PartKind: llm.PartText})
	if err != nil {
		b.Fatal(err)
	}
	ev := &llm.Event{Kind: llm.EventDelta, Text: strings.Repeat("some words ", 9)}
	b.ReportAllocs()
	for b.Loop() {
		if out, err = e.Encode(out[:0], ev); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRewriteEvent(b *testing.B) {
	var out []byte
	delta := textDelta()
	b.ReportAllocs()
	for b.Loop() {
		out = anthropic.Codec{}.RewriteEvent(out[:0], delta, dialect.View{Model: "w"})
	}
}

// long is a request of about n bytes.
func long(n int) []byte {
	var msgs []string
	for i := 0; n > 0; i++ {
		msgs = append(msgs, fmt.Sprintf(`{"role":"user","content":[{"type":"text","text":%q}]},{"role":"assistant","content":[{"type":"text","text":"Let me see.\nIt is \"so\"."}]}`, strings.Repeat("What is the meaning of it? ", 20)))
		n -= len(msgs[i])
	}
	return []byte(`{"model":"m","max_tokens":99,"messages":[` + strings.Join(msgs, ",") + `,{"role":"user","content":"ok"}]}`)
}

func BenchmarkRequest(b *testing.B) {
	c := anthropic.Codec{}
	for _, size := range []int{1 << 10, 40 << 10} {
		raw := long(size)
		body, err := c.Read(llm.Chat, raw)
		if err != nil {
			b.Fatal(err)
		}
		req, err := c.Decode(body)
		if err != nil {
			b.Fatal(err)
		}
		target := &dialect.Target{Model: "claude"}
		run := func(name string, f func() error) {
			b.Run(fmt.Sprintf("%s/%dKB", name, size>>10), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(raw)))
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		run("read", func() error {
			x, err := c.Read(llm.Chat, raw)
			if err == nil {
				x.Release()
			}
			return err
		})
		run("forward", func() error { _, err := c.Forward(body, target); return err })
		run("decode", func() error { _, err := c.Decode(body); return err })
		run("encode", func() error { _, err := c.Encode(req, target); return err })
		run("encoding-json-for-scale", func() error { var v any; return json.Unmarshal(raw, &v) })
	}
}
