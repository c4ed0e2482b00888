package upstream

import (
	"errors"
	"io"
)

// Cut makes the reply's body end early, after n bytes, as one does whose
// connection breaks. It is for drills: what follows of the real answer is never
// read, and its connection is closed.
func (r *Reply) Cut(n int64, why error) {
	if b, ok := r.Body.(body); ok {
		r.Body = &cutBody{body: b, left: n, why: why}
	}
}

type cutBody struct {
	body
	left int64
	why  error
}

func (c *cutBody) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, c.endpoint().error(Cut, true, c.why)
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.body.Read(p)
	c.left -= int64(n)
	if errors.Is(err, io.EOF) { // it was shorter than where it was to break
		err = c.endpoint().error(Cut, true, c.why)
	}
	return n, err
}
