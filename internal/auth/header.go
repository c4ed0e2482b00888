package auth

import (
	"net/http"
	"strings"
)

// The headers that carry a key, in the canonical form of [http.Header]:
// OpenAI's, Anthropic's, Azure's and Gemini's.
const (
	headerAuthorization = "Authorization"
	headerAnthropic     = "X-Api-Key"
	headerAzure         = "Api-Key"
	headerGemini        = "X-Goog-Api-Key"
)

// KeyFromHeader returns the one key that a request carries. The same key in
// several headers is one key; two different keys are refused, since whichever we
// took, the other could be what somebody before us has checked. The error is a
// [*Denied].
func KeyFromHeader(h http.Header) (string, error) {
	key := ""
	take := func(candidate string) bool {
		candidate = strings.TrimSpace(candidate)
		if candidate == "" || candidate == key {
			return true
		}
		if key != "" {
			return false
		}
		key = candidate
		return true
	}
	unique := true
	for _, value := range h[headerAuthorization] {
		scheme, credentials, _ := strings.Cut(strings.TrimSpace(value), " ")
		if scheme == "" {
			continue
		}
		if !strings.EqualFold(scheme, "Bearer") {
			return "", deny(CodeInvalidKey, "", "the Authorization header is not of the form `Bearer KEY`: send `Authorization: Bearer fh_...`")
		}
		unique = take(credentials) && unique
	}
	for _, name := range [...]string{headerAnthropic, headerAzure, headerGemini} {
		for _, value := range h[name] {
			unique = take(value) && unique
		}
	}
	if !unique {
		return "", deny(CodeInvalidKey, "", "the request carries two different keys: send one, in one of the headers Authorization, x-api-key, api-key or x-goog-api-key")
	}
	if key == "" {
		return "", deny(CodeMissingKey, "", "the request carries no key: send `Authorization: Bearer fh_...` (or x-api-key, api-key, x-goog-api-key); "+
			"create a key with `freehold keys create NAME`")
	}
	return key, nil
}
