package openaichat

import (
	"strconv"
	"strings"

	"freehold/internal/llm"
)

// callID makes an id for the n-th tool call of an answer whose provider gave
// none. It is the same each time the answer is read, and differs between
// answers that have an id.
func callID(answer string, n int) string {
	clean := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r == '-' {
			return r
		}
		return -1
	}, answer)
	clean = strings.TrimPrefix(strings.TrimPrefix(clean, "chatcmpl-"), "cmpl-")
	if len(clean) > 40 {
		clean = clean[len(clean)-40:]
	}
	if clean != "" {
		clean += "_"
	}
	return "call_" + clean + strconv.Itoa(n)
}

// answerID is the id of an answer as an OpenAI client sees it.
func answerID(id, fallback string, op llm.Operation) string {
	if id != "" {
		return id
	}
	prefix := "chatcmpl-"
	if op == llm.Completion {
		prefix = "cmpl-"
	}
	if strings.HasPrefix(fallback, prefix) {
		return fallback
	}
	return prefix + fallback
}
