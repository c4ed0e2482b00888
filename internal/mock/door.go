package mock

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// anthropicVersions are the values of the anthropic-version header that are
// taken: those that the API's documentation lists, and the one that the Python
// SDK sends from 2.12 on. Others are refused, as the API does.
var anthropicVersions = []string{"2023-01-01", "2023-06-01", "2026-10-21"}

// authorize checks the key and the version headers.
func (x *exchange) authorize() (string, *problem) {
	h := x.r.Header
	bearer, isBearer := strings.CutPrefix(h.Get("Authorization"), "Bearer ")
	key, where, missing := bearer, "Authorization", "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
	wrong := "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys."
	if x.dialect == x.s.anthropic {
		where, missing, wrong = "x-api-key", "x-api-key header is required", "invalid x-api-key"
		if k := h.Get("X-Api-Key"); k != "" || !isBearer {
			key = k
		}
	} else if x.s.traits.apiKey {
		key, where = h.Get("Api-Key"), "api-key"
		if key == "" && isBearer {
			key = bearer // Microsoft Entra tokens
		}
	}
	if len(x.s.opts.Keys) > 0 {
		switch {
		case key == "":
			return "", &problem{status: http.StatusUnauthorized, message: missing + " (header " + where + ")"}
		case !slices.ContainsFunc(x.s.opts.Keys, func(k string) bool { return subtle.ConstantTimeCompare([]byte(k), []byte(key)) == 1 }):
			return "", &problem{status: http.StatusUnauthorized, code: "invalid_api_key", message: wrong}
		}
	}
	if x.dialect == x.s.anthropic {
		switch v := h.Get("Anthropic-Version"); {
		case v == "":
			return "", problemf(nil, "", "anthropic-version: header is required")
		case !slices.Contains(anthropicVersions, v):
			return "", problemf(nil, "", "anthropic-version: %q is not a valid version", v)
		}
	}
	if x.s.traits.apiKey && x.r.URL.Query().Get("api-version") == "" && !strings.Contains(x.r.URL.Path, "/openai/v1/") {
		return "", &problem{status: http.StatusNotFound, code: "404", message: "Resource not found"}
	}
	return key, nil
}

func (x *exchange) requestID() string { return "req_" + x.id }

// headers are those of every answer: the request's id and the rate limits.
func (x *exchange) headers(h http.Header) {
	n := x.entry.Number
	if x.dialect == x.s.anthropic {
		h.Set("Request-Id", x.requestID())
		h.Set("Anthropic-Organization-Id", "3f2c8a52-5d0e-4f6a-9b7e-2a1c0d9e8f70")
		reset := x.started.Add(time.Minute).UTC().Format(time.RFC3339)
		for kind, limit := range map[string]int{"Requests": 4000, "Tokens": 400000, "Input-Tokens": 320000, "Output-Tokens": 80000} {
			h.Set("Anthropic-Ratelimit-"+kind+"-Limit", fmt.Sprint(limit))
			h.Set("Anthropic-Ratelimit-"+kind+"-Remaining", fmt.Sprint(limit-n%limit))
			h.Set("Anthropic-Ratelimit-"+kind+"-Reset", reset)
		}
		return
	}
	h.Set("X-Request-Id", x.requestID())
	if x.s.opts.Profile == OpenAI || x.s.opts.Profile == Any {
		h.Set("Openai-Version", "2020-10-01")
		h.Set("Openai-Organization", "mock")
		h.Set("Openai-Processing-Ms", "1")
	}
	for kind, limit := range map[string]int{"Requests": 10000, "Tokens": 2000000} {
		h.Set("X-Ratelimit-Limit-"+kind, fmt.Sprint(limit))
		h.Set("X-Ratelimit-Remaining-"+kind, fmt.Sprint(limit-n%limit))
		h.Set("X-Ratelimit-Reset-"+kind, "6ms")
	}
}

func (x *exchange) noModel() *problem {
	if x.dialect == x.s.anthropic {
		return &problem{status: http.StatusNotFound, message: "model: " + x.model}
	}
	return &problem{status: http.StatusNotFound, code: "model_not_found", message: fmt.Sprintf("The model `%s` does not exist or you do not have access to it.", x.model)}
}

// modelsCreated is the age of all models.
var modelsCreated = time.Date(2024, 5, 13, 0, 0, 0, 0, time.UTC)

// models lists the models or shows one.
func (x *exchange) models() *script {
	names := x.s.opts.Models
	if names == nil {
		names = []string{"mock-large", "mock-small", "mock-embed"}
	}
	isAnthropic := x.dialect == x.s.anthropic
	one := func(name string) map[string]any {
		if isAnthropic {
			return map[string]any{"type": "model", "id": name, "display_name": name, "created_at": modelsCreated.Format(time.RFC3339)}
		}
		return map[string]any{"object": "model", "id": name, "created": modelsCreated.Unix(), "owned_by": "mock"}
	}
	var body map[string]any
	if id := x.route.model; id != "" {
		x.model = id
		if !slices.Contains(names, id) {
			return x.refuse(x.noModel())
		}
		body = one(id)
	} else {
		list := []any{}
		for _, n := range names {
			list = append(list, one(n))
		}
		body = map[string]any{"object": "list", "data": list}
		if isAnthropic {
			body = map[string]any{"data": list, "has_more": false, "first_id": nil, "last_id": nil}
			if len(names) > 0 {
				body["first_id"], body["last_id"] = names[0], names[len(names)-1]
			}
		}
	}
	if sc := x.strike(""); sc != nil {
		return sc
	}
	sc := plain(http.StatusOK, nil, []byte(compact(body)))
	x.headers(sc.header)
	if x.fault != nil {
		x.fault.strike(sc, x.dialect)
	}
	x.s.book.note(x.entry, x.model, false, sc.status, x.fault, "")
	return sc
}
