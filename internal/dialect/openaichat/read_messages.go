package openaichat

import (
	"fmt"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

func inspectMessages(messages jsondoor.Value, f *llm.Facts) *fault.Error {
	if !messages.Present() {
		return missing("messages")
	}
	if !messages.First().Exists() {
		return empty("messages")
	}
	var conversation dialect.Conversation
	first := true   // up to the first user message
	leading := true // up to the first that is no system prompt
	i := 0
	for m := messages.First(); m.Exists(); m, i = m.Next(), i+1 {
		if m.Kind() != jsondoor.Object {
			return wrongType(fmt.Sprintf("messages[%d]", i), "an object", m)
		}
		role, content := m.Get("role"), m.Get("content")
		if !role.Present() {
			return missing(fmt.Sprintf("messages[%d].role", i))
		}
		if role.Kind() != jsondoor.String {
			return wrongType(fmt.Sprintf("messages[%d].role", i), "a string", role)
		}
		if !knownRole(role) {
			return unknownRole(role, i)
		}
		before := f.TextBytes
		if bad := inspectContent(content, f, i); bad != nil {
			return bad
		}
		if leading = leading && (role.Is("system") || role.Is("developer")); leading {
			f.SystemBytes += f.TextBytes - before
		}
		assistant := role.Is("assistant")
		if assistant && m.Get("audio").Present() { // an earlier answer, by its id
			f.Unsized = true
		}
		if !content.Present() && !assistant {
			return missing(fmt.Sprintf("messages[%d].content", i))
		}
		if bad := inspectCalls(m.Get("tool_calls"), f, i); bad != nil {
			return bad
		}
		if id := m.Get("tool_call_id"); role.Is("tool") && id.Kind() != jsondoor.String {
			if !id.Present() {
				return missing(fmt.Sprintf("messages[%d].tool_call_id", i))
			}
			return wrongType(fmt.Sprintf("messages[%d].tool_call_id", i), "a string", id)
		}
		user := role.Is("user")
		if user {
			f.Turns++
		}
		if first {
			if user || role.Is("system") || role.Is("developer") {
				conversation.Add(content.Raw())
			}
			first = !user
		}
		if assistant && !m.Next().Exists() && !m.Get("tool_calls").Present() {
			f.Features |= llm.FeaturePrefill
		}
	}
	f.Conversation = conversation.Key()
	return nil
}

func knownRole(role jsondoor.Value) bool {
	return role.Is("user") || role.Is("assistant") || role.Is("tool") || role.Is("system") || role.Is("developer") || role.Is("function")
}

func unknownRole(role jsondoor.Value, i int) *fault.Error {
	param := fmt.Sprintf("messages[%d].role", i)
	return &fault.Error{Kind: fault.BadRequest, Code: "invalid_value", Param: param,
		Message: fmt.Sprintf("Invalid value for '%s': %.80s. Supported values are: 'system', 'developer', 'user', 'assistant', 'tool' and 'function'.", param, role.Raw())}
}

func inspectContent(content jsondoor.Value, f *llm.Facts, i int) *fault.Error {
	if !(str | list).fits(content) {
		return wrongType(fmt.Sprintf("messages[%d].content", i), (str | list).String(), content)
	}
	f.TextBytes += content.Size()
	j := 0
	for p := content.First(); p.Exists(); p, j = p.Next(), j+1 {
		typ := p.Get("type")
		if p.Kind() != jsondoor.Object {
			return wrongType(fmt.Sprintf("messages[%d].content[%d]", i, j), "an object", p)
		}
		if typ.Kind() != jsondoor.String {
			return missing(fmt.Sprintf("messages[%d].content[%d].type", i, j))
		}
		switch {
		case typ.Is("text"):
			text := p.Get("text")
			if text.Kind() != jsondoor.String {
				return wrongType(fmt.Sprintf("messages[%d].content[%d].text", i, j), "a string", text)
			}
			f.TextBytes += text.Size()
		case typ.Is("image_url"):
			if image := p.Get("image_url"); image.Kind() != jsondoor.String && image.Get("url").Kind() != jsondoor.String {
				return missing(fmt.Sprintf("messages[%d].content[%d].image_url.url", i, j))
			}
			f.Features |= llm.FeatureImages
		case typ.Is("input_audio"):
			f.Features |= llm.FeatureAudio
		case typ.Is("file"):
			f.Features |= llm.FeatureDocuments
		case typ.Is("refusal"), typ.Is("thinking"), typ.Is("redacted_thinking"):
		default:
			f.Unsized = true
		}
		if p.Get("cache_control").Present() {
			f.Features |= llm.FeatureCacheControl
		}
	}
	return nil
}

func inspectCalls(calls jsondoor.Value, f *llm.Facts, i int) *fault.Error {
	if !list.fits(calls) {
		return wrongType(fmt.Sprintf("messages[%d].tool_calls", i), "an array", calls)
	}
	j := 0
	for c := calls.First(); c.Exists(); c, j = c.Next(), j+1 {
		if c.Kind() != jsondoor.Object {
			return wrongType(fmt.Sprintf("messages[%d].tool_calls[%d]", i, j), "an object", c)
		}
		fn := c.Get("function")
		if t := c.Get("type"); t.Present() && !t.Is("function") {
			continue
		}
		if fn.Get("name").Kind() != jsondoor.String {
			return missing(fmt.Sprintf("messages[%d].tool_calls[%d].function.name", i, j))
		}
		args := fn.Get("arguments")
		if !str.fits(args) {
			return wrongType(fmt.Sprintf("messages[%d].tool_calls[%d].function.arguments", i, j), "a string", args)
		}
		f.TextBytes += args.Size()
	}
	return nil
}
