package gateway

import (
	"github.com/shopspring/decimal"

	"freehold/internal/fleet"
)

// Most is the most that one answer can cost.
type Most struct {
	USD  decimal.NullDecimal // not valid: it is not known
	Out  int64               // tokens of the answer
	Byte decimal.Decimal     // what the prompt costs for each byte, in US dollars
	Why  string              // why it is not known
}

// Most is the most that one answer of the dearest of some deployments to a call
// aside can cost, as each of them would get it: no token is shorter than a byte, and
// the answer is as long as what reaches the provider lets it be, else as the
// deployment's can be, else otherwise. more are bytes of the prompt that are not there
// yet. Nothing is sent. An attempt that fails in mid-answer and is made again comes
// on top.
func (g *Gateway) Most(c *Call, of []*fleet.Deployment, more int, otherwise int64) Most {
	x := g.newExchange(nil, c)
	defer x.close()
	x.dry = true
	body, err := c.Codec.Read(c.Op, c.Raw)
	if err != nil {
		return Most{Why: err.Error()}
	}
	x.body, x.route = body, c.Aside.Route
	x.noteBody()
	most := Most{Why: "no deployment may be asked"}
	for _, d := range of {
		out, err := x.encode(d, nil, true, 0)
		if err != nil { // nothing will be sent there
			if !most.USD.Valid {
				most.Why = err.Error()
			}
			continue
		}
		limit := out.Bound
		if limit.MaxTokens <= 0 {
			limit.MaxTokens = d.LongestAnswer(otherwise)
		}
		b := x.atMost(d, len(out.Body)+more, limit)
		cost := b.cost()
		switch {
		case b.unsized != "":
			return Most{Why: b.unsized}
		case !cost.Valid:
			return Most{Why: "the price of " + d.Name + " is not known"}
		}
		if b.free {
			b.inRate.Decimal = decimal.Zero
		}
		most.Why, most.Out, most.Byte = "", max(most.Out, b.out), decimal.Max(most.Byte, b.inRate.Decimal)
		if !most.USD.Valid || cost.Decimal.GreaterThan(most.USD.Decimal) {
			most.USD = cost
		}
	}
	return most
}
