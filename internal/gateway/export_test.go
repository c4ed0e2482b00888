package gateway

import "context"

// Decide reads and plans a request as Serve does, and goes no further.
func (g *Gateway) Decide(c *Call) (plan string, err error) {
	x := g.newExchange(nil, c)
	defer x.close()
	err = x.prepare(context.Background())
	return x.row.Plan, err
}
