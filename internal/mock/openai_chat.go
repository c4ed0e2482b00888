package mock

import (
	"fmt"
	"net/http"
)

// frame is what all bodies and chunks of an answer share.
type frame struct {
	id, model, fingerprint, tier string
	created                      int64
}

func (f frame) object(kind string) map[string]any {
	m := map[string]any{"id": f.id, "object": kind, "created": f.created, "model": f.model, "system_fingerprint": f.fingerprint}
	if f.tier != "" {
		m["service_tier"] = f.tier
	}
	return m
}

// chat is the answer to a chat request.
func (o *openai) chat(q *request, d directives, as []answer, f frame, emptyChoices bool) *script {
	usage := o.tally(q, d, as)
	if q.stream {
		return o.chatStream(q, as, f, usage, emptyChoices)
	}
	body := f.object("chat.completion")
	choices := []any{}
	for i, a := range as {
		m := map[string]any{"role": "assistant", "content": a.text, "refusal": nil, "annotations": []any{}}
		if o.profile == Mistral {
			m = map[string]any{"role": "assistant", "content": a.text, "tool_calls": nil, "prefix": false}
		}
		if a.refusal != "" {
			m["content"], m["refusal"] = nil, a.refusal
		}
		if a.thinking != "" && o.traits.reasoning != "" {
			m[o.traits.reasoning] = a.thinking
		}
		if len(a.calls) > 0 {
			if a.text == "" {
				m["content"] = nil
			}
			list := []any{}
			for j, c := range a.calls {
				list = append(list, map[string]any{"id": o.callID(a.key, j), "type": "function", "function": map[string]any{"name": c.name, "arguments": orEmptyObject(c.arguments)}})
			}
			m["tool_calls"] = list
		}
		c := map[string]any{"index": i, "message": m, "finish_reason": o.finishReason(a), "logprobs": nil}
		if q.logprobs {
			c["logprobs"] = logprobs(a.text, a.key, q.alternatives)
		}
		choices = append(choices, c)
	}
	if emptyChoices {
		choices = []any{}
	}
	body["choices"], body["usage"] = choices, usage
	return plain(http.StatusOK, nil, []byte(compact(body)))
}

func orEmptyObject(arguments string) string {
	if arguments == "" {
		return "{}"
	}
	return arguments
}

// delta is one chunk of one choice.
type delta struct {
	kind     stepKind
	members  map[string]any
	finish   any
	logprobs any
}

func (o *openai) chatStream(q *request, as []answer, f frame, usage map[string]any, emptyChoices bool) *script {
	s := &script{status: http.StatusOK, header: http.Header{"Content-Type": {"text/event-stream; charset=utf-8"}, "Cache-Control": {"no-cache"}}, stream: true}
	emit := func(k stepKind, choices []any, usage any) {
		c := f.object("chat.completion.chunk")
		c["choices"] = choices
		if q.usageChunk || usage != nil {
			c["usage"] = usage
		}
		s.steps = append(s.steps, step{kind: k, data: data([]byte(compact(c)))})
	}
	var queues [][]delta
	longest := 0
	for _, a := range as {
		ds := o.deltas(q, a)
		longest = max(longest, len(ds))
		queues = append(queues, ds)
	}
	if emptyChoices {
		longest = 0
		emit(content, []any{}, nil)
	}
	var unasked any
	for k := range longest { // choices take turns
		for i, ds := range queues {
			if k >= len(ds) {
				continue
			}
			e := ds[k]
			c := map[string]any{"index": i, "delta": e.members, "finish_reason": e.finish, "logprobs": e.logprobs}
			if o.traits.unasked && i == len(queues)-1 && k == len(ds)-1 {
				unasked = usage
			}
			emit(e.kind, []any{c}, unasked)
		}
	}
	if q.usageChunk {
		emit(closingStep, []any{}, usage)
	}
	s.steps = append(s.steps, step{kind: endMark, data: []byte("data: [DONE]\n\n")})
	return s
}

// deltas are the chunks of one choice.
func (o *openai) deltas(q *request, a answer) []delta {
	start := map[string]any{"role": "assistant", "content": ""}
	if o.profile == Any || o.profile == OpenAI || o.profile == Azure {
		start["refusal"] = nil
	}
	out := []delta{{kind: opening, members: start}}
	if o.traits.reasoning != "" {
		for _, t := range o.chunks.cut(a.thinking, a.key) {
			out = append(out, delta{kind: content, members: map[string]any{o.traits.reasoning: t}})
		}
	}
	for _, t := range o.chunks.cut(a.refusal, a.key) {
		out = append(out, delta{kind: content, members: map[string]any{"refusal": t}})
	}
	if q.logprobs { // one token each, as each has its own
		for i, t := range tokens(a.text) {
			out = append(out, delta{kind: content, members: map[string]any{"content": t},
				logprobs: map[string]any{"content": []any{logprob(t, i, a.key, q.alternatives)}, "refusal": nil}})
		}
	} else {
		for _, t := range o.chunks.cut(a.text, a.key) {
			out = append(out, delta{kind: content, members: map[string]any{"content": t}})
		}
	}
	for j, c := range a.calls {
		call := func(m map[string]any) map[string]any { return map[string]any{"tool_calls": []any{m}} }
		head := map[string]any{"index": j, "id": o.callID(a.key, j), "type": "function", "function": map[string]any{"name": c.name, "arguments": ""}}
		if o.profile == Mistral { // whole calls
			head["function"] = map[string]any{"name": c.name, "arguments": orEmptyObject(c.arguments)}
			out = append(out, delta{kind: content, members: call(head)})
			continue
		}
		out = append(out, delta{kind: content, members: call(head)})
		for _, t := range o.chunks.arguments(orEmptyObject(c.arguments), a.key) {
			out = append(out, delta{kind: content, members: call(map[string]any{"index": j, "function": map[string]any{"arguments": t}})})
		}
	}
	return append(out, delta{kind: closingStep, members: map[string]any{}, finish: o.finishReason(a)})
}

// arguments cuts tool arguments, which have few spaces, every few characters.
func (c Chunking) arguments(s string, key uint64) []string {
	if c != ChunkWords && c != "" {
		return c.cut(s, key)
	}
	var out []string
	start, n := 0, 0
	for i := range s {
		if n == 5 {
			out, start, n = append(out, s[start:i]), i, 0
		}
		n++
	}
	return append(out, s[start:])
}

// completionBody is a completion request of which the shape was checked.
type completionBody struct {
	Model         string
	Prompt        any
	Suffix        string
	MaxTokens     *int `json:"max_tokens"`
	N             int
	BestOf        *int `json:"best_of"`
	Echo          bool
	Stream        bool
	StreamOptions *struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	Stop     any
	Logprobs *int
}

// completion is the answer to a legacy completion request.
func (o *openai) completion(tree map[string]any, f frame, emptyChoices bool) (*script, *problem) {
	if p := o.shapes.completion(nil, tree); p != nil {
		return nil, p
	}
	var b completionBody
	decode(tree, &b)
	n := max(b.N, 1)
	switch {
	case b.StreamOptions != nil && !b.Stream:
		return nil, problemf([]any{"stream_options"}, "", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	case b.BestOf != nil && *b.BestOf < n:
		return nil, problemf([]any{"best_of"}, "", "You requested that the server return more choices than it will generate (HINT: 'best_of' must be at least as large as 'n').")
	case b.BestOf != nil && *b.BestOf > 1 && b.Stream:
		return nil, problemf([]any{"best_of"}, "", "The 'best_of' parameter is not supported with 'stream'.")
	}
	limit := 16 // as documented
	if b.MaxTokens != nil {
		limit = *b.MaxTokens
	}
	q := &request{stops: strings_(b.Stop), limit: limit}
	var as []answer
	prompts := inputs(b.Prompt)
	used, out := 0, 0
	for _, p := range prompts {
		used += len(tokens(p))
		d, bad := direct(p)
		if bad != nil {
			return nil, bad
		}
		for i := range n {
			a := answer{key: mix(hash(o.author.seed, b.Suffix) + uint64(i)), finish: overlong}
			if d.say != nil {
				a.text, a.finish = *d.say, finished
			} else if a.text = chain(a.key).after(p, limit); len(a.text) >= len(finis) && a.text[len(a.text)-len(finis):] == finis || a.text == "" {
				a.finish = finished
			}
			a.end(q)
			out += a.tokens
			if b.Echo {
				a.text = p + a.text
			}
			as = append(as, a)
		}
	}
	if emptyChoices {
		as = nil
	}
	usage := map[string]any{"prompt_tokens": used, "completion_tokens": out, "total_tokens": used + out}
	choice := func(i int, text string, finish any, key uint64) map[string]any {
		c := map[string]any{"index": i, "text": text, "finish_reason": finish, "logprobs": nil}
		if b.Logprobs != nil {
			c["logprobs"] = legacyLogprobs(text, key, *b.Logprobs)
		}
		return c
	}
	if !b.Stream {
		body, choices := f.object("text_completion"), []any{}
		for i, a := range as {
			choices = append(choices, choice(i, a.text, o.finishReason(a), a.key))
		}
		body["choices"], body["usage"] = choices, usage
		return plain(http.StatusOK, nil, []byte(compact(body))), nil
	}
	s := &script{status: http.StatusOK, header: http.Header{"Content-Type": {"text/event-stream; charset=utf-8"}, "Cache-Control": {"no-cache"}}, stream: true}
	wanted := b.StreamOptions != nil && b.StreamOptions.IncludeUsage
	emit := func(k stepKind, choices []any, usage any) {
		c := f.object("text_completion")
		c["choices"] = choices
		if wanted || usage != nil {
			c["usage"] = usage
		}
		s.steps = append(s.steps, step{kind: k, data: data([]byte(compact(c)))})
	}
	for i, a := range as {
		for _, t := range o.chunks.cut(a.text, a.key) {
			emit(content, []any{choice(i, t, nil, a.key)}, nil)
		}
		emit(closingStep, []any{choice(i, "", o.finishReason(a), a.key)}, nil)
	}
	if wanted {
		emit(closingStep, []any{}, usage)
	}
	s.steps = append(s.steps, step{kind: endMark, data: []byte("data: [DONE]\n\n")})
	return s, nil
}

func legacyLogprobs(text string, key uint64, alternatives int) map[string]any {
	ts, ps, offsets, top := []any{}, []any{}, []any{}, []any{}
	at := 0
	for i, t := range tokens(text) {
		p := logprob(t, i, key, alternatives)
		ts, ps, offsets = append(ts, t), append(ps, p["logprob"]), append(offsets, at)
		at += len([]rune(t))
		m := map[string]any{}
		for _, a := range p["top_logprobs"].([]any) {
			e := a.(map[string]any)
			m[fmt.Sprint(e["token"])] = e["logprob"]
		}
		top = append(top, m)
	}
	return map[string]any{"tokens": ts, "token_logprobs": ps, "text_offset": offsets, "top_logprobs": top}
}
