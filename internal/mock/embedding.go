package mock

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
)

// vectorTraits is what a server does with requests for embeddings.
type vectorTraits struct {
	maxInputs int // of one request; 0: no limit
	maxTokens int // of one request, of all inputs together; 0: no limit
	context   int // tokens of one input, unless Options.Context says otherwise
	cuts      bool
	textOnly  bool // token ids are refused
	// dimensions is "": models of OpenAI's that can are asked to; "any": of every
	// model the beginning; "ignored".
	dimensions string
}

// vectors are the traits of a profile.
func (p Profile) vectors() vectorTraits {
	switch p {
	case VLLM:
		return vectorTraits{context: 8192, dimensions: "any"}
	case LlamaCpp:
		return vectorTraits{context: 8192, dimensions: "ignored"}
	case Ollama:
		return vectorTraits{context: 8192, cuts: true, textOnly: true, dimensions: "any"}
	case TEI:
		return vectorTraits{maxInputs: 32, context: 8192, cuts: true, textOnly: true, dimensions: "any"}
	case Infinity:
		return vectorTraits{maxInputs: 2048, context: 8192, cuts: true, textOnly: true, dimensions: "any"}
	case Cohere:
		return vectorTraits{maxInputs: 96, context: 128_000, textOnly: true}
	}
	return vectorTraits{maxInputs: 2048, maxTokens: 300_000, context: 8192}
}

// vector is the embedding of a text: the sum of its words' directions, of
// length one, so that texts that share words are near each other.
func vector(seed uint64, text string, dimensions int) []float32 {
	sum := make([]float64, dimensions)
	add := func(word string, weight float64) {
		r := rand.New(rand.NewPCG(hash(seed, word), 1))
		for i := range sum {
			sum[i] += weight * r.NormFloat64()
		}
	}
	words := strings.Fields(strings.ToLower(text))
	for _, w := range words {
		add(strings.Trim(w, ".,;:!?\"'()"), 1)
	}
	add(text, 0.05) // order and spelling count a little
	var square float64
	for _, x := range sum {
		square += x * x
	}
	out := make([]float32, dimensions)
	for i, x := range sum {
		out[i] = float32(x / math.Sqrt(square))
	}
	return out
}

// dimensionsOf a model's vectors and whether they may be cut.
func dimensionsOf(model string) (int, bool) {
	switch {
	case strings.Contains(model, "ada-002"):
		return 1536, false
	case strings.Contains(model, "bge-m3"):
		return 1024, false
	case strings.Contains(model, "qwen3-embedding"):
		return 1024, true
	case strings.Contains(model, "3-large"):
		return 3072, true
	case strings.Contains(model, "3-small"):
		return 1536, true
	}
	return 384, true
}

func (o *openai) embeddings(tree map[string]any, seed uint64) ([]byte, *problem) {
	if p := o.shapes.embedding(nil, tree); p != nil {
		return nil, p
	}
	var b struct {
		Model          string
		Input          any
		Dimensions     int
		EncodingFormat string `json:"encoding_format"`
	}
	decode(tree, &b)
	size, p := o.vectors.size(b.Model, b.Dimensions)
	if p != nil {
		return nil, p
	}
	texts, used, p := o.vectors.read(inputs(b.Input), o.profile)
	if p != nil {
		return nil, p
	}
	list := []any{}
	for i, t := range texts {
		var e any = vector(seed, t, size)
		if b.EncodingFormat == "base64" {
			e = packed(vector(seed, t, size))
		}
		list = append(list, map[string]any{"object": "embedding", "index": i, "embedding": e})
	}
	return []byte(compact(map[string]any{"object": "list", "data": list, "model": b.Model,
		"usage": map[string]any{"prompt_tokens": used, "total_tokens": used}})), nil
}

// packed is a vector as base64 of float32.
func packed(v []float32) string {
	raw := make([]byte, 4*len(v))
	for j, x := range v {
		binary.LittleEndian.PutUint32(raw[4*j:], math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// size is how long a model's vectors are, asked for want numbers.
func (t *vectorTraits) size(model string, want int) (int, *problem) {
	size, cuttable := dimensionsOf(model)
	switch {
	case want <= 0 || t.dimensions == "ignored":
		return size, nil
	case !cuttable && t.dimensions == "":
		return 0, problemf([]any{"dimensions"}, "", "This model does not support specifying dimensions.")
	case want > size:
		return 0, problemf([]any{"dimensions"}, "", "Invalid value for 'dimensions' = %d. Must be less than or equal to %d.", want, size)
	}
	return want, nil
}

// read gives the inputs as the model sees them, and counts them, or refuses
// what the server would.
func (t *vectorTraits) read(texts []string, p Profile) (seen []string, used int, bad *problem) {
	for i, text := range texts {
		words := tokens(text)
		n := max(len(words), 1)
		if n > t.context {
			if !t.cuts {
				return nil, 0, longInput(p, i, n, t.context)
			}
			n, text = t.context, strings.Join(words[:t.context], "")
		}
		used += n
		seen = append(seen, text)
	}
	if t.maxTokens > 0 && used > t.maxTokens {
		return nil, 0, &problem{code: "max_tokens_per_request", message: fmt.Sprintf("Requested %d tokens, max %d tokens per request", used, t.maxTokens)}
	}
	return seen, used, nil
}

// longInput is what a server says of an input that is too long.
func longInput(p Profile, input, has, limit int) *problem {
	switch p {
	case LlamaCpp:
		return &problem{status: http.StatusInternalServerError, code: "500", message: fmt.Sprintf("input (%d tokens) is too large to process. increase the physical batch size (current batch size: %d)", has, limit)}
	case VLLM:
		return problemf([]any{"input"}, "", "This model's maximum context length is %d tokens. However, you requested %d tokens in the input for embedding generation. Please reduce the length of the input.", limit, has)
	case Cohere:
		return problemf([]any{"texts", input}, "", "too many tokens: the input has %d tokens, and the model takes %d; set truncate to START or END", has, limit)
	}
	return problemf([]any{"input"}, "", "This model's maximum context length is %d tokens, however you requested %d tokens (%d in your prompt; 0 for the completion). Please reduce your prompt; or completion length.", limit, has, has)
}

// inputs are the texts of a prompt or input: a text, tokens, or lists of them.
// Tokens stand for themselves as numbers.
func inputs(v any) []string {
	number := func(l []any) string {
		var t []string
		for _, n := range l {
			t = append(t, fmt.Sprint(n))
		}
		return strings.Join(t, " ")
	}
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		if _, ok := v[0].(json.Number); ok {
			return []string{number(v)}
		}
		var out []string
		for _, e := range v {
			switch e := e.(type) {
			case string:
				out = append(out, e)
			case []any:
				out = append(out, number(e))
			}
		}
		return out
	}
	return nil
}
