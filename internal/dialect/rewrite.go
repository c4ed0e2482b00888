package dialect

import (
	"freehold/internal/llm"
	"freehold/internal/sse"
)

// rewritten is a decoder whose events are changed on their way.
type rewritten struct {
	inner   StreamDecoder
	rewrite func([]llm.Event)
}

func (r *rewritten) Decode(dst []llm.Event, ev *sse.Event) ([]llm.Event, error) {
	from := len(dst)
	dst, err := r.inner.Decode(dst, ev)
	r.rewrite(dst[from:])
	return dst, err
}

func (r *rewritten) End(dst []llm.Event) ([]llm.Event, error) {
	from := len(dst)
	dst, err := r.inner.End(dst)
	r.rewrite(dst[from:])
	return dst, err
}
