package mock

import (
	"regexp"
	"strings"
)

var anthropicToolName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)

// newAnthropicShapes are the rules of the bodies of messages (without and with
// an anthropic-beta header) and of count_tokens.
func newAnthropicShapes(lenient []string) (message, beta, count rule) {
	cache := may(null(object(members{"type": must(oneOf("ephemeral")), "ttl": may(oneOf("5m", "1h"))})))
	cited := may(null(anything))
	textBlock := object(members{"type": must(text), "text": must(text), "cache_control": cache, "citations": cited})
	imageSource := tagged("type", "", map[string]rule{
		"base64": object(members{"type": must(text), "media_type": must(oneOf("image/jpeg", "image/png", "image/gif", "image/webp")), "data": must(base64Data)}),
		"url":    object(members{"type": must(text), "url": must(webAddress)}),
		"file":   object(members{"type": must(text), "file_id": must(text)}),
	})
	imageBlock := object(members{"type": must(text), "source": must(imageSource), "cache_control": cache, "transformations": may(anything)})
	documentBlock := object(members{"type": must(text), "source": must(mapOf(anything)), "cache_control": cache, "citations": cited, "context": may(null(text)), "title": may(null(text))})
	searchResult := object(members{"type": must(text), "source": must(text), "title": must(text), "content": must(list(textBlock, 1, 0)), "cache_control": cache, "citations": cited})
	resultContent := byKind{text: text, want: "a valid string or list", list: list(tagged("type", "", map[string]rule{
		"text": textBlock, "image": imageBlock, "document": documentBlock, "search_result": searchResult}), 0, 0)}.rule
	blocks := map[string]rule{
		"text": textBlock, "image": imageBlock, "document": documentBlock, "search_result": searchResult,
		"tool_use":          object(members{"type": must(text), "id": must(identifier), "name": must(nonEmpty), "input": must(mapOf(anything)), "cache_control": cache, "caller": may(anything)}),
		"tool_result":       object(members{"type": must(text), "tool_use_id": must(identifier), "content": may(resultContent), "is_error": may(boolean), "cache_control": cache}),
		"thinking":          object(members{"type": must(text), "thinking": must(text), "signature": must(text)}),
		"redacted_thinking": object(members{"type": must(text), "data": must(text)}),
	}
	for _, b := range []string{"server_tool_use", "web_search_tool_result", "web_fetch_tool_result", "code_execution_tool_result",
		"bash_code_execution_tool_result", "text_editor_code_execution_tool_result", "mcp_tool_use", "mcp_tool_result", "container_upload", "tool_reference"} {
		blocks[b] = mapOf(anything)
	}
	content := byKind{text: text, list: list(tagged("type", "", blocks), 0, 0), want: "a valid string or list"}.rule
	ownTool := object(members{"type": may(oneOf("custom")), "name": must(nonEmpty), "description": may(text), "input_schema": must(mapOf(anything)), "cache_control": cache,
		"strict": may(boolean), "eager_input_streaming": may(null(boolean)), "defer_loading": may(boolean), "allowed_callers": may(anything), "input_examples": may(anything)})
	tool := func(path []any, v any) *problem {
		if o, ok := v.(map[string]any); ok {
			if t, ok := o["type"].(string); ok && serverTool.MatchString(t) {
				return nil
			}
		}
		return ownTool(path, v)
	}
	alone := may(boolean)
	display := may(null(oneOf("summarized", "omitted")))
	common := members{
		"model":    must(nonEmpty),
		"messages": must(list(object(members{"role": must(oneOf("user", "assistant", "system")), "content": must(content)}), 1, 100000)),
		"system":   may(byKind{text: text, list: list(textBlock, 0, 0), want: "a valid string or list"}.rule),
		"tools":    may(list(tool, 0, 0)),
		"tool_choice": may(tagged("type", "", map[string]rule{
			"auto": object(members{"type": must(text), "disable_parallel_tool_use": alone}),
			"any":  object(members{"type": must(text), "disable_parallel_tool_use": alone}),
			"tool": object(members{"type": must(text), "name": must(nonEmpty), "disable_parallel_tool_use": alone}),
			"none": object(members{"type": must(text)}),
		})),
		"thinking": may(tagged("type", "", map[string]rule{
			"enabled":  object(members{"type": must(text), "budget_tokens": must(integer("1024", "")), "display": display}),
			"disabled": object(members{"type": must(text)}),
			"adaptive": object(members{"type": must(text), "display": display}),
		})),
		"output_config": may(object(members{"effort": may(null(oneOf("low", "medium", "high", "xhigh", "max"))), "task_budget": may(anything),
			"format": may(null(object(members{"type": must(oneOf("json_schema")), "schema": must(mapOf(anything))})))})),
		"cache_control": cache,
		"speed":         may(null(oneOf("standard", "fast"))),
	}
	create := common.with(members{
		"max_tokens":     must(integer("1", "")),
		"stream":         may(boolean),
		"stop_sequences": may(list(text, 0, 8191)),
		"temperature":    may(number("0", "1")),
		"top_p":          may(number("0", "1")),
		"top_k":          may(integer("0", "")),
		"metadata":       may(object(members{"user_id": may(null(text))})),
		"service_tier":   may(oneOf("auto", "standard_only")),
		"container":      may(null(anything)),
		"inference_geo":  may(null(text)),
		"diagnostics":    may(null(anything)),
	})
	for _, n := range lenient {
		create[n], common[n] = may(anything), may(anything)
	}
	any := may(anything)
	wide := create.with(members{"mcp_servers": any, "context_management": any, "output_format": any, "fallbacks": any, "fallback_credit_token": any, "compaction": any})
	return object(create), object(wide), object(common.with(members{"mcp_servers": any, "context_management": any, "output_format": any}))
}

// serverTool are the types of tools that Anthropic runs or defines itself.
var serverTool = regexp.MustCompile(`^[a-z_]+_20\d{6}$`)

func webAddress(path []any, v any) *problem {
	if p := text(path, v); p != nil {
		return p
	}
	if u := v.(string); !strings.HasPrefix(u, "https://") {
		return problemf(path, "", "Only HTTPS URLs are supported.")
	}
	return nil
}

var identifierForm = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)

func identifier(path []any, v any) *problem {
	if p := text(path, v); p != nil {
		return p
	}
	if !identifierForm.MatchString(v.(string)) {
		return problemf(path, "", "String should match pattern '^[a-zA-Z0-9_-]+$'")
	}
	return nil
}
