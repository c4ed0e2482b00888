package anthropic

import "freehold/internal/dialect"

// Name is the dialect's name.
const Name = "anthropic"

// Codec is the Anthropic dialect. Its zero value is ready for use.
type Codec struct{}

var _ dialect.Codec = Codec{}

// Name implements dialect.Codec.
func (Codec) Name() string { return Name }

// KeepAlive implements dialect.Codec: a ping event, as the API sends it.
func (Codec) KeepAlive() []byte { return []byte(pingEvent) }
