package gateway

import (
	"strings"

	"freehold/internal/fault"
	"freehold/internal/ledger"
	"freehold/internal/llm"
)

// countable reports whether tokens are to be estimated here after err: nobody who
// may be asked could count them, and the request is not at fault.
func (x *exchange) countable(err error) bool {
	if x.call.Op != llm.CountTokens {
		return false
	}
	switch x.faultOf(err).Kind {
	case fault.Exhausted, fault.Shed, fault.Unsupported:
		return true
	}
	return false
}

// countHere answers count_tokens where no provider of the route does: an
// estimate with a vocabulary of our own, which the header
// x-freehold-estimated says. Nothing leaves this machine for it.
func (x *exchange) countHere() error {
	r, err := x.canonical()
	if err != nil {
		return err
	}
	var b strings.Builder
	media := int64(0)
	for i := range r.Messages {
		media += textOf(&b, r.Messages[i].Parts)
	}
	for i := range r.Tools {
		b.WriteString(r.Tools[i].Name)
		b.WriteString(r.Tools[i].Description)
		b.Write(r.Tools[i].Schema)
	}
	tokens := x.g.Estimator.Text(b.String()) + int64(4*len(r.Messages)) + media
	body, err := x.call.Codec.EncodeReply(&llm.Response{InputTokens: tokens}, llm.CountTokens, x.view())
	if err != nil {
		return err
	}
	x.row.Route, x.row.Status, x.row.Outcome = "estimated here", 200, ledger.OK
	x.row.BytesOut = int64(len(body))
	x.headers(nil)
	x.out.w.Header().Set("X-Freehold-Estimated", "true")
	if err := x.settle(); err != nil {
		return err
	}
	return x.out.whole(body)
}

// tokensPerImage is the order of magnitude that vendors document for an image.
const tokensPerImage = 1500

// textOf collects the text of parts and returns an estimate for their media.
func textOf(b *strings.Builder, parts []llm.Part) (media int64) {
	for i := range parts {
		p := &parts[i]
		b.WriteString(p.Text)
		b.WriteString(p.Name)
		b.WriteString(p.Arguments)
		if p.Media != nil {
			media += tokensPerImage
		}
		media += textOf(b, p.Result)
	}
	return media
}
