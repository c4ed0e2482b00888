// Package remote asks a detector over HTTP what it finds in the texts of a
// request: one of freehold's own small protocol, or Microsoft Presidio's
// analyzer.
//
// What comes back is not trusted: an answer that is late, too large, malformed
// or has one place that is no place in its text is no answer, and what no
// answer means is the caller's to say. Nothing here repeats a text in an error.
package remote

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"freehold/internal/detect"
	"freehold/internal/upstream"
)

// Sender carries a call to the detector.
type Sender interface {
	Send(ctx context.Context, p upstream.Permit, call *upstream.Call) (*upstream.Reply, error)
}

// Protocol is what a detector speaks.
type Protocol string

// The protocols.
const (
	Freehold Protocol = "freehold"
	Presidio Protocol = "presidio"
)

// Options describe a detector.
type Options struct {
	Sender   Sender
	Permit   upstream.Permit
	Key      upstream.Key
	Path     string // below the sender's address
	Query    string
	Protocol Protocol
	Kinds    []string // that count; nil: all
	MinScore float64  // below which a finding does not count
	Language string   // of texts, for Presidio
	// Timeout bounds a call, with the wait for a place.
	Timeout time.Duration
	// Concurrent calls at once.
	Concurrent int
	// MaxText is how many bytes of text one request may have.
	MaxText int64
	Clock   func() time.Time
}

// Detector is an external detector. It is safe for concurrent use.
type Detector struct {
	o     Options
	slots chan struct{}

	calls, failures, nanos atomic.Int64
}

// New makes a detector.
func New(o Options) *Detector {
	return &Detector{o: o, slots: make(chan struct{}, o.Concurrent)}
}

// Stats are what a detector has done since the start.
type Stats struct {
	Calls, Failures int64
	Time            time.Duration // of all calls together
}

// Stats returns them.
func (d *Detector) Stats() Stats {
	return Stats{Calls: d.calls.Load(), Failures: d.failures.Load(), Time: time.Duration(d.nanos.Load())}
}

// maxAnswer bounds what a detector may say of one request, in bytes.
const maxAnswer = 4 << 20

// errTooLarge is of a request that has more text than the detector is asked of.
var errTooLarge = errors.New("the request has more text than it is asked of")

// errUnreadable is of a raw body that is no text.
var errUnreadable = errors.New("the body is no text")

// JSON returns what is found in the texts of a JSON body: see texts. The hits
// have no rules.
func (d *Detector) JSON(ctx context.Context, body []byte) ([]detect.Hit, error) {
	return d.find(ctx, body, texts(body))
}

// Text returns what is found in a body that is no JSON, and in other texts of
// the same request, where a hit has no place.
func (d *Detector) Text(ctx context.Context, body []byte, others ...string) ([]detect.Hit, error) {
	list, err := plain(body, others)
	if err != nil {
		d.calls.Add(1)
		d.failures.Add(1)
		return nil, err
	}
	return d.find(ctx, body, list)
}

func (d *Detector) find(ctx context.Context, body []byte, list []text) ([]detect.Hit, error) {
	if len(list) == 0 {
		return nil, nil
	}
	start := d.o.Clock()
	hits, err := d.ask(ctx, body, list)
	d.calls.Add(1)
	d.nanos.Add(int64(d.o.Clock().Sub(start)))
	if err != nil {
		d.failures.Add(1)
	}
	return hits, err
}

func (d *Detector) ask(ctx context.Context, body []byte, list []text) ([]detect.Hit, error) {
	size := int64(0)
	for i := range list {
		size += int64(len(list[i].value))
	}
	if size > d.o.MaxText {
		return nil, errTooLarge
	}
	ctx, cancel := context.WithTimeout(ctx, d.o.Timeout)
	defer cancel()
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("no place in time: %d calls are under way", cap(d.slots))
	}
	w := wires[d.o.Protocol]
	reply, err := d.o.Sender.Send(ctx, d.o.Permit, &upstream.Call{
		Method: http.MethodPost, Path: d.o.Path, Query: d.o.Query, Key: d.o.Key,
		Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}},
		Body:   w.ask(list, d.o.Language),
	})
	if err != nil {
		return nil, err
	}
	answer, err := reply.ReadAll(maxAnswer)
	switch {
	case err != nil:
		return nil, err
	case reply.Status != http.StatusOK:
		return nil, fmt.Errorf("status %d", reply.Status)
	}
	found, err := w.read(answer, list)
	if err != nil {
		return nil, err
	}
	return d.hits(body, list, found)
}
