package anthropic

import "freehold/internal/jsondoor"

// What the protocol knows of a request. Tool inputs, tool schemas and metadata
// are the client's own and left alone.
var (
	sourceSchema = jsondoor.ObjectOf(jsondoor.Fields{
		"type": nil, "media_type": nil, "data": nil, "url": nil, "file_id": nil, "content": nil,
	})
	blockFields = jsondoor.Fields{
		"type": nil, "text": nil, "source": sourceSchema, "cache_control": nil, "citations": nil,
		"title": nil, "context": nil, "id": nil, "name": nil, "input": nil, "tool_use_id": nil,
		"content": nil, "is_error": nil, "thinking": nil, "signature": nil, "data": nil,
		"caller": nil, "toolset_name": nil, "transformations": nil,
	}
	formatSchema  = jsondoor.ObjectOf(jsondoor.Fields{"type": nil, "schema": nil})
	innerSchema   = jsondoor.ObjectOf(blockFields)
	blockSchema   = innerSchema.Extend(jsondoor.Fields{"content": jsondoor.ArrayOf(innerSchema)})
	messageSchema = jsondoor.ObjectOf(jsondoor.Fields{"role": nil, "content": jsondoor.ArrayOf(blockSchema)})
	toolSchema    = jsondoor.ObjectOf(jsondoor.Fields{
		"type": nil, "name": nil, "description": nil, "input_schema": nil, "cache_control": nil, "strict": nil,
	})
	requestSchema = jsondoor.ObjectOf(jsondoor.Fields{
		"model": nil, "messages": jsondoor.ArrayOf(messageSchema), "max_tokens": nil,
		"system": jsondoor.ArrayOf(blockSchema), "tools": jsondoor.ArrayOf(toolSchema),
		"tool_choice":   jsondoor.ObjectOf(jsondoor.Fields{"type": nil, "name": nil, "disable_parallel_tool_use": nil}),
		"thinking":      jsondoor.ObjectOf(jsondoor.Fields{"type": nil, "budget_tokens": nil, "display": nil}),
		"output_config": jsondoor.ObjectOf(jsondoor.Fields{"effort": nil, "format": formatSchema}),
		"output_format": formatSchema,
		"metadata":      jsondoor.Everything, "stop_sequences": jsondoor.ArrayOf(nil),
		"temperature": nil, "top_p": nil, "top_k": nil, "stream": nil, "service_tier": nil,
		"cache_control": nil, "container": nil, "mcp_servers": nil, "context_management": nil,
		"speed": nil, "inference_geo": nil, "diagnostics": nil,
	})
)

// What is read of answers, whole and streamed.
var (
	usageSchema = jsondoor.ObjectOf(jsondoor.Fields{
		"input_tokens": nil, "output_tokens": nil, "cache_read_input_tokens": nil, "cache_creation_input_tokens": nil,
		"output_tokens_details": jsondoor.ObjectOf(jsondoor.Fields{"thinking_tokens": nil}),
	})
	errorSchema  = jsondoor.ObjectOf(jsondoor.Fields{"type": nil, "message": nil})
	answerSchema = jsondoor.ObjectOf(jsondoor.Fields{
		"id": nil, "type": nil, "role": nil, "model": nil, "content": jsondoor.ArrayOf(innerSchema),
		"stop_reason": nil, "stop_sequence": nil, "usage": usageSchema, "input_tokens": nil, "error": errorSchema,
	})
	eventSchema = jsondoor.ObjectOf(jsondoor.Fields{
		"type": nil, "index": nil, "message": answerSchema, "content_block": innerSchema,
		"delta": jsondoor.ObjectOf(jsondoor.Fields{
			"type": nil, "text": nil, "partial_json": nil, "thinking": nil, "signature": nil,
			"stop_reason": nil, "stop_sequence": nil,
		}),
		"usage": usageSchema, "error": errorSchema,
	})
	envelopeSchema = jsondoor.ObjectOf(jsondoor.Fields{"type": nil, "error": errorSchema})
)
