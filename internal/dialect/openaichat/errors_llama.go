package openaichat

import (
	"strings"

	"freehold/internal/fault"
)

// llamaMistake reads what llama.cpp's server says when a request is at fault,
// or needs what this model does not have, and which it tells as a failure of
// its own (500) or without naming the parameter. It returns nil for anything
// else. Its words are in docs/engine.md.
func llamaMistake(status int, text string) *fault.Error {
	if status != 500 && status != 400 {
		return nil
	}
	lacking := func(param string) *fault.Error {
		return &fault.Error{Kind: fault.Unsupported, Code: "unsupported_parameter", Param: param, NoRetry: true}
	}
	for _, part := range []string{"messages", "tools"} {
		what, ok := strings.CutPrefix(text, "failed to parse "+part+": ")
		switch {
		case !ok:
		case strings.HasPrefix(what, "unsupported "): // a type that this version does not know
			return lacking(part)
		default:
			return &fault.Error{Kind: fault.ProviderRejected, Param: part}
		}
	}
	switch {
	case strings.Contains(text, " input is not supported - hint: "): // image, audio, video: no projector
		return lacking("messages")
	case strings.HasPrefix(text, "field 'n': value must be between "): // more choices than slots
		return lacking("n")
	case strings.HasPrefix(text, "unknown reasoning format"):
		return &fault.Error{Kind: fault.ProviderRejected, Param: "reasoning_format"}
	}
	return nil
}
