package gateway

import (
	"freehold/internal/dialect"
	"freehold/internal/fleet"
	"freehold/internal/llm"
	"freehold/internal/meter"
	"freehold/internal/routing"
	"freehold/internal/variant"
)

// variant is how the request is put to d's model; nil: as it is.
func (x *exchange) variant(d *fleet.Deployment) *variant.Variant {
	if x.call.Op == llm.Embedding {
		return nil
	}
	return x.route.Variant(d.Model)
}

// promptAt is the estimate of the prompt's tokens as d gets it.
func (x *exchange) promptAt(d *fleet.Deployment) int64 { return x.promptTo(d.Model) }

func (x *exchange) promptTo(m *fleet.Model) int64 {
	grows := x.route.Variant(m).Grows(x.call.Op, &x.body.Facts)
	if grows == 0 {
		return x.promptIn
	}
	return meter.Bytes(max(x.body.Facts.TextBytes+grows, 0))
}

// sizeAt is at most how long the request's body is as d gets it.
func (x *exchange) sizeAt(d *fleet.Deployment) int {
	v := x.route.Variant(d.Model)
	if v == nil {
		return len(x.call.Raw)
	}
	// Each byte of a JSON string stands for itself, or for six at most.
	return len(x.call.Raw) + 6*(len(v.System)+len(variant.Between)) + variantRoom
}

// variantRoom is what members of a variant take beside its system prompt: ten
// parameters, stop texts aside.
const variantRoom = 1024

// varied is what models with a variant are sent; nil where none has one.
func (x *exchange) varied(in *routing.Input) func(*fleet.Model) (llm.Features, int64) {
	if len(in.Route.Variants) == 0 || x.call.Op == llm.Embedding {
		return nil
	}
	return func(m *fleet.Model) (llm.Features, int64) {
		return in.Route.Variant(m).Features(in.Facts.Features), in.Longest + x.promptTo(m) - x.promptIn
	}
}

// encodeFor makes d's body of a canonical request.
func (x *exchange) encodeFor(d *fleet.Deployment, r *llm.Request, t *dialect.Target) (*dialect.Outgoing, error) {
	r, dropped := x.variant(d).Apply(r)
	out, err := d.Provider.Codec.Encode(r, t)
	if err == nil {
		out.Dropped = append(dropped, out.Dropped...)
	}
	return out, err
}
