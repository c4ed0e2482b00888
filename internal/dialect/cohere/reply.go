package cohere

import (
	"encoding/json"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// kinds are the members of embeddings that hold vectors.
var kinds = []string{"float", "base64", "int8", "uint8", "binary", "ubinary"}

func malformed(err error) *fault.Error {
	return &fault.Error{Kind: fault.Malformed, Message: "the provider's answer is not what the Cohere dialect says: " + err.Error(), Cause: err}
}

// open reads an answer up to its vectors.
func open(op llm.Operation, body []byte) (*jsondoor.Doc, jsondoor.Value, *fault.Error) {
	if op != llm.Embedding {
		return nil, jsondoor.Value{}, noOperation(op)
	}
	d, err := jsondoor.ParseLax(body, reply)
	if err != nil {
		return nil, jsondoor.Value{}, malformed(err)
	}
	v := d.Root().Get("embeddings")
	if v.Kind() != jsondoor.Object {
		d.Release()
		if message, ok := complaint(body); ok {
			return nil, jsondoor.Value{}, fault.New(fault.ProviderError, "%s", message)
		}
		return nil, jsondoor.Value{}, fault.New(fault.Malformed, "the provider's answer has no embeddings")
	}
	return d, v, nil
}

func usageOf(r jsondoor.Value) llm.Usage {
	n, ok := r.Get("meta").Get("billed_units").Get("input_tokens").Int()
	if !ok || n < 0 {
		f, isFloat := r.Get("meta").Get("billed_units").Get("input_tokens").Float() // some versions write 5.0
		if !isFloat || f < 0 || f > 1<<40 {
			return llm.Usage{}
		}
		n = int64(f)
	}
	return llm.Usage{Input: n, Reported: true}
}

// Summarize implements dialect.Codec.
func (Codec) Summarize(op llm.Operation, body []byte) (llm.Summary, error) {
	d, vectors, f := open(op, body)
	if f != nil {
		return llm.Summary{}, f
	}
	defer d.Release()
	s := llm.Summary{ID: d.Root().Get("id").Text(), Usage: usageOf(d.Root())}
	for _, kind := range kinds {
		if v := vectors.Get(kind); v.Kind() == jsondoor.Array {
			s.Choices = v.Len()
			s.Complete, s.Content = s.Choices > 0, s.Choices > 0
			break
		}
	}
	return s, nil
}

// DecodeReply implements dialect.Codec.
func (Codec) DecodeReply(op llm.Operation, body []byte) (*llm.Response, error) {
	d, vectors, f := open(op, body)
	if f != nil {
		return nil, f
	}
	defer d.Release()
	r := &llm.Response{ID: d.Root().Get("id").Text(), Usage: usageOf(d.Root())}
	values, packed := vectors.Get("float"), vectors.Get("base64")
	r.Embeddings = make([]llm.Vector, max(values.Len(), packed.Len()))
	for i := range r.Embeddings {
		r.Embeddings[i].Index = i
	}
	i := 0
	for v := values.First(); v.Exists(); v = v.Next() {
		if err := json.Unmarshal(v.Raw(), &r.Embeddings[i].Values); err != nil || v.Kind() != jsondoor.Array {
			return nil, fault.New(fault.Malformed, "a vector of the provider's answer is no list of numbers")
		}
		i++
	}
	i = 0
	for v := packed.First(); v.Exists(); v = v.Next() {
		if v.Kind() != jsondoor.String {
			return nil, fault.New(fault.Malformed, "a vector of the provider's answer is no base64")
		}
		r.Embeddings[i].Base64 = v.Text()
		i++
	}
	if len(r.Embeddings) == 0 {
		return nil, fault.New(fault.Malformed, "the provider's answer has neither float nor base64 vectors")
	}
	return r, nil
}

// EncodeReply implements dialect.Codec.
func (Codec) EncodeReply(r *llm.Response, op llm.Operation, v dialect.View) ([]byte, error) {
	if op != llm.Embedding {
		return nil, noOperation(op)
	}
	id := r.ID
	if id == "" {
		id = v.ID
	}
	w := &jsondoor.Writer{Buf: make([]byte, 0, 1024)}
	w.Object().Key("id").String(id).Key("embeddings").Object()
	if len(r.Embeddings) > 0 && r.Embeddings[0].Values != nil {
		w.Key("float").Array()
		for i := range r.Embeddings {
			w.Array()
			for _, f := range r.Embeddings[i].Values {
				w.Float(f)
			}
			w.EndArray()
		}
		w.EndArray()
	}
	if len(r.Embeddings) > 0 && r.Embeddings[0].Base64 != "" {
		w.Key("base64").Array()
		for i := range r.Embeddings {
			w.String(r.Embeddings[i].Base64)
		}
		w.EndArray()
	}
	w.EndObject().Key("meta").Object().Key("api_version").Object().Key("version").String("2").EndObject()
	if r.Usage.Reported {
		w.Key("billed_units").Object().Key("input_tokens").Int(r.Usage.Input).EndObject()
	}
	w.EndObject().Key("response_type").String("embeddings_by_type")
	return w.EndObject().Buf, nil
}
