package cohere

import (
	"bytes"
	"errors"
	"fmt"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// Read implements dialect.Codec.
func (Codec) Read(op llm.Operation, raw []byte) (*dialect.Body, error) {
	if op != llm.Embedding {
		return nil, noOperation(op)
	}
	d, err := jsondoor.Parse(raw, request)
	if err != nil {
		return nil, refusal(err)
	}
	b := &dialect.Body{Op: op, Raw: raw, Index: d}
	if f := inspect(d.Root(), &b.Facts); f != nil {
		d.Release()
		return nil, f
	}
	return b, nil
}

// refusal is the fault of a body that the door refused.
func refusal(err error) *fault.Error {
	f := &fault.Error{Kind: fault.BadRequest, Code: "invalid_json", Message: "the request body was refused: " + err.Error(), Cause: err}
	var e *jsondoor.Error
	if errors.As(err, &e) {
		f.Param = e.Path
		if e.Reason == jsondoor.Duplicate || e.Reason == jsondoor.Variant {
			f.Code = "ambiguous_json"
		}
	}
	return f
}

func invalid(param, format string, a ...any) *fault.Error {
	return &fault.Error{Kind: fault.BadRequest, Code: "invalid_value", Param: param, Message: "invalid " + param + ": " + fmt.Sprintf(format, a...)}
}

func inspect(r jsondoor.Value, f *llm.Facts) *fault.Error {
	if r.Kind() != jsondoor.Object {
		return &fault.Error{Kind: fault.BadRequest, Code: "invalid_type", Message: "the body must be an object"}
	}
	for m := r.First(); m.Exists(); m = m.Next() {
		if !m.Present() {
			continue
		}
		f.Parameters |= llm.ParameterOf(m.RawName())
		if p := inspectMember(string(m.RawName()), m, f); p != nil {
			return p
		}
	}
	if f.Model == "" {
		return &fault.Error{Kind: fault.BadRequest, Code: "missing_required_parameter", Param: "model", Message: "model is required"}
	}
	given := 0
	for _, name := range []string{"texts", "images", "inputs"} {
		if r.Get(name).Present() {
			given++
		}
	}
	if given != 1 {
		return &fault.Error{Kind: fault.BadRequest, Code: "missing_required_parameter", Param: "texts", Message: "one of texts, images and inputs is required"}
	}
	return nil
}

func inspectMember(name string, v jsondoor.Value, f *llm.Facts) *fault.Error {
	switch name {
	case "model", "input_type":
		if v.Kind() != jsondoor.String {
			return invalid(name, "expected a string, got %s", v.Kind())
		}
		if name == "model" {
			f.Model = v.Text()
		}
	case "truncate":
		how, ok := truncates[v.Text()]
		if v.Kind() != jsondoor.String || !ok {
			return invalid(name, "expected NONE, START or END")
		}
		f.Truncates = how != llm.TruncateNone
	case "output_dimension":
		if n, ok := v.Int(); !ok || n < 1 {
			return invalid(name, "expected a positive integer")
		}
	case "embedding_types":
		if v.Kind() != jsondoor.Array || !v.First().Exists() {
			return invalid(name, "expected a list of types")
		}
		for t := v.First(); t.Exists(); t = t.Next() {
			if t.Kind() != jsondoor.String {
				return invalid(name, "expected strings")
			}
			f.Whole = f.Whole || !t.Is("float") && !t.Is("base64")
		}
		f.Whole = f.Whole || v.Len() > 1
	case "images", "inputs":
		if v.Kind() != jsondoor.Array || !v.First().Exists() {
			return invalid(name, "expected a list that is not empty")
		}
		f.Whole, f.Unsized = true, true
		f.TextBytes += len(v.Raw())
	case "texts":
		return inspectTexts(v, f)
	}
	return nil
}

func inspectTexts(v jsondoor.Value, f *llm.Facts) *fault.Error {
	if v.Kind() != jsondoor.Array || !v.First().Exists() {
		return invalid("texts", "expected a list of strings that is not empty")
	}
	for t := v.First(); t.Exists(); t = t.Next() {
		if t.Kind() != jsondoor.String {
			return invalid("texts", "expected strings, got %s", t.Kind())
		}
		f.Inputs++
		f.TextBytes += t.Size()
		f.LongestBytes = max(f.LongestBytes, t.Size())
	}
	return nil
}

var truncates = map[string]llm.Truncate{"NONE": llm.TruncateNone, "START": llm.TruncateStart, "END": llm.TruncateEnd}

// Prompt implements dialect.Codec.
func (Codec) Prompt(b *dialect.Body) dialect.Prompt {
	d, f := document(b)
	if f != nil {
		return dialect.Prompt{}
	}
	return dialect.Prompt{User: string(d.Root().Get("texts").First().AppendEnds(nil, dialect.PromptEnd))}
}

// Decode implements dialect.Codec.
func (Codec) Decode(b *dialect.Body) (*llm.Request, error) {
	d, f := document(b)
	if f != nil {
		return nil, f
	}
	r := &llm.Request{Operation: b.Op, Dialect: Name}
	for m := d.Root().First(); m.Exists(); m = m.Next() {
		if m.Present() && !decodeMember(r, m) {
			r.Extra = append(r.Extra, llm.Field{Name: m.Name(), Raw: bytes.Clone(m.Raw())})
		}
	}
	return r, nil
}

// decodeMember takes one member in; false: it has no place in the canonical model.
func decodeMember(r *llm.Request, v jsondoor.Value) bool {
	switch string(v.RawName()) {
	case "model":
		r.Model = v.Text()
	case "texts":
		for t := v.First(); t.Exists(); t = t.Next() {
			r.Input = append(r.Input, t.Text())
		}
	case "input_type":
		r.InputType = v.Text()
	case "output_dimension":
		r.Dimensions = v.IntOrNil()
	case "truncate":
		r.Truncate = truncates[v.Text()]
	case "embedding_types":
		if first := v.First(); v.Len() == 1 && (first.Is("float") || first.Is("base64")) {
			r.EncodingFormat = first.Text()
			return true
		}
		return false
	default:
		return false
	}
	return true
}
