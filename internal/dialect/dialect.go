// Package dialect says what a wire dialect is: a codec between a provider's or
// client's bytes and the canonical model of package llm. Each dialect lives in
// a package below; dialecttest is the suite that every one of them passes.
//
// A request goes one of two ways. When client and provider speak the same
// dialect, the body's bytes are forwarded with a few members spliced
// (Codec.Forward) and the answer's bytes are relayed with the model's name
// replaced (RewriteReply, RewriteEvent), while Summarize and the StreamDecoder
// only look. Otherwise, and to continue a cut answer, the request is decoded
// to the canonical model and encoded for the provider, and the answer comes
// back through StreamDecoder and StreamEncoder.
package dialect

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"freehold/internal/fault"
	"freehold/internal/llm"
	"freehold/internal/sse"
	"freehold/internal/variant"
)

// Codec is both sides of one dialect. Implementations hold no state and are
// safe for concurrent use. Errors are *fault.Error.
type Codec interface {
	// Name is the dialect's stable name: "openai", "anthropic".
	Name() string

	// Read is the door: it validates a client's body (one reading: no
	// duplicate members at any depth, no case variants of protocol members,
	// valid UTF-8, bounded depth, nothing after the end; required members and
	// their JSON types) and tells what it found. The Body keeps raw, which
	// must not change afterwards.
	Read(op llm.Operation, raw []byte) (*Body, error)
	// Prompt is the text of a body that says what is asked for, without decoding
	// the rest of it.
	Prompt(b *Body) Prompt
	// Decode turns a body that Read accepted into canonical form.
	Decode(b *Body) (*llm.Request, error)

	// Forward makes the provider's body from a client's body of the same
	// dialect, changing as few bytes as the target needs.
	Forward(b *Body, t *Target) (*Outgoing, error)
	// Encode makes the provider's body from a canonical request. What the
	// dialect or target cannot express is a fault.Unsupported naming the
	// parameter, or listed in Outgoing.Dropped when t.Drop allows it. Members
	// in Extra are sent only if r.Dialect is this dialect.
	Encode(r *llm.Request, t *Target) (*Outgoing, error)

	// Summarize judges a provider's whole answer without decoding all of it.
	// An answer that is not what the dialect says is a fault.Malformed.
	Summarize(op llm.Operation, body []byte) (llm.Summary, error)
	// DecodeReply decodes a provider's whole answer.
	DecodeReply(op llm.Operation, body []byte) (*llm.Response, error)
	// NewStreamDecoder reads a provider's stream.
	NewStreamDecoder(op llm.Operation) StreamDecoder
	// DecodeError classifies a provider's non-2xx answer: context length and
	// content filter apart from other rejections, retry-after from headers.
	DecodeError(status int, h http.Header, body []byte) *fault.Error

	// RewriteReply returns a provider's answer of the same dialect with the
	// model's name replaced by v.Model (unless empty), other bytes unchanged.
	RewriteReply(op llm.Operation, body []byte, v View) ([]byte, error)
	// RewriteEvent appends to dst what the client is to see of one event of a
	// provider of the same dialect: the same bytes with the model's name
	// replaced, without the usage that only the gateway asked for (v.IncludeUsage
	// false). Nothing is appended for an event that the client must not see.
	RewriteEvent(dst []byte, ev *sse.Event, v View) []byte

	// EncodeReply encodes a whole answer for a client.
	EncodeReply(r *llm.Response, op llm.Operation, v View) ([]byte, error)
	// NewStreamEncoder encodes a stream for a client. With sofar not nil, the
	// client has already seen that much of the answer (by relayed bytes of the
	// same dialect): the encoder goes on from there, with the same ids,
	// indexes and open parts, and repeats no start.
	NewStreamEncoder(op llm.Operation, v View, sofar *llm.Accumulator) StreamEncoder
	// EncodeError encodes a fault as the dialect's own error answer.
	EncodeError(f *fault.Error, requestID string) (status int, body []byte)
	// EncodeStreamError appends a fault inside a stream that has begun.
	EncodeStreamError(dst []byte, f *fault.Error, requestID string) []byte
	// KeepAlive is what an idle stream is kept alive with.
	KeepAlive() []byte
}

// Body is a client's request body, read once.
type Body struct {
	Op    llm.Operation
	Raw   []byte
	Facts llm.Facts
	// Index is the codec's own index into Raw (spans of top-level members).
	Index any
}

// Prompt is what a request asks for, in words: for who classifies it.
type Prompt struct {
	System string // the instructions
	User   string // the last turn of the user; of a completion or embedding its first text
}

// PromptEnd is how much of the beginning and of the end of a long text is in a
// Prompt, in bytes.
const PromptEnd = 32 << 10

// Release gives the index back to its pool, if the codec keeps one. Call it at
// most once, when nobody uses the Body any more; a Body that is never released
// is simply collected.
func (b *Body) Release() {
	if r, ok := b.Index.(interface{ Release() }); ok {
		b.Index = nil
		r.Release()
	}
}

// Target is the place a request is encoded for: facts of the provider's
// preset and of the model there.
type Target struct {
	Model  string // the provider's own model id
	Stream bool   // stream the answer
	// Usage asks for usage in the stream even if the client did not.
	Usage bool
	// Drop allows unsupported parameters to be left out (and reported).
	Drop   bool
	Params Params
	Quirks Quirks
	// MaxTokens replaces the client's limit if > 0 (continuation: what is left).
	MaxTokens int64
	// Continue, when set, asks the target to go on with an answer of which
	// Prefix was already sent. Only for Encode.
	Continue *Continuation
	// Bound asks for Outgoing.Bound.
	Bound bool
	// Variant is how the workload puts its requests to this model; nil: as they
	// are. Only for Forward: a canonical request has it applied already.
	Variant *variant.Variant
}

// Params are a model's configured parameters: defaults for what the client
// did not say, renames and removals. Values are JSON.
type Params struct {
	Defaults []llm.Field
	Rename   map[string]string
	Drop     []string
}

// IsZero reports whether there is nothing to apply.
func (p *Params) IsZero() bool {
	return len(p.Defaults) == 0 && len(p.Rename) == 0 && len(p.Drop) == 0
}

// Then returns p followed by q: q's defaults fill what p leaves open, renames
// and removals of both hold.
func (p Params) Then(q Params) Params {
	out := Params{Defaults: slices.Clone(p.Defaults), Rename: maps.Clone(p.Rename), Drop: slices.Concat(p.Drop, q.Drop)}
	for _, f := range q.Defaults {
		if !slices.ContainsFunc(p.Defaults, func(h llm.Field) bool { return h.Name == f.Name }) {
			out.Defaults = append(out.Defaults, f)
		}
	}
	if out.Rename == nil {
		out.Rename = map[string]string{}
	}
	maps.Copy(out.Rename, q.Rename)
	return out
}

// Continuation is a text already sent and how the target takes it up.
type Continuation struct {
	Prefix string
	Method ContinueMethod
}

// ContinueMethod says how a model continues a text.
type ContinueMethod string

// Continuation methods.
const (
	// Prefill: the prefix is the last, assistant message; the answer holds only what follows.
	Prefill ContinueMethod = "prefill"
	// PrefillEcho: as Prefill, but the answer repeats the prefix first.
	PrefillEcho ContinueMethod = "prefill-echo"
	// Instruct: the prefix is an assistant message, then a user message asks to go on exactly there.
	Instruct ContinueMethod = "instruct"
	// ContinueNone: the model cannot continue.
	ContinueNone ContinueMethod = "none"
)

// ContinueInstruction is the user message of the Instruct method.
const ContinueInstruction = "Your previous message was cut off by a connection failure. Continue it exactly where it stops, at the very next character. Repeat nothing, add no preamble and no comment."

// Quirks are a provider's departures from its dialect's reference, as data of
// the preset. The zero value is the reference implementation.
type Quirks struct {
	// MaxTokensField is "max_tokens" or "max_completion_tokens"; empty keeps
	// the client's own spelling (Forward) or uses max_completion_tokens for
	// reasoning models and max_tokens elsewhere (Encode).
	MaxTokensField string `json:"max_tokens_field,omitempty" yaml:"max_tokens_field,omitempty"`
	// NoStreamUsage: stream_options is not understood.
	NoStreamUsage bool `json:"no_stream_usage,omitempty" yaml:"no_stream_usage,omitempty"`
	// ToolRequired is the spelling of tool_choice "required" ("any" at Mistral).
	ToolRequired string `json:"tool_required,omitempty" yaml:"tool_required,omitempty"`
	// SeedField is the spelling of seed ("random_seed" at Mistral).
	SeedField string `json:"seed_field,omitempty" yaml:"seed_field,omitempty"`
	// ReasoningField is the member that carries thinking in messages sent to
	// the provider ("reasoning_content" or "reasoning"); both are read.
	ReasoningField string `json:"reasoning_field,omitempty" yaml:"reasoning_field,omitempty"`
	// PrefillStyle is how the last assistant message is marked for prefill:
	// "" nothing, "prefix" (Mistral: prefix: true), "continue_final_message"
	// (vLLM, SGLang: continue_final_message: true, add_generation_prompt: false).
	PrefillStyle string `json:"prefill_style,omitempty" yaml:"prefill_style,omitempty"`
	// Unsupported lists parameters the provider ignores or refuses; a client
	// that uses one gets 400 naming it (or it is dropped and reported). A value
	// that asks for nothing (n: 1) is left out silently. "image_url" stands for
	// images by reference; they are never dropped.
	Unsupported []string `json:"unsupported,omitempty" yaml:"unsupported,omitempty"`
	// NoDeveloper: the developer role is not understood and is sent as system.
	NoDeveloper bool `json:"no_developer,omitempty" yaml:"no_developer,omitempty"`
	// NameOnlyOnTool: "name" is accepted on tool messages only (Mistral).
	NameOnlyOnTool bool `json:"name_only_on_tool,omitempty" yaml:"name_only_on_tool,omitempty"`
	// NativeSchema: json_schema is native (structured output); otherwise it is
	// sent as a forced tool (Anthropic dialect).
	NativeSchema bool `json:"native_schema,omitempty" yaml:"native_schema,omitempty"`
	// AdaptiveThinking: thinking is adaptive only and temperature is refused (newest Claude models).
	AdaptiveThinking bool `json:"adaptive_thinking,omitempty" yaml:"adaptive_thinking,omitempty"`
	// StreamPlain: plain answers are asked for as a stream and assembled,
	// because the provider notices that a client has left only in a stream.
	StreamPlain bool `json:"stream_plain,omitempty" yaml:"stream_plain,omitempty"`
	// UsagePerChoice: usage is that of one choice. A stream has one for each
	// choice, behind its finish reason; a plain answer only the first one's.
	UsagePerChoice bool `json:"usage_per_choice,omitempty" yaml:"usage_per_choice,omitempty"`
	// NoContradiction: a schema, pattern or grammar that wants something repeated
	// at least more often than at most hangs the server, and is refused here.
	NoContradiction bool `json:"no_contradiction,omitempty" yaml:"no_contradiction,omitempty"`
	// DefaultMaxTokens is sent where the dialect requires a limit and the client gave none.
	DefaultMaxTokens int64 `json:"default_max_tokens,omitempty" yaml:"default_max_tokens,omitempty"`
}

// Outgoing is a body ready for a provider.
type Outgoing struct {
	Body []byte
	// Header holds dialect headers the body needs (anthropic-beta).
	Header http.Header
	// Dropped lists parameters that were left out, by name.
	Dropped []string
	// Tool is the name of a forced tool that stands for a json_schema format:
	// its arguments are the answer's text. The decoder's events pass through
	// UnwrapTool to become text again. Empty: none.
	Tool string
	// Bound is what the body says of the answer's size, if the target asks for it.
	Bound Bound
}

// Bound is what limits the size of an answer.
type Bound struct {
	MaxTokens int64 // of each answer, thinking included; 0: the body sets no limit
	Answers   int64 // that are made of each prompt, those that are not shown too
}

// View is how an answer is shown to a client.
type View struct {
	// Model replaces the answer's model name; empty keeps it.
	Model string
	// IncludeUsage: the client asked for usage in the stream.
	IncludeUsage bool
	// Created is used where the answer has no time of its own (Unix seconds).
	Created int64
	// ID is used where the answer has no id of its own, already in the
	// dialect's form being the encoder's business (chatcmpl-ID, msg_ID).
	ID string
}

// StreamDecoder turns a provider's events into canonical ones.
type StreamDecoder interface {
	// Decode appends to dst what ev means. An error is a *fault.Error
	// (Malformed); an error event of the provider is an llm.EventError.
	Decode(dst []llm.Event, ev *sse.Event) ([]llm.Event, error)
	// End is called when the provider's stream ended cleanly at an event
	// boundary. It returns fault.Cut unless the dialect's own end was seen
	// (a finish reason for every choice; a missing [DONE] alone is forgiven,
	// a missing finish reason never is).
	End(dst []llm.Event) ([]llm.Event, error)
}

// RelayDecoder is a StreamDecoder whose provider's bytes are relayed to a client
// of the same dialect: it rewrites an event in the reading that decodes it.
type RelayDecoder interface {
	StreamDecoder
	// DecodeRelay does what Decode and Codec.RewriteEvent do: it appends to dst
	// what ev means and to out what the client is to see of it. On an error out
	// is as it was.
	DecodeRelay(dst []llm.Event, out []byte, ev *sse.Event, v View) ([]llm.Event, []byte, error)
}

// StreamEncoder turns canonical events into a client's stream.
type StreamEncoder interface {
	// Encode appends to dst the bytes that show e to the client.
	Encode(dst []byte, e *llm.Event) ([]byte, error)
	// End appends the dialect's closing (finish, usage, end mark) as far as
	// events have not caused it already.
	End(dst []byte) []byte
}

// AboutModel reports that a refusal (HTTP 403), in lower case, is of a model and not
// of the key that asked: another model may be asked with it.
func AboutModel(text string) bool {
	return strings.Contains(text, "model") && !strings.Contains(text, "key") && !strings.Contains(text, "any model")
}
