// Package sdk drives freehold with the official SDKs of OpenAI and Anthropic, in
// Go and in Python, as applications do. Each check of the tables (checks_*_test.go)
// runs for both languages against freehold, started as in production, in front
// of a strict mock of each provider dialect; a few run against the real engine.
//
// A check asks through a caller (one for each language), which answers with an
// outcome: what the SDK made of it. What must hold is said once, for both.
//
// The official clients of Pinecone, in Go and in Python, are driven against the
// simulator of Pinecone (pinecone_*_test.go): that they work holds it to the contract.
// Then they are driven against freehold, in front of it and of each other store.
package sdk

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"freehold/internal/engine"
	"freehold/internal/engine/enginetest"
	"freehold/internal/leaktest"
	"freehold/internal/vector/milvus/milvustest"
	"freehold/internal/vector/pgvector/pgtest"
	"freehold/internal/vector/qdrant/qdranttest"
)

// The test binary is also the supervisor of the engine that it starts.
func TestMain(m *testing.M) {
	engine.RunSupervisorIfAsked()
	leaktest.Main(engineless{m})
}

// engineless runs the tests and then ends the servers that they share, so that
// only what leaks is left.
type engineless struct{ m *testing.M }

func (e engineless) Run() int {
	code := e.m.Run()
	if err := errors.Join(enginetest.Stop(), qdranttest.Stop(), milvustest.Stop(), pgtest.Stop()); err != nil {
		fmt.Println("a shared server does not end:", err)
		return max(code, 1)
	}
	return code
}

// object is a JSON object.
type object = map[string]any

type list = []any

// step is one call of an SDK.
type step struct {
	// Op is chat, chat_stream, completion, completion_stream, embedding,
	// messages, messages_stream, count_tokens, models, model or post.
	Op string `json:"op"`
	// Params are the request's members; for model {"id": ...}, for post
	// {"path": ..., "body": ...}.
	Params object `json:"params"`
	// Extra members are sent as fields that the SDK does not know.
	Extra   object            `json:"extra,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	// Key replaces the right key.
	Key     string `json:"key,omitempty"`
	Retries int    `json:"retries"`
	// LeaveWaiting makes the client leave while it waits for the answer's head.
	LeaveWaiting bool `json:"leave_waiting,omitempty"`
	// LeaveAfter closes a stream after so many events.
	LeaveAfter int `json:"leave_after,omitempty"`
}

// outcome is what an SDK made of an answer, in one form for all.
type outcome struct {
	Choices []choice `json:"choices"` // of an OpenAI answer
	Blocks  []block  `json:"blocks"`  // of an Anthropic answer
	// Stop is Anthropic's stop_reason, StopSequence what matched.
	Stop         string `json:"stop"`
	StopSequence string `json:"stop_sequence"`
	Usage        *usage `json:"usage"`
	Model        string `json:"model"`
	// Events are the types of Anthropic's events; for OpenAI "chunk", and
	// "usage" for one without choices that has usage.
	Events []string `json:"events"`
	// Odd are chunks that are not as the SDK documents them.
	Odd     []string        `json:"odd"`
	Vectors [][]float64     `json:"vectors"`
	Tokens  int             `json:"tokens"` // of count_tokens
	Models  []string        `json:"models"`
	Raw     json.RawMessage `json:"raw"` // the parsed answer or list of events, with members the SDK does not know
	Headers headers         `json:"headers"`
	Error   *failure        `json:"error"`
	Left    bool            `json:"left"` // the client left as it was told
}

type headers map[string]string // names in lower case

type choice struct {
	Index     int    `json:"index"`
	Text      string `json:"text"`
	Refusal   string `json:"refusal"`
	Reasoning string `json:"reasoning"`
	Finish    string `json:"finish"`
	Calls     []call `json:"calls"`
	Logprobs  int    `json:"logprobs"` // tokens that have one
}

type call struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type block struct {
	Type      string          `json:"type"`
	Text      string          `json:"text"` // of text and thinking
	Signature string          `json:"signature"`
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Input     json.RawMessage `json:"input"`
}

type usage struct {
	In         int `json:"in"`
	Out        int `json:"out"`
	Total      int `json:"total"`
	Cached     int `json:"cached"`
	CacheWrite int `json:"cache_write"`
	Reasoning  int `json:"reasoning"`
}

// failure is the exception that an SDK raised.
type failure struct {
	Class      string          `json:"class"` // the exception's name; empty for Go
	Status     int             `json:"status"`
	Type       string          `json:"type"`
	Code       string          `json:"code"`
	Param      string          `json:"param"`
	Message    string          `json:"message"`
	RetryAfter string          `json:"retry_after"`
	Body       json.RawMessage `json:"body"`
}

// String shows a failure for people, with its body as text.
func (f failure) String() string {
	return fmt.Sprintf("%d %s type=%q code=%q param=%q retry-after=%q: %s; body %s", f.Status, f.Class, f.Type, f.Code, f.Param, f.RetryAfter, f.Message, f.Body)
}

// caller calls an SDK.
type caller interface {
	do(t *testing.T, s step) outcome
}
