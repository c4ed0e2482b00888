// Package llm is freehold's canonical model of a conversation with a language
// model: requests, answers and the events of a streamed answer. Every dialect
// is a codec to and from these types, so N client dialects and M provider
// dialects cost N + M codecs. It imports the standard library only.
package llm

import "encoding/json"

// Operation is what a request asks a model to do.
type Operation string

// Operations.
const (
	Chat        Operation = "chat"
	Completion  Operation = "completion" // legacy text completion, with Suffix for fill-in-the-middle
	Embedding   Operation = "embedding"
	CountTokens Operation = "count_tokens"
)

// Role says who speaks in a Message.
type Role string

// Roles. Developer is OpenAI's newer spelling of System; both may appear
// anywhere in a conversation and keep their place.
const (
	System    Role = "system"
	Developer Role = "developer"
	User      Role = "user"
	Assistant Role = "assistant"
	Tool      Role = "tool"
)

// PartKind says what one Part of a message is.
type PartKind uint8

// Part kinds.
const (
	PartText             PartKind = iota + 1
	PartImage                     // Media
	PartAudio                     // Media
	PartDocument                  // Media, or Text with a title in Name
	PartToolCall                  // ID, Name, Arguments
	PartToolResult                // ID of the call, Result, IsError
	PartThinking                  // Text, Signature
	PartRedactedThinking          // Opaque data
	PartRefusal                   // Text
	PartOpaque                    // a part only its own dialect understands: Opaque, Dialect
)

// Media is an image, sound or document, either by reference or inline.
type Media struct {
	URL       string // https://... ; empty when Data is set
	MediaType string // image/png, application/pdf ...; may be empty for a URL
	Data      string // base64, standard alphabet, as it was received
	Detail    string // OpenAI image detail: low, high, auto
}

// Part is one ordered piece of a message's content.
type Part struct {
	Kind       PartKind
	ID         string // tool call id
	Name       string // tool name, document title
	Text       string // text, thinking, refusal
	Arguments  string // tool call arguments: JSON text exactly as it was received ("{}" when there were none)
	Incomplete bool   // a tool call cut by a length limit: Arguments is not valid JSON
	Media      *Media
	Result     []Part // content of a tool result
	IsError    bool   // a tool result that reports a failure
	Signature  string // of a thinking part, to be replayed unchanged
	// CacheControl is the prompt-cache mark of the part as it was received.
	CacheControl json.RawMessage
	// Opaque is a part (or the data of redacted thinking) kept as it was
	// received; of a tool call it is an object with the members that the model
	// here does not know (Gemini's thought signature). Only a codec named Dialect
	// may send it on.
	Opaque  json.RawMessage
	Dialect string
}

// Message is one turn of a conversation.
type Message struct {
	Role  Role
	Name  string // optional name of the speaker
	Parts []Part
	// Extra holds members the canonical model does not know, for the same dialect.
	Extra []Field
}

// ToolDef is a function the model may call. Schema is a JSON Schema object.
// A server-side tool of one vendor (web search, code execution) has Opaque set
// and no Schema.
type ToolDef struct {
	Name, Description string
	Schema            json.RawMessage
	Strict            *bool
	CacheControl      json.RawMessage
	Opaque            json.RawMessage
	Dialect           string
}

// ToolMode says whether tools may, must or must not be called.
type ToolMode string

// Tool modes; empty means the client said nothing.
const (
	ToolAuto     ToolMode = "auto"
	ToolNone     ToolMode = "none"
	ToolRequired ToolMode = "required" // any tool
	ToolNamed    ToolMode = "named"    // the tool called Name
)

// ToolChoice is the client's wish about tool use.
type ToolChoice struct {
	Mode     ToolMode
	Name     string
	Parallel *bool // nil: not said
}

// Format is the wished shape of the answer's text.
type Format struct {
	Kind   FormatKind
	Name   string
	Schema json.RawMessage
	Strict *bool
	// Description is OpenAI's json_schema.description.
	Description string
}

// FormatKind names an answer shape.
type FormatKind string

// Answer shapes; empty means plain text.
const (
	FormatText   FormatKind = "text"
	FormatObject FormatKind = "json_object"
	FormatSchema FormatKind = "json_schema"
)

// Reasoning is the client's wish about thinking before the answer.
type Reasoning struct {
	Effort       string // none, minimal, low, medium, high, xhigh; empty: not said
	BudgetTokens int64  // Anthropic thinking.budget_tokens; 0: not said
	Mode         string // enabled, disabled, adaptive (Anthropic thinking.type); empty: not said
	Display      string // Anthropic thinking.display, kept as received
	// Plain: Effort is one of the words above and a configuration's, whatever
	// dialect the request was read from.
	Plain bool
}

// Truncate is the part of an input that is cut off where it is too long.
type Truncate string

// Values of Truncate; empty: not said.
const (
	TruncateNone  Truncate = "none" // nothing: the request is refused
	TruncateStart Truncate = "start"
	TruncateEnd   Truncate = "end"
)

// Field is one JSON member kept as it was received.
type Field struct {
	Name string
	Raw  json.RawMessage
}

// Request is a whole request in canonical form. Pointer and empty values mean
// "the client said nothing", so that a codec never invents a parameter.
type Request struct {
	Operation Operation
	Dialect   string // the dialect it was read from
	Model     string // as the client named it

	Messages   []Message // Chat, CountTokens; system turns included, in place
	Tools      []ToolDef
	ToolChoice ToolChoice
	Format     Format
	Reasoning  *Reasoning

	Prompt []string // Completion: one or several prompts
	Suffix string   // Completion: text after the gap
	Echo   bool
	Input  []string // Embedding inputs as text
	// InputTokens are Completion prompts or Embedding inputs given as token
	// ids; then Prompt or Input is empty.
	InputTokens    [][]int64
	EncodingFormat string // Embedding: float or base64
	Dimensions     *int64 // Embedding
	// InputType is what Embedding inputs are for, in Cohere's words:
	// search_document, search_query, classification, clustering; empty: not said.
	InputType string
	// Truncate says what becomes of an Embedding input that is too long.
	Truncate Truncate

	MaxTokens        *int64
	Temperature      *float64
	TopP             *float64
	TopK             *int64
	Stop             []string
	N                *int64
	BestOf           *int64
	Seed             *int64
	FrequencyPenalty *float64
	PresencePenalty  *float64
	LogitBias        json.RawMessage
	Logprobs         *bool
	TopLogprobs      *int64
	User             string // end-user id: OpenAI user / safety_identifier, Anthropic metadata.user_id
	ServiceTier      string

	Stream       bool
	IncludeUsage bool // the client asked for usage in the stream

	// Extra holds top-level members that the canonical model does not know.
	// A codec named Dialect sends them on; any other must refuse or report them.
	Extra []Field
}
