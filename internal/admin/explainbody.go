package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"freehold/internal/config"
	"freehold/internal/gateway"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
	"freehold/internal/server"
	"freehold/internal/suggest"
)

// callAs makes c a request with a virtual key, named by its id or its name.
// Where nobody needs a key, the gateway reads none, and a plan with one would be
// no plan of any request.
func (s *Service) callAs(c *gateway.Call, name string) error {
	if name == "" {
		return nil
	}
	if s.app.Config().Server.Auth == config.AuthNone {
		return invalid("server.auth is none: keys of requests are not read, so none decides for whom a plan is",
			"leave the key out, or set server.auth: keys")
	}
	key, err := s.app.Keys.Get(name)
	if err != nil {
		for _, k := range s.app.Keys.List() {
			if k.Name == name && k.Revoked.IsZero() {
				key, err = k, nil
			}
		}
	}
	if err == nil {
		c.Caller, c.Tags = server.Caller(key), slices.Concat(key.Tags, c.Tags)
	}
	return err
}

// headerOf is the header by which a tenant is known; empty for no tenant.
func (s *Service) headerOf(tenant string) (http.Header, error) {
	if tenant == "" {
		return nil, nil
	}
	t := s.app.Config().Tenants[tenant]
	if t == nil {
		return nil, invalid("there is no tenant "+strconv.Quote(tenant), suggest.Hint(tenant, slices.Sorted(maps.Keys(s.app.Config().Tenants))))
	}
	if t.Header == nil {
		return nil, invalid("the tenant "+tenant+" is known by its keys, not by a header", "name one of its keys ("+strings.Join(t.Keys, ", ")+") instead: --key (key)")
	}
	return http.Header{http.CanonicalHeaderKey(t.Header.Name): {t.Header.Value}}, nil
}

// request is the body to plan for. A given one stays as it is but for what is
// asked to be put into it, so that what is wrong with it is found by who reads
// requests.
func (in *ExplainIn) request(op llm.Operation) ([]byte, error) {
	if in.MaxTokens < 0 {
		return nil, invalid(fmt.Sprintf("max_tokens is %d", in.MaxTokens), "it is a number of at least 1")
	}
	body := []byte(in.Body)
	if len(body) == 0 {
		members := map[string]any{}
		switch op {
		case llm.Embedding:
			members["input"] = in.Prompt
		case llm.Completion:
			members["prompt"] = in.Prompt
		default:
			members["messages"] = []any{map[string]any{"role": "user", "content": in.content()}}
			if in.Dialect == "anthropic" {
				members["max_tokens"] = 1024
			}
		}
		var err error
		if body, err = plainJSON(members); err != nil {
			return nil, err
		}
	}
	doc, err := jsondoor.ParseLax(body, ownMembers)
	if err != nil {
		return body, nil // the codec, which is stricter, says what is wrong with it
	}
	defer doc.Release()
	if doc.Root().Kind() != jsondoor.Object {
		return body, nil
	}
	patch := doc.Patch()
	err = in.features(func(name string, v any) error {
		raw, err := json.Marshal(v)
		if err == nil {
			patch.Set(doc.Root(), name, raw)
		}
		return err
	}, doc.Root())
	return patch.Bytes(), err
}

// ownMembers are the members that an explanation looks at or sets.
var ownMembers = jsondoor.ObjectOf(jsondoor.Fields{
	"model": nil, "max_tokens": nil, "max_completion_tokens": nil, "stream": nil, "tools": nil, "output_config": nil, "response_format": nil,
})

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
func (in *ExplainIn) features(set func(name string, v any) error, has jsondoor.Value) error {
	claude := in.Dialect == "anthropic"
	schema := map[string]any{"type": "object", "properties": map[string]any{}, "additionalProperties": false}
	var errs []error
	put := func(name string, v any) { errs = append(errs, set(name, v)) }
	if in.Workload != "" {
		put("model", in.Workload)
	}
	if in.MaxTokens > 0 {
		name := "max_tokens"
		if !claude && has.Get("max_completion_tokens").Exists() {
			name = "max_completion_tokens"
		}
		put(name, in.MaxTokens)
	}
	if in.Stream {
		put("stream", true)
	}
	if in.Tools && !has.Get("tools").Present() {
		tool := map[string]any{"type": "function", "function": map[string]any{"name": "tool", "parameters": schema}}
		if claude {
			tool = map[string]any{"name": "tool", "input_schema": schema}
		}
		put("tools", []any{tool})
	}
	if in.JSON {
		if claude {
			put("output_config", map[string]any{"format": map[string]any{"type": "json_schema", "schema": schema}})
		} else if !has.Get("response_format").Present() {
			put("response_format", map[string]string{"type": "json_object"})
		}
	}
	return errors.Join(errs...)
}
