// Package cohere is the codec of Cohere's POST /v2/embed: embeddings, and
// nothing else of that API.
//
// Where the dialects have no common ground, this is what happens:
//
//   - truncate is NONE where nobody says otherwise: at Cohere END is the default,
//     which cuts an input without a word.
//   - A provider of this dialect must be told what inputs are for. Where neither
//     the client nor the configuration says so the request is refused.
//   - Other vectors than float or base64 (int8, binary, ...), several kinds at once
//     and images are passed on as they are, to providers of this dialect only.
//   - user is left out and reported: it never changes a vector.
//   - texts are not repeated in an answer that comes from elsewhere.
//
// Shapes are those of the API reference and of Cohere's SDKs' types as of 2026.
package cohere

import (
	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
	"freehold/internal/sse"
)

// Name is the dialect's name.
const Name = "cohere"

// Codec is the dialect. The zero value is ready.
type Codec struct{}

var _ dialect.Codec = Codec{}

// Name implements dialect.Codec.
func (Codec) Name() string { return Name }

// KeepAlive implements dialect.Codec: a comment, which every client ignores.
func (Codec) KeepAlive() []byte { return []byte(": keep-alive\n\n") }

func noOperation(op llm.Operation) *fault.Error {
	return fault.New(fault.NotFound, "the Cohere dialect has no operation %q here", op)
}

// NewStreamDecoder implements dialect.Codec. Embeddings are not streamed: all
// that can come is an error.
func (Codec) NewStreamDecoder(llm.Operation) dialect.StreamDecoder { return noStream{} }

// NewStreamEncoder implements dialect.Codec.
func (Codec) NewStreamEncoder(llm.Operation, dialect.View, *llm.Accumulator) dialect.StreamEncoder {
	return noEncoder{}
}

type noEncoder struct{}

func (noEncoder) Encode(dst []byte, _ *llm.Event) ([]byte, error) {
	return dst, fault.New(fault.Unsupported, "embeddings are not streamed")
}

func (noEncoder) End(dst []byte) []byte { return dst }

type noStream struct{}

func (noStream) Decode(dst []llm.Event, ev *sse.Event) ([]llm.Event, error) {
	message, ok := complaint(ev.Data)
	if !ok {
		return dst, fault.New(fault.Malformed, "the provider streams what is not streamed")
	}
	return append(dst, llm.Event{Kind: llm.EventError, Err: fault.New(fault.StreamError, "%s", message)}), nil
}

func (noStream) End(dst []llm.Event) ([]llm.Event, error) {
	return dst, fault.New(fault.Cut, "the answer ended before it began")
}

// RewriteEvent implements dialect.Codec.
func (Codec) RewriteEvent(dst []byte, ev *sse.Event, _ dialect.View) []byte {
	return append(dst, ev.Raw...)
}

// RewriteReply implements dialect.Codec: an answer names no model.
func (Codec) RewriteReply(_ llm.Operation, body []byte, _ dialect.View) ([]byte, error) {
	return body, nil
}

// request and reply are what the protocol knows.
var (
	request = jsondoor.ObjectOf(jsondoor.Fields{
		"model": nil, "texts": jsondoor.ArrayOf(nil), "images": jsondoor.ArrayOf(nil), "inputs": jsondoor.ArrayOf(nil), "input_type": nil, "truncate": nil,
		"embedding_types": jsondoor.ArrayOf(nil), "output_dimension": nil, "max_tokens": nil, "priority": nil,
	})
	reply = jsondoor.ObjectOf(jsondoor.Fields{
		"id": nil, "message": nil, "response_type": nil, "texts": nil,
		"embeddings": jsondoor.ObjectOf(jsondoor.Fields{
			"float": jsondoor.ArrayOf(nil), "base64": jsondoor.ArrayOf(nil), "int8": jsondoor.ArrayOf(nil), "uint8": jsondoor.ArrayOf(nil),
			"binary": jsondoor.ArrayOf(nil), "ubinary": jsondoor.ArrayOf(nil),
		}),
		"meta": jsondoor.ObjectOf(jsondoor.Fields{"billed_units": jsondoor.ObjectOf(jsondoor.Fields{"input_tokens": nil})}),
	})
)

// document returns the index of a body that Read made, or makes it anew.
func document(b *dialect.Body) (*jsondoor.Doc, *fault.Error) {
	if d, ok := b.Index.(*jsondoor.Doc); ok {
		return d, nil
	}
	if b.Op != llm.Embedding {
		return nil, noOperation(b.Op)
	}
	d, err := jsondoor.Parse(b.Raw, request)
	if err != nil {
		return nil, refusal(err)
	}
	b.Index = d
	return d, nil
}
