package admin

import (
	"encoding/json"
	"slices"

	"freehold/internal/config"
	"freehold/internal/gateway"
	"freehold/internal/llm"
	"freehold/internal/server"
)

// callAs makes c a request with a virtual key, named by its id or its name.
// Where nobody needs a key, a name stands for itself.
func (s *Service) callAs(c *gateway.Call, name string) error {
	if name == "" {
		return nil
	}
	key, err := s.app.Keys.Get(name)
	if err != nil {
		for _, k := range s.app.Keys.List() {
			if k.Name == name && k.Revoked.IsZero() {
				key, err = k, nil
			}
		}
	}
	switch {
	case err == nil:
		c.Caller, c.Tags = server.Caller(key), slices.Concat(key.Tags, c.Tags)
	case s.app.Config().Server.Auth == config.AuthNone:
		c.Caller.KeyName = name
	default:
		return err
	}
	return nil
}

// request is the body to plan for.
func (in *ExplainIn) request(op llm.Operation) ([]byte, error) {
	members := map[string]any{}
	switch {
	case len(in.Body) > 0:
		given := map[string]json.RawMessage{}
		if err := json.Unmarshal(in.Body, &given); err != nil {
			return nil, invalid("the body is not a JSON object: "+err.Error(), "")
		}
		for k, v := range given {
			members[k] = v
		}
	case op == llm.Embedding:
		members["input"] = in.Prompt
	case op == llm.Completion:
		members["prompt"] = in.Prompt
	default:
		members["messages"] = []any{map[string]any{"role": "user", "content": in.content()}}
		if in.Dialect == "anthropic" {
			members["max_tokens"] = 1024
		}
	}
	in.features(members)
	if in.Workload != "" {
		members["model"] = in.Workload
	}
	return json.Marshal(members)
}

// pixel is the smallest PNG.
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="

// content is a user message of the prompt, with an image if one is wanted.
func (in *ExplainIn) content() any {
	prompt := in.Prompt
	if prompt == "" {
		prompt = "Hello"
	}
	if !in.Images {
		return prompt
	}
	image := map[string]any{"type": "image_url", "image_url": map[string]string{"url": "data:image/png;base64," + pixel}}
	if in.Dialect == "anthropic" {
		image = map[string]any{"type": "image", "source": map[string]string{"type": "base64", "media_type": "image/png", "data": pixel}}
	}
	return []any{map[string]string{"type": "text", "text": prompt}, image}
}

// features puts what the request is said to have into its members.
func (in *ExplainIn) features(members map[string]any) {
	if in.MaxTokens > 0 {
		members["max_tokens"] = in.MaxTokens
		delete(members, "max_completion_tokens")
	}
	if in.Stream {
		members["stream"] = true
	}
	claude := in.Dialect == "anthropic"
	schema := map[string]any{"type": "object", "properties": map[string]any{}, "additionalProperties": false}
	if in.Tools && members["tools"] == nil {
		tool := map[string]any{"type": "function", "function": map[string]any{"name": "tool", "parameters": schema}}
		if claude {
			tool = map[string]any{"name": "tool", "input_schema": schema}
		}
		members["tools"] = []any{tool}
	}
	if in.JSON {
		if claude {
			members["output_config"] = map[string]any{"format": map[string]any{"type": "json_schema", "schema": schema}}
		} else if members["response_format"] == nil {
			members["response_format"] = map[string]string{"type": "json_object"}
		}
	}
}
