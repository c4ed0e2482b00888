package mock

import (
	"encoding/base64"
	"regexp"
	"strings"
)

// functionName is what tools may be called.
var functionName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

// openaiShapes are the rules of the OpenAI bodies for one kind of server.
type openaiShapes struct{ chat, completion, embedding rule }

func newOpenAIShapes(t traits, v vectorTraits, lenient []string) openaiShapes {
	sampling := members{
		"model":             must(nonEmpty),
		"frequency_penalty": may(null(number("-2", "2"))),
		"presence_penalty":  may(null(number("-2", "2"))),
		"logit_bias":        may(null(mapOf(number("-100", "100")))),
		"max_tokens":        may(null(integer("1", ""))),
		"n":                 may(null(integer("1", "128"))),
		"seed":              may(null(integer("-9223372036854775808", "9223372036854775807"))),
		"stop":              may(null(byKind{text: nonEmpty, list: list(nonEmpty, 0, 4), want: "a string or an array of strings"}.rule)),
		"stream":            may(null(boolean)),
		"stream_options":    may(null(object(members{"include_usage": may(boolean), "include_obfuscation": may(boolean)}))),
		"temperature":       may(null(number("0", "2"))),
		"top_p":             may(null(number("0", "1"))),
		"user":              may(text),
	}
	effort := oneOf("none", "minimal", "low", "medium", "high", "xhigh", "max")
	fn := members{"name": must(nonEmpty), "description": may(null(text)), "parameters": may(null(mapOf(anything))), "strict": may(null(boolean))}
	format := tagged("type", "", map[string]rule{
		"text":        object(members{"type": must(text)}),
		"json_object": object(members{"type": must(text)}),
		"json_schema": object(members{"type": must(text), "json_schema": must(object(members{
			"name": must(nonEmpty), "description": may(text), "schema": may(mapOf(anything)), "strict": may(null(boolean))}))}),
	})
	chat := sampling.with(members{
		"messages":               must(list(messageRule(t), 1, 0)),
		"audio":                  may(null(object(members{"voice": must(anything), "format": must(oneOf("wav", "aac", "mp3", "flac", "opus", "pcm16"))}))),
		"function_call":          may(anything),
		"functions":              may(list(object(fn), 1, 128)),
		"logprobs":               may(null(boolean)),
		"top_logprobs":           may(null(integer("0", "20"))),
		"max_completion_tokens":  may(null(integer("1", ""))),
		"metadata":               may(null(mapOf(text))),
		"modalities":             may(null(list(oneOf("text", "audio"), 1, 0))),
		"moderation":             may(null(mapOf(anything))),
		"parallel_tool_calls":    may(boolean),
		"prediction":             may(null(object(members{"type": must(oneOf("content")), "content": must(byKind{text: text, list: list(textPart, 1, 0), want: "a string or an array of content parts"}.rule)}))),
		"prompt_cache_key":       may(null(text)),
		"prompt_cache_options":   may(null(mapOf(anything))),
		"prompt_cache_retention": may(null(oneOf("in_memory", "in-memory", "24h"))),
		"reasoning_effort":       may(null(effort)),
		"response_format":        may(format),
		"safety_identifier":      may(null(text)),
		"service_tier":           may(null(oneOf("auto", "default", "flex", "scale", "priority"))),
		"store":                  may(null(boolean)),
		"tool_choice":            may(toolChoice(t)),
		"tools": may(list(tagged("type", "", map[string]rule{
			"function": object(members{"type": must(text), "function": must(object(fn))}),
			"custom":   object(members{"type": must(text), "custom": must(mapOf(anything))}),
		}), 1, 128)),
		"verbosity":          may(null(oneOf("low", "medium", "high"))),
		"web_search_options": may(mapOf(anything)),
	})
	promptText := byKind{text: text, want: "a string", list: list(byKind{text: text, number: integer("0", ""), list: list(integer("0", ""), 1, 0), want: "a string or token"}.rule, 1, 2048)}
	completion := sampling.with(members{
		"prompt":   must(promptText.rule),
		"best_of":  may(null(integer("1", "20"))),
		"echo":     may(null(boolean)),
		"logprobs": may(null(integer("0", "5"))),
		"suffix":   may(null(text)),
	})
	each := byKind{text: nonEmpty, number: integer("0", ""), list: list(integer("0", ""), 1, 0), want: "a string or token"}
	if v.textOnly {
		each = byKind{text: nonEmpty, want: "a string"}
	}
	embedding := members{
		"model":           must(nonEmpty),
		"input":           must(byKind{text: nonEmpty, want: "a string or an array", list: list(each.rule, 1, v.maxInputs)}.rule),
		"dimensions":      may(integer("1", "")),
		"encoding_format": may(oneOf("float", "base64")),
		"user":            may(text),
	}
	adjust := func(ms members) rule {
		for _, n := range t.extra {
			ms[n] = may(anything)
		}
		for _, n := range t.missing {
			delete(ms, n)
		}
		for _, n := range lenient {
			ms[n] = may(anything)
		}
		return object(ms)
	}
	return openaiShapes{adjust(chat), adjust(completion), adjust(embedding)}
}

func textPart(path []any, v any) *problem {
	return tagged("type", "", map[string]rule{"text": object(members{"type": must(text), "text": must(text)})})(path, v)
}

func toolChoice(t traits) rule {
	words := oneOf("none", "auto", "required")
	if t.callID == 9 { // Mistral says any
		words = oneOf("none", "auto", "any", "required")
	}
	name := object(members{"name": must(nonEmpty)})
	return byKind{text: words, want: "one of none, auto, required or an object", object: tagged("type", "", map[string]rule{
		"function":      object(members{"type": must(text), "function": must(name)}),
		"custom":        object(members{"type": must(text), "custom": must(name)}),
		"allowed_tools": object(members{"type": must(text), "allowed_tools": must(mapOf(anything))}),
	})}.rule
}

func messageRule(t traits) rule {
	common := members{"role": must(text), "name": may(text)}
	texts := byKind{text: text, list: list(textPart, 1, 0), want: "a string or an array of content parts"}.rule
	parts := byKind{text: text, want: "a string or an array of content parts", list: list(tagged("type", "", map[string]rule{
		"text":        object(members{"type": must(text), "text": must(text), "prompt_cache_breakpoint": may(anything)}),
		"image_url":   object(members{"type": must(text), "image_url": must(object(members{"url": must(imageURL), "detail": may(oneOf("auto", "low", "high"))})), "prompt_cache_breakpoint": may(anything)}),
		"input_audio": object(members{"type": must(text), "input_audio": must(object(members{"data": must(base64Data), "format": must(oneOf("wav", "mp3"))}))}),
		"file":        object(members{"type": must(text), "file": must(object(members{"file_data": may(text), "file_id": may(text), "filename": may(text)}))}),
	}), 1, 0)}.rule
	called := object(members{"name": must(nonEmpty), "arguments": must(text)})
	asst := common.with(members{
		"content": may(null(byKind{text: text, want: "a string or an array of content parts", list: list(tagged("type", "", map[string]rule{
			"text":    object(members{"type": must(text), "text": must(text)}),
			"refusal": object(members{"type": must(text), "refusal": must(text)}),
		}), 1, 0)}.rule)),
		"refusal":       may(null(text)),
		"audio":         may(null(object(members{"id": must(text)}))),
		"function_call": may(null(called)),
		"tool_calls": may(list(tagged("type", "", map[string]rule{
			"function": object(members{"id": must(nonEmpty), "type": must(text), "function": must(called)}),
			"custom":   object(members{"id": must(nonEmpty), "type": must(text), "custom": must(object(members{"name": must(text), "input": must(text)}))}),
		}), 1, 128)),
		"annotations": may(list(anything, 0, 0)),
	})
	for _, n := range t.extraMessage {
		asst[n] = may(anything)
	}
	roles := map[string]rule{
		"developer": object(common.with(members{"content": must(texts)})),
		"system":    object(common.with(members{"content": must(texts)})),
		"user":      object(common.with(members{"content": must(parts)})),
		"assistant": object(asst),
		"tool":      object(common.with(members{"content": must(texts), "tool_call_id": must(text)})),
		"function":  object(common.with(members{"content": must(null(text)), "name": must(text)})),
	}
	if t.callID == 9 { // Mistral: no developer role, names on tool messages only
		delete(roles, "developer")
		delete(roles, "function")
		for _, r := range []string{"system", "user", "assistant"} {
			inner := roles[r]
			roles[r] = func(path []any, v any) *problem {
				if o, ok := v.(map[string]any); ok && o["name"] != nil {
					return &problem{kind: unknownMember, path: at(path, "name")}
				}
				return inner(path, v)
			}
		}
	}
	return tagged("role", "", roles)
}

// imageURL is the address of an image or its data.
func imageURL(path []any, v any) *problem {
	if p := nonEmpty(path, v); p != nil {
		return p
	}
	u := v.(string)
	if strings.HasPrefix(u, "https://") || strings.HasPrefix(u, "http://") {
		return nil
	}
	kind, data, ok := strings.Cut(u, ";base64,")
	if !ok || !strings.HasPrefix(kind, "data:image/") {
		return problemf(path, "invalid_image_url", "Invalid image URL: expected an http(s) URL or a base64-encoded data URL with an image MIME type (e.g. 'data:image/png;base64,...').")
	}
	if _, err := base64.StdEncoding.DecodeString(data); err != nil || data == "" {
		return problemf(path, "invalid_base64", "Invalid base64 image_url.")
	}
	return nil
}
