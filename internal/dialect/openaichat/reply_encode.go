package openaichat

import (
	"strings"

	"freehold/internal/dialect"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// EncodeReply implements dialect.Codec.
func (Codec) EncodeReply(r *llm.Response, op llm.Operation, v dialect.View) ([]byte, error) {
	model := v.Model
	if model == "" {
		model = r.Model
	}
	w := &jsondoor.Writer{Buf: make([]byte, 0, 1024)}
	w.Object()
	switch op {
	case llm.Embedding:
		writeVectors(w, r, model)
		return w.EndObject().Buf, nil
	case llm.Chat, llm.Completion:
	default:
		return nil, noOperation(op)
	}
	created := r.Created
	if created == 0 {
		created = v.Created
	}
	kind := "chat.completion"
	if op == llm.Completion {
		kind = "text_completion"
	}
	w.Key("id").String(answerID(r.ID, v.ID, op)).Key("object").String(kind).Key("created").Int(created).
		Key("model").String(model).Key("choices").Array()
	for i := range r.Choices {
		writeChoice(w, &r.Choices[i], op)
	}
	w.EndArray()
	if r.Usage.Reported {
		w.Key("usage")
		writeUsage(w, r.Usage, op)
	}
	writeOrigin(w, r.SystemFingerprint, r.ServiceTier)
	for _, x := range r.Extra {
		w.Key(x.Name).Raw(x.Raw)
	}
	return w.EndObject().Buf, nil
}

// writeOrigin writes what is known of how an answer was served.
func writeOrigin(w *jsondoor.Writer, fingerprint, tier string) {
	if tier == "standard" {
		tier = "default" // OpenAI's word for it
	}
	if tier != "" {
		w.Key("service_tier").String(tier)
	}
	if fingerprint != "" {
		w.Key("system_fingerprint").String(fingerprint)
	}
}

func writeVectors(w *jsondoor.Writer, r *llm.Response, model string) {
	w.Key("object").String("list").Key("data").Array()
	for i := range r.Embeddings {
		e := &r.Embeddings[i]
		w.Object().Key("object").String("embedding").Key("index").Int(int64(e.Index)).Key("embedding")
		if e.Base64 != "" {
			w.String(e.Base64)
		} else {
			w.Array()
			for _, f := range e.Values {
				w.Float(f)
			}
			w.EndArray()
		}
		w.EndObject()
	}
	w.EndArray().Key("model").String(model).Key("usage")
	writeUsage(w, r.Usage, llm.Embedding)
	if r.ID != "" {
		w.Key("id").String(r.ID)
	}
	for _, x := range r.Extra {
		w.Key(x.Name).Raw(x.Raw)
	}
}

func writeChoice(w *jsondoor.Writer, c *llm.Choice, op llm.Operation) {
	w.Object().Key("index").Int(int64(c.Index))
	if op == llm.Completion {
		w.Key("text").String(joinedText(c.Parts, llm.PartText))
	} else {
		w.Key("message")
		writeMessage(w, c.Parts)
	}
	w.Key("logprobs").Raw(c.Logprobs).Key("finish_reason")
	if c.Finish == "" {
		w.Null()
	} else {
		w.String(finishWord(c.Finish))
	}
	w.EndObject()
}

func joinedText(parts []llm.Part, kind llm.PartKind) string {
	var b strings.Builder
	for i := range parts {
		if parts[i].Kind == kind {
			b.WriteString(parts[i].Text)
		}
	}
	return b.String()
}

// writeMessage writes an answer's message. Text is null only where there are
// tool calls or a refusal instead.
func writeMessage(w *jsondoor.Writer, parts []llm.Part) {
	text, refusal, thinking := joinedText(parts, llm.PartText), joinedText(parts, llm.PartRefusal), joinedText(parts, llm.PartThinking)
	calls, blocks := false, false
	for i := range parts {
		switch p := &parts[i]; p.Kind {
		case llm.PartToolCall:
			calls = true
		case llm.PartThinking:
			blocks = blocks || p.Signature != ""
		case llm.PartRedactedThinking:
			blocks = true
		case llm.PartOpaque:
			calls = calls || p.Name == "tool_calls"
		}
	}
	w.Object().Key("role").String("assistant").Key("content")
	if text == "" && (calls || refusal != "") {
		w.Null()
	} else {
		w.String(text)
	}
	w.Key("refusal")
	nullable(w, refusal)
	if thinking != "" {
		w.Key("reasoning_content").String(thinking)
	}
	if blocks {
		writeBlocks(w, parts)
	}
	if calls {
		w.Key("tool_calls").Array()
		for i := range parts {
			switch p := &parts[i]; {
			case p.Kind == llm.PartToolCall:
				writeCall(w, p)
			case p.Kind == llm.PartOpaque && p.Name == "tool_calls" && p.Dialect == Name:
				w.Raw(p.Opaque)
			}
		}
		w.EndArray()
	}
	for i := range parts {
		if p := &parts[i]; p.Kind == llm.PartOpaque && p.Dialect == Name && p.Name != "" && p.Name != "tool_calls" {
			w.Key(p.Name).Raw(p.Opaque)
		}
	}
	w.EndObject()
}
