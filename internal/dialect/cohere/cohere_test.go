package cohere_test

import (
	"strings"
	"testing"

	"freehold/internal/dialect"
	"freehold/internal/dialect/cohere"
	"freehold/internal/dialect/dialecttest"
	"freehold/internal/fault"
	"freehold/internal/llm"
)

func fixtures(t testing.TB) dialecttest.Fixtures {
	f := dialecttest.Load(t, "testdata")
	f.Refused = refusals
	f.Failures = failures
	return f
}

func TestDialect(t *testing.T) { dialecttest.Run(t, cohere.Codec{}, fixtures(t)) }

func FuzzDialect(f *testing.F) { dialecttest.Fuzz(f, cohere.Codec{}, fixtures(f)) }

var refusals = []dialecttest.Refusal{
	{Name: "no model", Op: llm.Embedding, Body: `{"texts":["a"]}`, Param: "model"},
	{Name: "model a number", Op: llm.Embedding, Body: `{"model":1,"texts":["a"]}`, Param: "model"},
	{Name: "no texts", Op: llm.Embedding, Body: `{"model":"m"}`, Param: "texts"},
	{Name: "empty texts", Op: llm.Embedding, Body: `{"model":"m","texts":[]}`, Param: "texts"},
	{Name: "texts a string", Op: llm.Embedding, Body: `{"model":"m","texts":"a"}`, Param: "texts"},
	{Name: "token ids", Op: llm.Embedding, Body: `{"model":"m","texts":[1,2]}`, Param: "texts"},
	{Name: "texts and images", Op: llm.Embedding, Body: `{"model":"m","texts":["a"],"images":["b"]}`, Param: "texts"},
	{Name: "empty images", Op: llm.Embedding, Body: `{"model":"m","images":[]}`, Param: "images"},
	{Name: "truncate", Op: llm.Embedding, Body: `{"model":"m","texts":["a"],"truncate":"end"}`, Param: "truncate"},
	{Name: "input_type a list", Op: llm.Embedding, Body: `{"model":"m","texts":["a"],"input_type":["x"]}`, Param: "input_type"},
	{Name: "no dimension", Op: llm.Embedding, Body: `{"model":"m","texts":["a"],"output_dimension":0}`, Param: "output_dimension"},
	{Name: "types", Op: llm.Embedding, Body: `{"model":"m","texts":["a"],"embedding_types":[]}`, Param: "embedding_types"},
	{Name: "a type that is none", Op: llm.Embedding, Body: `{"model":"m","texts":["a"],"embedding_types":[1]}`, Param: "embedding_types"},
}

var failures = []dialecttest.Failure{
	{Name: "too long", Status: 400, Kind: fault.ContextLength, Body: `{"id":"x","message":"too many tokens: the input has 600 tokens and the limit is 512"}`, Says: "600"},
	{Name: "no such model", Status: 404, Kind: fault.ModelMissing, Body: `{"message":"model 'x' not found, make sure the correct model ID was used"}`},
	{Name: "key", Status: 401, Kind: fault.Credentials, Body: `{"message":"invalid api token"}`},
	{Name: "refused", Status: 400, Kind: fault.ProviderRejected, Body: `{"message":"invalid request: valid input_type must be provided with the provided model"}`, Says: "input_type"},
	{Name: "limit", Status: 429, Kind: fault.ProviderLimit, Body: `{"message":"You are using a Trial key, which is limited to 40 API calls / minute."}`},
	{Name: "blocked", Status: 498, Kind: fault.ContentFilter, Body: `{"message":"blocked input"}`},
	{Name: "broken", Status: 500, Kind: fault.ProviderError, Body: `{"message":"internal server error"}`},
}

// The API's default is to cut inputs without a word; that is sent only if
// somebody asks for it.
func TestTruncateIsSaid(t *testing.T) {
	var c cohere.Codec
	for body, want := range map[string]string{
		`{"model":"m","texts":["a"]}`: `"truncate":"NONE"`, `{"model":"m","texts":["a"],"truncate":"START"}`: `"truncate":"START"`,
	} {
		b, err := c.Read(llm.Embedding, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		out, err := c.Forward(b, &dialect.Target{Model: "m"})
		if err != nil || !strings.Contains(string(out.Body), want) {
			t.Errorf("%s: %s, %v", body, out.Body, err)
		}
	}
}

// What another dialect's request says, and lacks.
func TestForeign(t *testing.T) {
	var c cohere.Codec
	n := int64(256)
	r := &llm.Request{Operation: llm.Embedding, Dialect: "openai", Model: "x", Input: []string{"a", "b"}, Dimensions: &n, User: "u", InputType: "search_query"}
	out, err := c.Encode(r, &dialect.Target{Model: "embed-v4.0"})
	want := `{"model":"embed-v4.0","texts":["a","b"],"input_type":"search_query","embedding_types":["float"],"output_dimension":256,"truncate":"NONE"}`
	if err != nil || dialecttest.SameJSON([]byte(want), out.Body) != "" || len(out.Dropped) != 1 || out.Dropped[0] != "user" {
		t.Errorf("%s, dropped %q, %v", out.Body, out.Dropped, err)
	}
	r.InputType = ""
	if _, err := c.Encode(r, &dialect.Target{Model: "m"}); !fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), "input_type") {
		t.Errorf("no input type: %v", err)
	}
	given := dialect.Params{Defaults: []llm.Field{{Name: "input_type", Raw: []byte(`"clustering"`)}}}
	if out, err := c.Encode(r, &dialect.Target{Model: "m", Params: given}); err != nil || !strings.Contains(string(out.Body), `"input_type":"clustering"`) {
		t.Errorf("by configuration: %s, %v", out.Body, err)
	}
	r.Input, r.InputTokens = nil, [][]int64{{1}}
	if _, err := c.Encode(r, &dialect.Target{Model: "m", Params: given}); !fault.Is(err, fault.Unsupported) {
		t.Errorf("token ids: %v", err)
	}
	r.InputTokens, r.Extra = nil, []llm.Field{{Name: "priority", Raw: []byte("1")}}
	if _, err := c.Encode(r, &dialect.Target{Model: "m", Params: given}); !fault.Is(err, fault.Unsupported) {
		t.Errorf("unknown members of others: %v", err)
	}
}
