package meter

import (
	"fmt"

	"freehold/internal/llm"
)

// Check says whether u keeps the rules of llm.Usage: CachedInput and
// CacheWrite are disjoint parts of Input, Reasoning is a part of Output. A
// codec that fails to normalise (Anthropic counts cached tokens beside
// input_tokens, OpenAI inside prompt_tokens) shows up here rather than as a
// wrong amount of money.
func Check(u llm.Usage) error {
	switch {
	case u.Input < 0 || u.Output < 0 || u.CachedInput < 0 || u.CacheWrite < 0 || u.Reasoning < 0:
		return fmt.Errorf("usage has a negative token count: %+v", u)
	case u.CachedInput > u.Input || u.CacheWrite > u.Input-u.CachedInput:
		return fmt.Errorf("usage counts %d cached and %d cache-write tokens within %d input tokens", u.CachedInput, u.CacheWrite, u.Input)
	case u.Reasoning > u.Output:
		return fmt.Errorf("usage counts %d reasoning tokens within %d output tokens", u.Reasoning, u.Output)
	}
	return nil
}
