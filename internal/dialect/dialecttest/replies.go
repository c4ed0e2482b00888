package dialecttest

import (
	"bytes"
	"slices"
	"testing"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/llm"
)

func replies(t *testing.T, c dialect.Codec, f Fixtures) {
	for _, s := range f.Replies {
		t.Run(s.Name, func(t *testing.T) {
			r, err := c.DecodeReply(s.Op, s.Data)
			if err != nil {
				t.Fatalf("decode: %v", err)
			}
			golden(t, s.Golden, r)
			summarize(t, c, s, r)
			for n := range bytes.TrimSpace(s.Data) {
				if _, err := c.DecodeReply(s.Op, s.Data[:n]); !fault.Is(err, fault.Malformed) {
					t.Fatalf("cut after %d bytes: %v", n, err)
				}
				if _, err := c.Summarize(s.Op, s.Data[:n]); !fault.Is(err, fault.Malformed) {
					t.Fatalf("summary of %d bytes: %v", n, err)
				}
			}
			body, err := c.EncodeReply(r, s.Op, dialect.View{})
			if err != nil {
				t.Fatalf("encode: %v", err)
			}
			again, err := c.DecodeReply(s.Op, body)
			if err != nil {
				t.Fatalf("decode again: %v: %s", err, clip(string(body)))
			}
			if diff := same(f.shown(r), again); diff != "" {
				t.Errorf("decoded again (-want +got):\n%s\nbody: %s", diff, clip(string(body)))
			}
			rewriteReply(t, c, s, r.Model)
		})
	}
	t.Run("garbage", func(t *testing.T) {
		for _, body := range []string{"", "<html>Bad gateway</html>", "null", "[]", "{}", `"ok"`, `{"id":1}`, "{\"a\":\"\xff\"}"} {
			for _, op := range []llm.Operation{llm.Chat} {
				if _, err := c.Summarize(op, []byte(body)); err == nil {
					t.Errorf("%q is taken for an answer", body)
				}
				if _, err := c.DecodeReply(op, []byte(body)); err == nil {
					t.Errorf("%q is decoded as an answer", body)
				}
			}
		}
	})
}

// summarize: the summary agrees with the decoded answer.
func summarize(t *testing.T, c dialect.Codec, s Sample, r *llm.Response) {
	t.Helper()
	got, err := c.Summarize(s.Op, s.Data)
	if err != nil {
		t.Fatalf("summarize: %v", err)
	}
	want := llm.Summary{ID: r.ID, Model: r.Model, Usage: r.Usage, Choices: len(r.Choices), Complete: len(r.Choices) > 0}
	for i, ch := range r.Choices {
		if i == 0 {
			want.Finish = ch.Finish
			want.Refused = slices.ContainsFunc(ch.Parts, func(p llm.Part) bool { return p.Kind == llm.PartRefusal })
		}
		want.Complete = want.Complete && ch.Finish != ""
		want.Content = want.Content || len(ch.Parts) > 0
	}
	switch s.Op {
	case llm.Embedding:
		want.Choices, want.Complete, want.Content = len(r.Embeddings), len(r.Embeddings) > 0, len(r.Embeddings) > 0
	case llm.CountTokens:
		return
	}
	if diff := same(want, got); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}

func rewriteReply(t *testing.T, c dialect.Codec, s Sample, model string) {
	t.Helper()
	for _, to := range []string{"", model} {
		got, err := c.RewriteReply(s.Op, s.Data, dialect.View{Model: to})
		if err != nil || !bytes.Equal(got, s.Data) {
			t.Errorf("rewritten to model %q: %v: %s", to, err, clip(string(got)))
		}
	}
	if model == "" {
		return
	}
	other, err := c.RewriteReply(s.Op, s.Data, dialect.View{Model: `a "name" of ours`})
	if err != nil {
		t.Fatalf("rewrite: %v", err)
	}
	if diff := SameJSON(withModel(t, s.Data, `a "name" of ours`), other); diff != "" {
		t.Errorf("rewritten (-want +got):\n%s", diff)
	}
	back, err := c.RewriteReply(s.Op, other, dialect.View{Model: model})
	if err != nil || !bytes.Equal(back, s.Data) {
		t.Errorf("rewritten there and back: %v: %s", err, clip(string(back)))
	}
}
