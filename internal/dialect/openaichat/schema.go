package openaichat

import (
	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// What the protocol knows, for the door and for finding values. Members that
// are not named here are kept as they are for providers of the same dialect.
var (
	call = jsondoor.ObjectOf(jsondoor.Fields{
		"index": nil, "id": nil, "type": nil,
		"function": jsondoor.ObjectOf(jsondoor.Fields{"name": nil, "arguments": nil}),
	})
	legacyCall = jsondoor.ObjectOf(jsondoor.Fields{"name": nil, "arguments": nil})

	part = jsondoor.ObjectOf(jsondoor.Fields{
		"type": nil, "text": nil, "refusal": nil, "cache_control": nil,
		"image_url":   jsondoor.ObjectOf(jsondoor.Fields{"url": nil, "detail": nil}),
		"input_audio": jsondoor.ObjectOf(jsondoor.Fields{"data": nil, "format": nil}),
		"file":        jsondoor.ObjectOf(jsondoor.Fields{"file_data": nil, "file_id": nil, "filename": nil}),
		"thinking":    thoughts,
	})
	thoughts = jsondoor.ArrayOf(jsondoor.ObjectOf(jsondoor.Fields{"type": nil, "text": nil}))

	thinkingBlock = jsondoor.ObjectOf(jsondoor.Fields{"type": nil, "thinking": nil, "signature": nil, "data": nil})

	message = jsondoor.ObjectOf(jsondoor.Fields{
		"role": nil, "content": jsondoor.ArrayOf(part), "name": nil, "refusal": nil,
		"tool_calls": jsondoor.ArrayOf(call), "tool_call_id": nil, "function_call": legacyCall,
		"reasoning_content": nil, "reasoning": nil, "thinking_blocks": jsondoor.ArrayOf(thinkingBlock),
		"audio": nil, "prefix": nil,
	})

	tool = jsondoor.ObjectOf(jsondoor.Fields{
		"type": nil, "cache_control": nil,
		"function": jsondoor.ObjectOf(jsondoor.Fields{"name": nil, "description": nil, "parameters": nil, "strict": nil}),
	})

	common = jsondoor.ObjectOf(jsondoor.Fields{
		"model": nil, "stream": nil, "user": nil, "n": nil, "seed": nil, "stop": jsondoor.ArrayOf(nil),
		"stream_options": jsondoor.ObjectOf(jsondoor.Fields{"include_usage": nil, "include_obfuscation": nil}),
		"max_tokens":     nil, "temperature": nil, "top_p": nil, "top_k": nil, "logit_bias": nil, "logprobs": nil,
		"frequency_penalty": nil, "presence_penalty": nil,
	})

	chatRequest = common.Extend(jsondoor.Fields{
		"messages": jsondoor.ArrayOf(message), "max_completion_tokens": nil, "top_logprobs": nil,
		"response_format": jsondoor.ObjectOf(jsondoor.Fields{
			"type":        nil,
			"json_schema": jsondoor.ObjectOf(jsondoor.Fields{"name": nil, "description": nil, "schema": nil, "strict": nil}),
		}),
		"tools": jsondoor.ArrayOf(tool), "parallel_tool_calls": nil,
		"tool_choice": jsondoor.ObjectOf(jsondoor.Fields{
			"type": nil, "function": jsondoor.ObjectOf(jsondoor.Fields{"name": nil}),
		}),
		"functions": nil, "function_call": legacyCall,
		"reasoning_effort": nil, "reasoning": nil, "safety_identifier": nil, "service_tier": nil,
		"modalities": jsondoor.ArrayOf(nil), "audio": nil, "prediction": nil, "web_search_options": nil,
		"metadata": nil, "store": nil, "verbosity": nil, "prompt_cache_key": nil,
	})

	completionRequest = common.Extend(jsondoor.Fields{
		"prompt": jsondoor.ArrayOf(nil), "suffix": nil, "echo": nil, "best_of": nil,
	})

	embeddingRequest = jsondoor.ObjectOf(jsondoor.Fields{
		"model": nil, "input": jsondoor.ArrayOf(nil), "encoding_format": nil, "dimensions": nil, "user": nil, "input_type": nil,
	})

	usage = jsondoor.ObjectOf(jsondoor.Fields{
		"prompt_tokens": nil, "completion_tokens": nil, "total_tokens": nil,
		"prompt_tokens_details":     jsondoor.ObjectOf(jsondoor.Fields{"cached_tokens": nil, "cache_creation_tokens": nil}),
		"completion_tokens_details": jsondoor.ObjectOf(jsondoor.Fields{"reasoning_tokens": nil}),
		"prompt_cache_hit_tokens":   nil, // DeepSeek
	})

	errorObject = jsondoor.ObjectOf(jsondoor.Fields{
		"message": nil, "type": nil, "param": nil, "code": nil,
		"innererror": jsondoor.ObjectOf(jsondoor.Fields{"code": nil}),
		"metadata":   jsondoor.ObjectOf(jsondoor.Fields{"raw": nil, "reasons": nil, "flagged_input": nil}),
	})

	choice = jsondoor.ObjectOf(jsondoor.Fields{
		"index": nil, "message": message, "delta": message, "text": nil, "logprobs": nil, "finish_reason": nil,
	})

	// answer is a whole reply and a chunk of a stream, of chat and completions.
	answer = jsondoor.ObjectOf(jsondoor.Fields{
		"id": nil, "object": nil, "created": nil, "model": nil, "system_fingerprint": nil, "service_tier": nil,
		"choices": jsondoor.ArrayOf(choice), "usage": usage, "error": errorObject,
		"x_groq": jsondoor.ObjectOf(jsondoor.Fields{"usage": usage, "error": nil}),
	})

	embeddings = jsondoor.ObjectOf(jsondoor.Fields{
		"id": nil, "object": nil, "model": nil, "created": nil, "usage": usage, "error": errorObject,
		"data": jsondoor.ArrayOf(jsondoor.ObjectOf(jsondoor.Fields{"object": nil, "index": nil, "embedding": nil})),
	})
)

func requestSchema(op llm.Operation) (*jsondoor.Schema, *fault.Error) {
	switch op {
	case llm.Chat:
		return chatRequest, nil
	case llm.Completion:
		return completionRequest, nil
	case llm.Embedding:
		return embeddingRequest, nil
	}
	return nil, noOperation(op)
}
