// Package embed makes vectors of many texts by one model: in batches, a bounded number
// of them at once, each text in its place. A text that the model refuses is told with
// its reason, and never cut. How the model is asked is an [Asker]'s; nothing here
// reaches a network.
package embed

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/purse"
	"freehold/internal/vector"
)

// Answer is what came of a question.
type Answer struct {
	Vectors [][]float32 // one for each text
	Tokens  int64
	Cost    decimal.NullDecimal // in US dollars; not valid: unknown
	// Refused is why the model refuses the texts for what they are; empty: it does not.
	Refused string
	// Wait is not 0 where a limit or a breaker was met: nobody was asked yet.
	Wait time.Duration
}

// Asker asks the model. An error is a [*vector.Error] where to ask once more may help.
type Asker interface {
	Ask(ctx context.Context, texts []string) (Answer, error)
}

// Options of [New].
type Options struct {
	Asker Asker
	Model string // for people
	Dim   int    // numbers of each vector; 0: as many as the first one has
	// Batch and Bytes are how many texts one question has, and how many bytes of them, at
	// most; 0: 64 and 256 KiB. A text that is longer goes alone.
	Batch, Bytes int
	Concurrency  int // questions under way at most; 0: 4
	// Limit is the most that it may cost, in US dollars; not valid: nobody minds. Token is
	// what a token costs.
	Limit, Token decimal.NullDecimal
	// Sleep waits, or until ctx ends.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Client makes vectors of texts. It may be used concurrently.
type Client struct {
	o     Options
	turns chan struct{}
	purse purse.Purse

	mu    sync.Mutex
	spent Spent
	dim   int
}

// Spent is what a client has used.
type Spent struct {
	Texts   int64           `json:"texts"`
	Tokens  int64           `json:"tokens"`
	Asked   int64           `json:"requests"`
	USD     decimal.Decimal `json:"usd"`
	Unknown int             `json:"unknown,omitempty"` // answers whose cost is not known
}

// New makes a client.
func New(o Options) *Client {
	set := func(n *int, to int) {
		if *n <= 0 {
			*n = to
		}
	}
	set(&o.Batch, 64)
	set(&o.Bytes, 256<<10)
	set(&o.Concurrency, 4)
	return &Client{o: o, turns: make(chan struct{}, o.Concurrency), purse: purse.Purse{Limit: o.Limit}, dim: o.Dim}
}

// Spent is what was used until now.
func (c *Client) Spent() Spent {
	c.mu.Lock()
	out := c.spent
	c.mu.Unlock()
	out.USD, out.Unknown = c.purse.Spent()
	return out
}

// Embed makes vectors of texts, in their order. A text that there can be no vector of
// has none, and why says why.
func (c *Client) Embed(ctx context.Context, texts []string) (vectors [][]float32, why []string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	vectors, why = make([][]float32, len(texts)), make([]string, len(texts))
	var all sync.WaitGroup
	for _, b := range c.batches(texts, why) {
		if !c.enter(ctx) {
			break
		}
		all.Go(func() {
			defer func() { <-c.turns }()
			if err := c.batch(ctx, b, texts, vectors, why); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	return vectors, why, nil
}

// enter waits for a turn; false: ctx has ended, and there is none.
func (c *Client) enter(ctx context.Context) bool {
	select {
	case c.turns <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// batches are the places of texts that are asked for at once. Texts without a letter
// are asked for nowhere.
func (c *Client) batches(texts, why []string) (out [][]int) {
	var b []int
	bytes := 0
	for i, t := range texts {
		if blank(t) {
			why[i] = "its text is empty"
			continue
		}
		if len(b) > 0 && (len(b) == c.o.Batch || bytes+len(t) > c.o.Bytes) {
			out, b, bytes = append(out, b), nil, 0
		}
		b, bytes = append(b, i), bytes+len(t)
	}
	if len(b) > 0 {
		out = append(out, b)
	}
	return out
}

// batch asks for some texts. Of those that the model refuses it finds out which.
func (c *Client) batch(ctx context.Context, at []int, texts []string, vectors [][]float32, why []string) error {
	some := make([]string, len(at))
	for k, i := range at {
		some[k] = texts[i]
	}
	a, err := c.patiently(ctx, some)
	if err != nil {
		return err
	}
	switch {
	case a.Refused == "":
		for k, i := range at {
			vectors[i] = a.Vectors[k]
		}
		return nil
	case len(at) > 1:
		if err := c.batch(ctx, at[:len(at)/2], texts, vectors, why); err != nil {
			return err
		}
		return c.batch(ctx, at[len(at)/2:], texts, vectors, why)
	}
	// A model that takes nothing at all refuses the question, not the text.
	if a, err := c.patiently(ctx, []string{Probe}); err != nil || a.Refused != "" {
		if err == nil {
			err = fmt.Errorf("the model %s takes no text at all: %s", c.o.Model, a.Refused)
		}
		return err
	}
	why[at[0]] = "the model refuses its text: " + a.Refused
	return nil
}

// Probe is a text that each model takes.
const Probe = "What is this document about?"

// maxWaits is how often a question waits for a limit or a breaker, and maxWait how
// long each time.
const (
	maxWaits = 20
	maxWait  = 2 * time.Minute
)

// patiently asks once there is money for the question, and whoever is asked has room.
func (c *Client) patiently(ctx context.Context, texts []string) (Answer, error) {
	bytes := int64(0)
	for _, t := range texts {
		bytes += int64(len(t)) + 2 // no token is shorter than a byte; marks around it
	}
	most := c.o.Token
	most.Decimal = most.Decimal.Mul(decimal.NewFromInt(bytes))
	for waits := 0; ; waits++ {
		if ctx.Err() != nil {
			return Answer{}, context.Cause(ctx)
		}
		if err := c.purse.Take(ctx, most); err != nil {
			return Answer{}, err
		}
		a, err := c.o.Asker.Ask(ctx, texts)
		if err != nil || a.Refused != "" || a.Wait > 0 {
			a.Cost = decimal.NewNullDecimal(decimal.Zero)
		}
		c.purse.Settle(most, a.Cost)
		switch {
		case err != nil:
			return a, err
		case a.Wait > 0 && waits == maxWaits:
			return a, &vector.Error{Trouble: vector.Throttled, Store: "the model " + c.o.Model, Doing: "embed", RetryAfter: a.Wait, Message: "a limit, or a breaker, does not let it be asked"}
		case a.Wait > 0:
			if err := c.o.Sleep(ctx, min(a.Wait, maxWait)); err != nil {
				return a, err
			}
		case a.Refused != "":
			return a, nil
		default:
			return a, c.taken(&a, len(texts))
		}
	}
}

// taken checks an answer, and counts it.
func (c *Client) taken(a *Answer, texts int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(a.Vectors) != texts {
		return fmt.Errorf("the model %s was asked for %d vectors, and made %d", c.o.Model, texts, len(a.Vectors))
	}
	for _, v := range a.Vectors {
		if c.dim == 0 {
			c.dim = len(v)
		}
		if len(v) != c.dim || len(v) == 0 {
			return fmt.Errorf("the model %s made a vector of %d numbers, and others of it have %d: is it still the same model?", c.o.Model, len(v), c.dim)
		}
		r := vector.Record{Vectors: []vector.Vector{{Dense: v}}}
		if err := r.Check(); err != nil {
			return fmt.Errorf("the model %s: %w", c.o.Model, err)
		}
	}
	c.spent.Asked++
	c.spent.Texts += int64(texts)
	c.spent.Tokens += a.Tokens
	return nil
}

// Dim is how many numbers each vector has; 0: nothing was asked yet.
func (c *Client) Dim() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dim
}

// blank reports a text without anything to see.
func blank(text string) bool { return strings.TrimSpace(text) == "" }
