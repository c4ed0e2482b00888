package transfer

import (
	"context"
	"errors"
	"fmt"

	"freehold/internal/vector"
)

// writeBatches writes batches until there are no more.
func (c *copying) writeBatches(ctx context.Context) error {
	for b := range c.writes {
		if ctx.Err() != nil {
			continue // so that whoever sends does not hang; it is not done
		}
		err := c.writeBatch(ctx, b)
		c.room.give(b.bytes)
		if err != nil {
			return fmt.Errorf("write to namespace %q: %w", b.namespace, err)
		}
	}
	return nil
}

// writeBatch writes one batch, when it is its turn.
func (c *copying) writeBatch(ctx context.Context, b batch) error {
	var refused []Refusal
	err := c.Again(ctx, "write", func() error {
		if !c.write.enter(ctx) {
			return nil
		}
		err := c.Target.Put(ctx, b.namespace, b.records)
		c.write.leave(len(b.records), err)
		var no *vector.RefusedError
		if errors.As(err, &no) {
			refused = refusedBy(no, b.records)
			return nil
		}
		return err
	})
	if err != nil || ctx.Err() != nil {
		return err
	}
	c.end(b.of, int64(len(b.records)-len(refused)), b.bytes, refused)
	return nil
}

// refusedBy is what a target refused, as the mapped record: its payload has the
// source's id where that is not the target's.
func refusedBy(no *vector.RefusedError, records []vector.Record) []Refusal {
	var out []Refusal
	for i := range records {
		if why, ok := no.Records[records[i].ID]; ok {
			out = append(out, refusal(&records[i], why))
		}
	}
	return out
}
