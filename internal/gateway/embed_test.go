package gateway_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/app/apptest"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// vectors is an answer to a request for embeddings, or a refusal.
type vectors struct {
	status int
	header http.Header
	raw    string
	Model  string
	Data   []struct {
		Index     int
		Embedding any
	}
	Usage struct {
		In int `json:"prompt_tokens"`
	}
	Error struct{ Message, Param, Code string }
}

// of is the i-th vector.
func (v *vectors) of(t testing.TB, i int) []float64 {
	t.Helper()
	if i >= len(v.Data) || v.Data[i].Index != i {
		t.Fatalf("no vector %d in %.200s", i, v.raw)
	}
	var out []float64
	switch e := v.Data[i].Embedding.(type) {
	case string:
		raw, err := base64.StdEncoding.DecodeString(e)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(raw); at += 4 {
			out = append(out, float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[at:]))))
		}
	case []any:
		for _, f := range e {
			out = append(out, f.(float64))
		}
	}
	return out
}

func askVectors(t testing.TB, url, model string, input any, extra string) *vectors {
	t.Helper()
	text, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := mocktest.Client().Post(url+"/v1/embeddings", "application/json", strings.NewReader(fmt.Sprintf(`{"model":%q,"input":%s%s}`, model, text, extra)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	v := &vectors{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatalf("%v in %.300s", err, raw)
	}
	return v
}

func cosine(a, b []float64) float64 {
	var ab, aa, bb float64
	for i := range a {
		ab, aa, bb = ab+a[i]*b[i], aa+a[i]*a[i], bb+b[i]*b[i]
	}
	return ab / math.Sqrt(aa*bb)
}

// numbered are n different texts.
func numbered(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("text number %d of them", i)
	}
	return out
}

// A request that is larger than the server takes is asked for in parts. The
// answer is as if it had been asked at once, and stands in one row.
func TestEmbeddingsInParts(t *testing.T) {
	all, small := mocktest.Start(t, mock.Options{}), mocktest.Start(t, mock.Options{Profile: mock.TEI})
	s := apptest.Start(t, fmt.Sprintf(`
providers:
  all: {preset: openai-compatible, base_url: "%s/v1", probe: {enabled: false}, batches: {inputs: 200}}
  small: {preset: tei, base_url: "%s/v1", probe: {enabled: false}, max_concurrency: 3}
models:
  whole: {provider: all, id: e, mode: embedding}
  parts: {provider: small, id: e, mode: embedding, price: {input: 1}}
`, all.URL(), small.URL()))
	texts := numbered(100)
	for _, format := range []string{"", `,"encoding_format":"base64"`} {
		want, got := askVectors(t, s.URL, "whole", texts, format), askVectors(t, s.URL, "parts", texts, format)
		if got.status != 200 || len(got.Data) != 100 || got.Model != "parts" || got.Usage.In != want.Usage.In {
			t.Fatalf("%d, %d vectors, model %s, usage %d, want %d", got.status, len(got.Data), got.Model, got.Usage.In, want.Usage.In)
		}
		for i := range texts {
			if fmt.Sprint(got.of(t, i)) != fmt.Sprint(want.of(t, i)) {
				t.Fatalf("vector %d is another input's", i)
			}
		}
		if a := got.header.Get("X-Freehold-Attempts"); a != "4" {
			t.Errorf("%s attempts", a)
		}
	}
	row := s.WaitRows(t, 4)[0]
	in := int64(0)
	for _, a := range row.Attempts {
		in += a.Tokens.In
	}
	if len(row.Attempts) != 4 || row.Attempts[0].Cause != "part 1/4" || row.Tokens.In != in || in == 0 || row.Tokens.Estimated ||
		!row.Cost.Valid || row.Cost.Decimal.String() != decimal.New(in, -6).String() || row.Route != "model" {
		t.Errorf("%+v", row)
	}
}

// One part that fails is asked for elsewhere, and only that; where nobody has
// the model, there is no answer.
func TestEmbeddingPartFails(t *testing.T) {
	first, second := mocktest.Start(t, mock.Options{Profile: mock.TEI}), mocktest.Start(t, mock.Options{Profile: mock.TEI})
	other := mocktest.Start(t, mock.Options{})
	s := apptest.Start(t, fmt.Sprintf(`
retries: {max: 0}
providers:
  a: {preset: tei, base_url: "%s/v1", probe: {enabled: false}, batches: {parallel: 1}}
  b: {preset: tei, base_url: "%s/v1", probe: {enabled: false}}
  c: {preset: openai-compatible, base_url: "%s/v1", probe: {enabled: false}}
models:
  m: {mode: embedding, deployments: [{provider: a, id: e}, {provider: b, id: e}]}
  n: {provider: c, id: text-embedding-3-small, mode: embedding}
workloads:
  docs: {model: m}
  mixed: {model: m, fallbacks: [n]}
`, first.URL(), second.URL(), other.URL()))
	mocktest.Fail(t, first, "500@3")
	v := askVectors(t, s.URL, "docs", numbered(100), "")
	if v.status != 200 || len(v.Data) != 100 {
		t.Fatalf("%d %.300s", v.status, v.raw)
	}
	v.of(t, 99)
	if a, b := first.Stats().Requests, second.Stats().Requests; a != 3 || b != 2 {
		t.Errorf("%d and %d requests: what was there was asked for again", a, b)
	}
	mocktest.Fail(t, first, "500")
	mocktest.Fail(t, second, "500@2+")
	if v := askVectors(t, s.URL, "docs", numbered(100), ""); v.status < 500 || len(v.Data) > 0 {
		t.Errorf("half an answer: %d %.300s", v.status, v.raw)
	}
	mocktest.Fail(t, second, "500@2+")
	v = askVectors(t, s.URL, "mixed", numbered(100), "")
	if v.status != 200 || v.header.Get("X-Freehold-Model") != "n" {
		t.Fatalf("%d %.300s", v.status, v.raw)
	}
	for i := range v.Data {
		if n := len(v.of(t, i)); n != 1536 {
			t.Fatalf("vector %d has %d numbers: it is another model's", i, n)
		}
	}
}

// Inputs that are too long are refused by name, or cut and that said; never
// cut without a word, whatever the server does with them.
func TestLongInputs(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("word ", 30)) // some 60 tokens of the mock
	for _, c := range []struct {
		profile mock.Profile
		preset  string
	}{
		{mock.OpenAI, "openai-compatible"}, {mock.VLLM, "vllm"}, {mock.LlamaCpp, "llama.cpp"},
		{mock.Ollama, "ollama"}, {mock.TEI, "tei"}, {mock.Infinity, "infinity"},
	} {
		t.Run(string(c.profile), func(t *testing.T) {
			p := mocktest.Start(t, mock.Options{Profile: c.profile, Context: 20})
			idle := mocktest.Start(t, mock.Options{Profile: c.profile, Context: 20})
			s := apptest.Start(t, fmt.Sprintf(`
breaker: {failures: 1, rate: 0.01, min_requests: 1}
providers:
  p: {preset: "%s", base_url: "%s/v1", probe: {enabled: false}}
  q: {preset: "%s", base_url: "%s/v1", probe: {enabled: false}}
models:
  strict: {mode: embedding, context: 20, deployments: [{provider: p, id: e}, {provider: q, id: e}]}
  cutting: {provider: p, id: e, mode: embedding, context: 20, truncate: true}
  unknown: {provider: p, id: e, mode: embedding}
`, c.preset, p.URL(), c.preset, idle.URL()))
			input := []string{"a", "b c d e f", long, "g"}
			v := askVectors(t, s.URL, "strict", input, "")
			if v.status != 400 || v.Error.Code != "context_length_exceeded" || v.Error.Param != "input" || !strings.Contains(v.Error.Message, "input 2 ") || !strings.Contains(v.Error.Message, "20") {
				t.Errorf("refused with %d %+v", v.status, v.Error)
			}
			if n := idle.Stats().Requests; n != 0 {
				t.Errorf("asked elsewhere %d times for what is too long there too", n)
			}
			v = askVectors(t, s.URL, "cutting", input, "")
			if v.status != 200 || len(v.Data) != 4 || v.header.Get("X-Freehold-Truncated") != "2" {
				t.Errorf("cut: %d %.200s, header %q", v.status, v.raw, v.header.Get("X-Freehold-Truncated"))
			}
			row := s.WaitRows(t, 2)[0]
			if fmt.Sprint(row.Dropped) != "[the end of input 2]" {
				t.Errorf("the record says dropped %q", row.Dropped)
			}
			if v = askVectors(t, s.URL, "cutting", []string{"a", "b c"}, ""); v.status != 200 || v.header.Get("X-Freehold-Truncated") != "" {
				t.Errorf("nothing was to be cut: %d %q", v.status, v.header)
			}
			if cuts := c.preset == "ollama" || c.preset == "tei" || c.preset == "infinity"; !cuts {
				if v = askVectors(t, s.URL, "unknown", input, ""); v.status != 400 || v.Error.Code != "context_length_exceeded" {
					t.Errorf("of an unknown context: %d %+v", v.status, v.Error)
				}
			}
			for _, d := range s.App.Fleet().Deployments() {
				if v := d.Health.Check(time.Now()); !v.OK {
					t.Errorf("%s counts as broken: %+v", d.Name, v)
				}
			}
		})
	}
}

// A server may take less than is known of it: what it then refuses, of a request that it
// got as it stood, is told by the input's number all the same, or cut and that said.
func TestLongInputAsItStands(t *testing.T) {
	const context = 20
	p, far := mocktest.Start(t, mock.Options{Context: context}), mocktest.Start(t, mock.Options{Profile: mock.Cohere, Context: context})
	larger := mocktest.Start(t, mock.Options{})
	s := apptest.Start(t, fmt.Sprintf(`
breaker: {failures: 1, rate: 0.01, min_requests: 1}
providers:
  p: {preset: openai-compatible, base_url: "%s/v1", probe: {enabled: false}}
  larger: {preset: openai-compatible, base_url: "%s/v1", probe: {enabled: false}}
  far: {preset: cohere, base_url: "%s", api_key: k, probe: {enabled: false}}
models:
  m: {provider: p, id: e, mode: embedding, context: 8192}
  unknown: {provider: p, id: e, mode: embedding}
  cut: {provider: p, id: e, mode: embedding, context: 8192, truncate: true}
  two: {mode: embedding, context: 8192, deployments: [{provider: p, id: e}, {provider: larger, id: e, context: 9000}]}
  c: {provider: far, id: embed-v4.0, mode: embedding, context: 8192}
  cutting: {provider: far, id: embed-v4.0, mode: embedding, context: 8192, truncate: true}
`, p.URL(), larger.URL(), far.URL()))
	long := strings.TrimSpace(strings.Repeat("word ", 30))
	numbers := regexp.MustCompile(`\d+ tokens, and the limit is 20`)
	for _, model := range []string{"m", "unknown"} {
		for want, input := range map[string]any{
			"input 2 ": []string{"a", "b c", long, "d"}, "input 0 ": long, "input 4 ": []string{"a", "b", "c", "d", long},
		} {
			v := askVectors(t, s.URL, model, input, "")
			if v.status != 400 || v.Error.Code != "context_length_exceeded" || v.Error.Param != "input" || !strings.Contains(v.Error.Message, want) || !numbers.MatchString(v.Error.Message) {
				t.Errorf("%s, %s: %d %+v", model, want, v.status, v.Error)
			}
		}
		if v := askVectors(t, s.URL, model, [][]int{{1, 2}, make([]int, 30)}, ""); v.status != 400 || !strings.Contains(v.Error.Message, "input 1 ") || !strings.Contains(v.Error.Message, "30 tokens, and the limit is 20") {
			t.Errorf("%s, token ids: %d %+v", model, v.status, v.Error)
		}
	}
	if v := askVectors(t, s.URL, "cut", []string{"a", long, "b"}, ""); v.status != 200 || len(v.Data) != 3 || v.header.Get("X-Freehold-Truncated") != "1" {
		t.Errorf("cut: %d %.300s", v.status, v.raw)
	}
	if v := askVectors(t, s.URL, "cut", [][]int{{1, 2}, make([]int, 30)}, ""); v.status != 200 || v.header.Get("X-Freehold-Truncated") != "1" {
		t.Errorf("token ids cut: %d %.300s", v.status, v.raw)
	}
	before := p.Stats().Requests
	if v := askVectors(t, s.URL, "two", long, ""); v.status != 200 || len(v.Data) != 1 || p.Stats().Requests != before+1 {
		t.Errorf("where there is more room: %d %.300s, asked %d times before", v.status, v.raw, p.Stats().Requests-before)
	}
	for want, more := range map[int]string{400: "", 200: `,"truncate":"END"`, 201: `,"truncate":"START"`} {
		status, h, raw := askCohere(t, s.URL, fmt.Sprintf(`{"model":"c","input_type":"search_query","embedding_types":["float"],"texts":["a",%q]%s}`, long, more))
		if want == 400 {
			if status != 400 || !strings.Contains(raw, `"message":"input 1 (counted from 0) is too long for c`) || !strings.Contains(raw, `"code":"context_length_exceeded"`) {
				t.Errorf("Cohere's form: %d %s", status, raw)
			}
		} else if status != 200 || h.Get("X-Freehold-Truncated") != "1" {
			t.Errorf("Cohere's form%s: %d %.300s, header %q", more, status, raw, h.Get("X-Freehold-Truncated"))
		}
	}
	if status, h, raw := askCohere(t, s.URL, fmt.Sprintf(`{"model":"cutting","input_type":"search_query","texts":["a",%q]}`, long)); status != 200 || h.Get("X-Freehold-Truncated") != "1" {
		t.Errorf("Cohere's form, cut by the model's word: %d %.300s", status, raw)
	}
	for _, q := range far.Requests() {
		if !strings.Contains(string(q.Body), `"truncate":"NONE"`) {
			t.Errorf("cut without a word: %.200s", q.Body)
		}
	}
	for _, d := range s.App.Fleet().Deployments() {
		if v := d.Health.Check(time.Now()); !v.OK {
			t.Errorf("%s counts as broken: %+v", d.Name, v)
		}
	}
}

// stub serves embeddings with what answer says.
func stub(t testing.TB, answer http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return s.URL
}

// Parts are asked for at once, and never more of them than the server has room for.
func TestEmbeddingPartsAtOnce(t *testing.T) {
	p := mock.New(mock.Options{})
	defer p.Close()
	var here, most atomic.Int64
	together := make(chan struct{}) // closed when three are here
	url := stub(t, func(w http.ResponseWriter, r *http.Request) {
		n := here.Add(1)
		defer here.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == 3 {
			close(together)
		}
		select {
		case <-together:
		case <-r.Context().Done():
		}
		p.ServeHTTP(w, r)
	})
	s := apptest.Start(t, fmt.Sprintf(`
providers: {p: {preset: openai-compatible, base_url: "%s/v1", probe: {enabled: false}, max_concurrency: 3, batches: {inputs: 2}}}
models: {m: {provider: p, mode: embedding}}
`, url))
	if v := askVectors(t, s.URL, "m", numbered(6), ""); v.status != 200 || len(v.Data) != 6 || most.Load() != 3 {
		t.Errorf("%d, %d vectors, %d at once", v.status, len(v.Data), most.Load())
	}
}

// An answer that lacks a vector, has one twice or is empty is no answer.
func TestBadVectors(t *testing.T) {
	const one, two = `{"object":"embedding","index":0,"embedding":[1,0]}`, `{"object":"embedding","index":1,"embedding":[0,1]}`
	var list atomic.Pointer[string]
	url := stub(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"object":"list","model":"e","data":[%s],"usage":{"prompt_tokens":2,"total_tokens":2}}`, *list.Load())
	})
	s := apptest.Start(t, fmt.Sprintf(`
retries: {max: 0}
breaker: {failures: 1000, min_requests: 100000}
providers: {p: {preset: openai-compatible, base_url: "%s/v1", probe: {enabled: false}, batches: {inputs: 2}}}
models: {m: {provider: p, mode: embedding}}
`, url))
	for data, good := range map[string]bool{
		one + "," + two: true, two + "," + one: true, one: false, one + "," + one: false, one + "," + two + "," + two: false,
		one + `,{"index":2,"embedding":[1]}`: false, one + `,{"index":1,"embedding":[]}`: false, one + `,{"index":1,"embedding":"?"}`: false,
	} {
		list.Store(&data)
		v := askVectors(t, s.URL, "m", []string{"a", "b", "c", "d"}, "")
		if good != (v.status == 200) || good && (fmt.Sprint(v.of(t, 0), v.of(t, 3)) != "[1 0] [0 1]" || v.Usage.In != 4) || !good && v.status < 500 {
			t.Errorf("%s: %d %.200s", data, v.status, v.raw)
		}
	}
}

// dimensions is obeyed or refused, by what is known of model and server.
func TestDimensions(t *testing.T) {
	server := func(p mock.Profile) string { return mocktest.Start(t, mock.Options{Profile: p}).URL() }
	s := apptest.Start(t, fmt.Sprintf(`
providers:
  openai: {preset: openai, base_url: "%s/v1", api_key: k, probe: {enabled: false}}
  ollama: {preset: ollama, base_url: "%s/v1", probe: {enabled: false}}
  llama: {preset: llama.cpp, base_url: "%s/v1", probe: {enabled: false}}
  deaf: {preset: openai-compatible, base_url: "%s/v1", probe: {enabled: false}}
models:
  small: {provider: openai, id: text-embedding-3-small, mode: embedding}
  ada: {provider: openai, id: text-embedding-ada-002, mode: embedding}
  bge: {provider: ollama, id: bge-m3, mode: embedding}
  own: {provider: ollama, id: our-own, mode: embedding}
  qwen: {provider: llama, id: qwen3-embedding-0.6b, mode: embedding}
  gguf: {provider: llama, id: our-own, mode: embedding}
  deaf: {provider: deaf, id: our-own, mode: embedding}
`, server(mock.OpenAI), server(mock.Ollama), server(mock.LlamaCpp), server(mock.LlamaCpp)))
	for _, c := range []struct {
		model string
		want  int
		size  int // 0: refused
	}{
		{"small", 256, 256}, {"small", 4000, 0}, {"ada", 256, 0},
		{"bge", 1024, 1024}, {"bge", 512, 0}, {"own", 128, 128},
		{"qwen", 1024, 1024}, {"qwen", 64, 64}, {"qwen", 16, 0}, {"qwen", 2048, 0},
		{"gguf", 64, 0}, {"deaf", 64, 0}, {"deaf", 384, 384}, {"deaf", 0, 0},
	} {
		v := askVectors(t, s.URL, c.model, []string{"one", "two"}, fmt.Sprintf(`,"dimensions":%d`, c.want))
		if c.size == 0 {
			if v.status != 400 || v.Error.Param != "dimensions" {
				t.Errorf("%s with %d: %d %.300s", c.model, c.want, v.status, v.raw)
			}
			continue
		}
		if v.status != 200 || len(v.of(t, 1)) != c.size {
			t.Errorf("%s with %d: %d %.300s", c.model, c.want, v.status, v.raw)
			continue
		}
		length := 0.0
		for _, f := range v.of(t, 1) {
			length += f * f
		}
		if math.Abs(length-1) > 1e-5 && c.model == "qwen" {
			t.Errorf("%s: a vector of length %v", c.model, math.Sqrt(length))
		}
	}
	whole, cut := askVectors(t, s.URL, "qwen", "one", ""), askVectors(t, s.URL, "qwen", "one", `,"dimensions":64,"encoding_format":"base64"`)
	if c := cosine(whole.of(t, 0)[:64], cut.of(t, 0)); c < 0.999999 {
		t.Errorf("what was cut points elsewhere: %v", c)
	}
}

// Token ids are counted, not guessed, and split like texts.
func TestEmbeddingTokenIDs(t *testing.T) {
	p := mocktest.Start(t, mock.Options{Context: 8})
	s := apptest.Start(t, fmt.Sprintf(`
providers:
  p: {preset: openai-compatible, base_url: "%s/v1", probe: {enabled: false}, batches: {inputs: 2}}
  o: {preset: ollama, base_url: "%s/v1", probe: {enabled: false}}
models:
  m: {provider: p, mode: embedding, context: 4}
  cut: {provider: p, mode: embedding, context: 4, truncate: true}
  o: {provider: o, mode: embedding}
`, p.URL(), p.URL()))
	ids := [][]int{{1}, {2, 3}, {4, 5, 6, 7, 8}}
	if v := askVectors(t, s.URL, "m", ids[:2], ""); v.status != 200 || len(v.Data) != 2 {
		t.Errorf("%d %.200s", v.status, v.raw)
	}
	if v := askVectors(t, s.URL, "m", ids, ""); v.status != 400 || !strings.Contains(v.Error.Message, "input 2 ") || !strings.Contains(v.Error.Message, "5 tokens") {
		t.Errorf("%d %.300s", v.status, v.raw)
	}
	if v := askVectors(t, s.URL, "cut", ids, ""); v.status != 200 || len(v.Data) != 3 || v.header.Get("X-Freehold-Truncated") != "2" {
		t.Errorf("%d %.300s", v.status, v.raw)
	}
	if v := askVectors(t, s.URL, "cut", ids[2], ""); v.status != 200 || len(v.Data) != 1 || v.header.Get("X-Freehold-Truncated") != "0" {
		t.Errorf("one list is one input: %d %.300s", v.status, v.raw)
	}
	if v := askVectors(t, s.URL, "o", ids, ""); v.status != 400 || v.Error.Param != "input" {
		t.Errorf("%d %.300s", v.status, v.raw)
	}
}

// askCohere asks in Cohere's form.
func askCohere(t testing.TB, url, body string) (int, http.Header, string) {
	t.Helper()
	resp, err := mocktest.Client().Post(url+"/v2/embed", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(raw)
}

// Cohere's form before any model, and OpenAI's before Cohere's models.
func TestCohereForms(t *testing.T) {
	tei, far := mocktest.Start(t, mock.Options{Profile: mock.TEI}), mocktest.Start(t, mock.Options{Profile: mock.Cohere, Context: 20})
	s := apptest.Start(t, fmt.Sprintf(`
providers:
  tei: {preset: tei, base_url: "%s/v1", probe: {enabled: false}}
  cohere: {preset: cohere, base_url: "%s", api_key: k, probe: {enabled: false}}
models:
  own: {provider: tei, id: e, mode: embedding}
  embed-v4.0: {provider: cohere, mode: embedding, context: 20}
  cutting: {provider: cohere, id: embed-v4.0, mode: embedding, context: 20, truncate: true}
workloads:
  docs: {model: embed-v4.0, params: {defaults: {input_type: search_document}}}
`, tei.URL(), far.URL()))
	type form struct {
		ID, Message string
		Embeddings  struct {
			Float  [][]float64
			Base64 []string
			Int8   [][]int
		}
		Meta struct {
			Billed struct {
				In int `json:"input_tokens"`
			} `json:"billed_units"`
		}
	}
	cohere := func(body string) (int, http.Header, form) {
		status, h, raw := askCohere(t, s.URL, body)
		var f form
		if err := json.Unmarshal([]byte(raw), &f); err != nil {
			t.Fatalf("%v in %.200s", err, raw)
		}
		return status, h, f
	}
	texts, err := json.Marshal(numbered(40))
	if err != nil {
		t.Fatal(err)
	}
	// A model of our own, asked in both forms, in parts.
	status, h, f := cohere(fmt.Sprintf(`{"model":"own","input_type":"search_document","embedding_types":["float"],"texts":%s}`, texts))
	v := askVectors(t, s.URL, "own", numbered(40), "")
	if status != 200 || len(f.Embeddings.Float) != 40 || fmt.Sprint(f.Embeddings.Float[39]) != fmt.Sprint(v.of(t, 39)) || f.Meta.Billed.In != v.Usage.In || h.Get("X-Freehold-Dropped") != "input_type" {
		t.Errorf("%d %.200v %q", status, f, h)
	}
	if status, _, f := cohere(`{"model":"own","input_type":"search_query","embedding_types":["base64"],"texts":["a"]}`); status != 200 || len(f.Embeddings.Base64) != 1 {
		t.Errorf("base64: %d %+v", status, f)
	}
	if status, _, f := cohere(`{"model":"own","input_type":"search_query","embedding_types":["int8"],"texts":["a"]}`); status != 400 || !strings.Contains(f.Message, "embedding_types") {
		t.Errorf("int8 of a model that has none: %d %+v", status, f)
	}
	// Cohere's models: what is not known there is refused here, by name.
	for _, body := range []string{`{"model":"docs","input":["a","b"]}`, `{"model":"embed-v4.0","input":"a","input_type":"search_query","dimensions":512}`} {
		resp, err := mocktest.Client().Post(s.URL+"/v1/embeddings", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(resp.Body)
		if cerr := resp.Body.Close(); err != nil || cerr != nil || resp.StatusCode != 200 {
			t.Errorf("%s: %d %.200s", body, resp.StatusCode, raw)
		}
	}
	if v := askVectors(t, s.URL, "embed-v4.0", "a", ""); v.status != 400 || v.Error.Param != "input_type" {
		t.Errorf("no input type: %d %.300s", v.status, v.raw)
	}
	if v := askVectors(t, s.URL, "docs", numbered(100), ""); v.status != 200 || len(v.Data) != 100 || v.header.Get("X-Freehold-Attempts") != "2" {
		t.Errorf("parts: %d %.200s", v.status, v.raw)
	}
	if status, _, f := cohere(`{"model":"docs","input_type":"search_query","embedding_types":["int8"],"texts":["a"]}`); status != 200 || len(f.Embeddings.Int8) != 1 {
		t.Errorf("int8 of a model that has it: %d %+v", status, f)
	}
	long := strings.TrimSpace(strings.Repeat("word ", 30))
	if status, _, f := cohere(fmt.Sprintf(`{"model":"docs","texts":["a",%q]}`, long)); status != 400 || !strings.Contains(f.Message, "input 1 ") {
		t.Errorf("too long: %d %+v", status, f)
	}
	for _, how := range []string{"END", "START"} {
		if status, h, f := cohere(fmt.Sprintf(`{"model":"docs","texts":["a",%q],"truncate":%q}`, long, how)); status != 200 || h.Get("X-Freehold-Truncated") != "1" {
			t.Errorf("too long, %s: %d %q %+v", how, status, h, f.Message)
		}
	}
	if v := askVectors(t, s.URL, "cutting", []string{long}, `,"input_type":"search_query"`); v.status != 200 || v.header.Get("X-Freehold-Truncated") != "0" {
		t.Errorf("cut: %d %.300s", v.status, v.raw)
	}
	for _, q := range far.Requests() {
		if !strings.Contains(string(q.Body), `"truncate":"NONE"`) {
			t.Errorf("cut without a word: %.200s", q.Body)
		}
	}
}
