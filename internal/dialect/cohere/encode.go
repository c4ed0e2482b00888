package cohere

import (
	"slices"
	"strings"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// Forward implements dialect.Codec.
func (Codec) Forward(b *dialect.Body, t *dialect.Target) (*dialect.Outgoing, error) {
	d, f := document(b)
	if f != nil {
		return nil, f
	}
	return adjust(d, t, &dialect.Outgoing{})
}

// adjust puts the target's model and parameters into a body.
func adjust(d *jsondoor.Doc, t *dialect.Target, out *dialect.Outgoing) (*dialect.Outgoing, error) {
	p, root := d.Patch(), d.Root()
	if v := root.Get("model"); !v.Is(t.Model) {
		p.Replace(v, jsondoor.Quote(t.Model))
	}
	gone := func(name string) bool { return slices.Contains(t.Params.Drop, name) }
	for _, name := range t.Params.Drop {
		if v := root.Get(name); v.Exists() && name != "model" {
			if p.Delete(v); v.Present() {
				out.Dropped = append(out.Dropped, name)
			}
		}
	}
	for from, to := range t.Params.Rename {
		if v := root.Get(from); v.Exists() && !gone(from) && !root.Get(to).Exists() {
			p.Rename(v, to)
		}
	}
	for _, f := range t.Params.Defaults {
		if v := root.Get(f.Name); !v.Present() || gone(f.Name) {
			p.Set(root, f.Name, f.Raw)
		}
	}
	hasDefault := slices.ContainsFunc(t.Params.Defaults, func(f llm.Field) bool { return f.Name == "truncate" })
	if !root.Get("truncate").Present() && !hasDefault {
		p.Set(root, "truncate", jsondoor.Quote("NONE"))
	}
	if !p.Changed() {
		out.Body = d.Raw()
		return out, nil
	}
	out.Body = p.Bytes()
	return out, nil
}

// Encode implements dialect.Codec.
func (Codec) Encode(r *llm.Request, t *dialect.Target) (*dialect.Outgoing, error) {
	if r.Operation != llm.Embedding {
		return nil, noOperation(r.Operation)
	}
	foreign := r.Dialect != Name
	out := &dialect.Outgoing{}
	var refused []string
	w := &jsondoor.Writer{Buf: make([]byte, 0, 256)}
	w.Object().Key("model").String(t.Model)
	if len(r.InputTokens) > 0 {
		return nil, &fault.Error{Kind: fault.Unsupported, Code: "unsupported_parameter", Param: "input", NoRetry: true, Message: "Cohere takes texts, and no token ids"}
	}
	if len(r.Input) > 0 {
		w.Key("texts").Array()
		for _, text := range r.Input {
			w.String(text)
		}
		w.EndArray()
	}
	if r.InputType != "" {
		w.Key("input_type").String(r.InputType)
	} else if !slices.ContainsFunc(t.Params.Defaults, func(f llm.Field) bool { return f.Name == "input_type" }) && foreign {
		return nil, &fault.Error{Kind: fault.Unsupported, Code: "missing_required_parameter", Param: "input_type", NoRetry: true,
			Message: "Cohere must be told what the inputs are for: input_type search_document, search_query, classification or clustering",
			Hint:    "send it, or set params: {defaults: {input_type: search_document}} at the workload or model in config.yaml"}
	}
	switch {
	case r.EncodingFormat == "base64", r.EncodingFormat == "float":
		w.Key("embedding_types").Array().String(r.EncodingFormat).EndArray()
	case foreign:
		w.Key("embedding_types").Array().String("float").EndArray()
	}
	if r.Dimensions != nil {
		w.Key("output_dimension").Int(*r.Dimensions)
	}
	if r.Truncate != "" {
		w.Key("truncate").String(strings.ToUpper(string(r.Truncate)))
	}
	for _, x := range r.Extra {
		switch {
		case !foreign:
			w.Key(x.Name).Raw(x.Raw)
		case t.Drop:
			out.Dropped = append(out.Dropped, x.Name)
		default:
			refused = append(refused, x.Name)
		}
	}
	if r.User != "" {
		out.Dropped = append(out.Dropped, "user")
	}
	if len(refused) > 0 {
		return nil, &fault.Error{Kind: fault.Unsupported, Param: refused[0], Code: "unsupported_parameter", NoRetry: true,
			Message: "Cohere has no " + strings.Join(refused, ", ")}
	}
	d, err := jsondoor.Parse(w.EndObject().Buf, request)
	if err != nil {
		return nil, refusal(err)
	}
	defer d.Release()
	return adjust(d, t, out)
}
