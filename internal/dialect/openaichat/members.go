package openaichat

import (
	"bytes"
	"slices"
	"strconv"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// members are the top-level members of a body on the way to a provider, either
// being made (Encode) or standing for those of a client's body (Forward).
type members []member

type member struct {
	name string
	raw  []byte
	was  jsondoor.Value // the member in the client's body
	// edit says what differs from the client's body.
	renamed, replaced, gone bool
}

func (m members) find(name string) *member {
	for i := range m {
		if !m[i].gone && m[i].name == name {
			return &m[i]
		}
	}
	return nil
}

// has reports whether a member is there and not null.
func (m members) has(name string) bool {
	x := m.find(name)
	return x != nil && string(x.raw) != "null"
}

func (m *members) set(name string, raw []byte) {
	if x := m.find(name); x != nil {
		x.raw, x.replaced = raw, true
		return
	}
	*m = append(*m, member{name: name, raw: raw})
}

func (m members) drop(name string) {
	if x := m.find(name); x != nil {
		x.gone = true
	}
}

// rename gives a member another name. One that has the new name already was
// said by the client in the provider's own words and wins.
func (m members) rename(from, to string) {
	x := m.find(from)
	if x == nil || from == to {
		return
	}
	if m.has(to) {
		x.gone = true
		return
	}
	m.drop(to)
	x.name, x.renamed = to, true
}

// bytes returns the members as an object.
func (m members) bytes() []byte {
	n := 2
	for i := range m {
		n += len(m[i].name) + len(m[i].raw) + 4
	}
	w := jsondoor.Writer{Buf: make([]byte, 0, n)}
	w.Object()
	for i := range m {
		if !m[i].gone {
			w.Key(m[i].name).Raw(m[i].raw)
		}
	}
	return w.EndObject().Buf
}

// patch notes what differs from the client's body.
func (m members) patch(p *jsondoor.Patch, root jsondoor.Value) {
	for i := range m {
		switch x := &m[i]; {
		case !x.was.Exists():
			if !x.gone {
				p.Insert(root, x.name, x.raw)
			}
		case x.gone:
			p.Delete(x.was)
		default:
			if x.renamed {
				p.Rename(x.was, x.name)
			}
			if x.replaced {
				p.Replace(x.was, x.raw)
			}
		}
	}
}

// adjust applies the model's parameters and the provider's quirks. dropped and
// refused are the parameters that were left out, and that cannot be, already.
func (m *members) adjust(t *dialect.Target, op llm.Operation, dropped, refused []string) ([]string, *fault.Error) {
	dropped = m.params(&t.Params, dropped)
	q := &t.Quirks
	if t.MaxTokens > 0 {
		name := "max_tokens"
		if m.has("max_completion_tokens") {
			name = "max_completion_tokens"
		}
		m.set(name, encoded(t.MaxTokens))
	}
	if op == llm.Chat {
		switch q.MaxTokensField {
		case "max_tokens":
			m.rename("max_completion_tokens", "max_tokens")
		case "max_completion_tokens":
			m.rename("max_tokens", "max_completion_tokens")
		}
	}
	if q.ToolRequired != "" {
		if x := m.find("tool_choice"); x != nil && string(x.raw) == `"required"` {
			m.set("tool_choice", jsondoor.Quote(q.ToolRequired))
		}
	}
	if op != llm.Embedding {
		m.streaming(t)
	}
	for _, name := range q.Unsupported {
		x := m.find(name)
		if x == nil {
			continue
		}
		switch {
		case neutral(name, x.raw):
		case t.Drop:
			dropped = appendOnce(dropped, name)
		default:
			refused = appendOnce(refused, name)
		}
		x.gone = true
	}
	if slices.Contains(q.Unsupported, imageURLs) && m.has("messages") && remoteImages(m.find("messages").raw) {
		refused = append(refused, imageURLs)
	}
	if len(refused) > 0 {
		return dropped, unsupported(refused...)
	}
	if q.SeedField != "" {
		m.rename("seed", q.SeedField)
	}
	if q.NoContradiction {
		return dropped, m.contradiction()
	}
	return dropped, nil
}

func appendOnce(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// imageURLs stands in Quirks.Unsupported for images by reference, which a
// server that does not fetch them refuses. An image cannot be dropped.
const imageURLs = "image_url"

var messageList = jsondoor.ArrayOf(message)

func remoteImages(raw []byte) bool {
	d, err := jsondoor.Parse(raw, messageList)
	if err != nil {
		return false // the provider's to judge
	}
	defer d.Release()
	for m := d.Root().First(); m.Exists(); m = m.Next() {
		for p := m.Get("content").First(); p.Exists(); p = p.Next() {
			if !p.Get("type").Is("image_url") {
				continue
			}
			url := p.Get("image_url")
			if url.Kind() == jsondoor.Object {
				url = url.Get("url")
			}
			if !bytes.HasPrefix(url.Bytes(), []byte("data:")) {
				return true
			}
		}
	}
	return false
}

// params applies what the configuration says of the model, and adds to dropped
// what it takes out.
func (m *members) params(p *dialect.Params, dropped []string) []string {
	for _, name := range p.Drop {
		if m.has(name) {
			dropped = appendOnce(dropped, name)
		}
		m.drop(name)
	}
	for from, to := range p.Rename {
		m.rename(from, to)
	}
	for _, d := range p.Defaults {
		if !m.has(d.Name) && !m.saidOtherwise(d.Name) {
			m.set(d.Name, d.Raw)
		}
	}
	return dropped
}

// saidOtherwise reports whether the client used a parameter's other name.
func (m members) saidOtherwise(name string) bool {
	switch name {
	case "max_tokens":
		return m.has("max_completion_tokens")
	case "max_completion_tokens":
		return m.has("max_tokens")
	}
	return false
}

// streaming makes the body ask for a stream, and for usage in it, as the
// target says.
func (m *members) streaming(t *dialect.Target) {
	if !t.Stream {
		if x := m.find("stream"); x != nil && string(x.raw) == "true" {
			m.set("stream", encoded(false))
		}
		m.drop("stream_options")
		return
	}
	if x := m.find("stream"); x == nil || string(x.raw) != "true" {
		m.set("stream", encoded(true))
	}
	if t.Quirks.NoStreamUsage {
		m.drop("stream_options")
		return
	}
	if !t.Usage {
		return
	}
	x := m.find("stream_options")
	if x == nil {
		m.set("stream_options", []byte(`{"include_usage":true}`))
	} else if with, changed := withUsage(x.raw); changed {
		m.set("stream_options", with)
	}
}

var options = jsondoor.ObjectOf(jsondoor.Fields{"include_usage": nil})

// withUsage returns stream_options that ask for usage.
func withUsage(raw []byte) ([]byte, bool) {
	d, err := jsondoor.Parse(raw, options)
	if err != nil || d.Root().Kind() != jsondoor.Object {
		if err == nil {
			d.Release()
		}
		return []byte(`{"include_usage":true}`), true
	}
	defer d.Release()
	if yes, _ := d.Root().Get("include_usage").Bool(); yes {
		return raw, false
	}
	p := d.Patch()
	p.Set(d.Root(), "include_usage", []byte("true"))
	return p.Bytes(), true
}

// bound is what the members say of the answer's size.
func (m members) bound() dialect.Bound {
	number := func(name string) int64 {
		x := m.find(name)
		if x == nil {
			return 0
		}
		n, err := strconv.ParseInt(string(x.raw), 10, 64)
		if err != nil {
			return 0
		}
		return max(n, 0)
	}
	b := dialect.Bound{
		MaxTokens: max(number("max_tokens"), number("max_completion_tokens")),
		Answers:   max(number("n"), number("best_of"), 1),
	}
	if m.has("n_predict") { // llama.cpp's own word, which wins there
		if b.MaxTokens = max(b.MaxTokens, number("n_predict")); number("n_predict") == 0 {
			b.MaxTokens = 0
		}
	}
	return b
}

// neutral reports whether a parameter's value asks for nothing that would not
// happen without it, so that leaving it out changes nothing.
func neutral(name string, raw []byte) bool {
	s := string(raw)
	switch s {
	case "null", "[]", "{}", `""`:
		return true
	}
	switch name {
	case "n", "best_of":
		return s == "1"
	case "logprobs", "echo", "store":
		return s == "false"
	case "top_logprobs", "frequency_penalty", "presence_penalty":
		return s == "0" || s == "0.0"
	case "tool_choice", "service_tier":
		return s == `"auto"`
	case "function_call":
		return s == `"auto"` || s == `"none"`
	case "modalities":
		return s == `["text"]`
	case "parallel_tool_calls":
		return s == "true"
	case "response_format":
		return s == `{"type":"text"}`
	}
	return false
}
