package gateway

// Decide reads and plans a request as Serve does, and goes no further.
func (g *Gateway) Decide(c *Call) (plan string, err error) {
	x := g.newExchange(nil, c)
	defer x.close()
	err = x.prepare()
	return x.row.Plan, err
}
