package transfer

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"freehold/internal/vector"
)

// unit is work that is being done. It is done when it has been read to its end and
// nothing of it is under way to the target.
type unit struct {
	Work
	seen map[vector.ID]struct{} // read and passed on; of its reader alone

	mu    sync.Mutex
	open  int // batches under way, and 1 while it is being read
	total Finished
}

// batch is records on their way to the target, of one namespace there.
type batch struct {
	of        *unit
	namespace string
	records   []vector.Record
	bytes     int64
}

// readUnits reads units and passes their records on.
func (c *copying) readUnits(ctx context.Context) error {
	for w := range c.units {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.readUnit(ctx, w); err != nil {
			return fmt.Errorf("namespace %q: %w", w.Namespace, err)
		}
	}
	return nil
}

// readUnit reads one unit.
func (c *copying) readUnit(ctx context.Context, w Work) error {
	u := &unit{Work: w, open: 1, total: Finished{Seq: w.Seq, Listed: int64(w.Count)}, seen: make(map[vector.ID]struct{}, w.Count)}
	if err := c.readAll(ctx, u, w.Unit); err != nil || ctx.Err() != nil {
		return err
	}
	if len(u.seen) < len(w.IDs) {
		if err := c.lookAgain(ctx, u); err != nil || ctx.Err() != nil {
			return err
		}
	}
	u.mu.Lock()
	u.total.Gone = int64(max(0, w.Count-len(u.seen)))
	u.mu.Unlock()
	c.end(u, 0, 0, nil)
	return nil
}

// readAll reads what is asked and passes on what has not been passed yet.
func (c *copying) readAll(ctx context.Context, u *unit, what vector.Unit) error {
	return c.Again(ctx, "read", func() error {
		for records, err := range c.Source.Read(ctx, what) {
			if err != nil {
				return err
			}
			fresh := records[:0]
			for i := range records {
				if _, ok := u.seen[records[i].ID]; !ok {
					fresh = append(fresh, records[i])
				}
			}
			if !c.pass(ctx, u, fresh) {
				return nil
			}
			for i := range fresh {
				u.seen[fresh[i].ID] = struct{}{}
			}
		}
		return nil
	})
}

// lookAgain reads those of a unit's records that were listed and then did not come:
// a store that is not consistent at once may have them a little later.
func (c *copying) lookAgain(ctx context.Context, u *unit) error {
	missing := u.Unit
	missing.IDs = nil
	for _, id := range u.IDs {
		if _, ok := u.seen[vector.IDOf(id)]; !ok {
			missing.IDs = append(missing.IDs, id)
		}
	}
	if err := c.Sleep(ctx, backoff(0)); err != nil {
		return err
	}
	return c.readAll(ctx, u, missing)
}

// pass maps records and sends them to the writers in batches of one namespace.
// false: the copy ends.
func (c *copying) pass(ctx context.Context, u *unit, records []vector.Record) bool {
	s := sending{c: c, ctx: ctx, u: u, room: min(len(records), 1000)}
	defer s.told()
	records, err := c.apart(ctx, records, &s)
	if err != nil {
		c.cancel(err)
		return false
	}
	if c.Embedding != nil {
		if err := c.embed(ctx, records, &s); err != nil {
			c.cancel(err)
		}
		return ctx.Err() == nil && s.flush()
	}
	for i := range records {
		r, why := c.become(&records[i])
		if why != "" {
			s.refuse(&records[i], why)
		} else if !s.put(&r) {
			return false
		}
	}
	return s.flush()
}

// apart refuses those of some records whose ids become one with others of the source:
// all of them, for none is more than the others.
func (c *copying) apart(ctx context.Context, records []vector.Record, s *sending) (out []vector.Record, err error) {
	var collide map[vector.ID]string
	err = c.Again(ctx, "read", func() (err error) {
		collide, err = c.Mapping.Collisions(ctx, c.Source, c.kinds, records)
		return err
	})
	if err != nil || len(collide) == 0 {
		return records, err
	}
	for i := range records {
		why := collide[records[i].ID]
		if why == "" {
			out = append(out, records[i])
			continue
		}
		no := refusal(&records[i], why)
		if kind := records[i].ID.Kind(); kind != vector.TextID { // refusals go by the id as a text, which the other one has
			no.ID += " (" + kind.String() + ")"
		}
		s.refused = append(s.refused, no)
	}
	return out, nil
}

// sending makes batches of records of a unit.
type sending struct {
	c       *copying
	ctx     context.Context
	u       *unit
	room    int // records that a batch is made for
	b       batch
	refused []Refusal
}

// put sends a record, when its batch is full. false: the copy ends.
func (s *sending) put(r *vector.Record) bool {
	size, limits, b := int64(r.Size()), &s.c.limits, &s.b
	over := limits.Records > 0 && len(b.records) >= limits.Records ||
		limits.Bytes > 0 && b.bytes+size > int64(limits.Bytes) || b.bytes+size > s.c.Bytes/4
	if len(b.records) > 0 && (over || b.namespace != r.Namespace) && !s.flush() {
		return false
	}
	if b.records == nil {
		*b = batch{of: s.u, namespace: r.Namespace, records: make([]vector.Record, 0, s.room)}
	}
	b.records, b.bytes = append(b.records, *r), b.bytes+size
	return true
}

// flush sends the batch. false: the copy ends.
func (s *sending) flush() bool {
	if len(s.b.records) == 0 {
		return true
	}
	if !s.c.room.take(s.ctx, s.b.bytes) {
		return false
	}
	s.u.mu.Lock()
	s.u.open++
	s.u.mu.Unlock()
	if !send(s.ctx, s.c.writes, s.b) {
		s.c.room.give(s.b.bytes)
		return false
	}
	s.b = batch{}
	return true
}

func (s *sending) refuse(r *vector.Record, why string) {
	s.refused = append(s.refused, refusal(r, why))
}

// told puts into the unit what was refused.
func (s *sending) told() {
	if len(s.refused) > 0 {
		s.u.mu.Lock()
		s.u.total.Refused = append(s.u.total.Refused, s.refused...)
		s.u.mu.Unlock()
	}
}

// become makes the target's record of a source's, or says why there is none.
func (c *copying) become(r *vector.Record) (out vector.Record, why string) {
	if err := r.Check(); err != nil {
		return out, err.Error()
	}
	out, err := c.Mapping.Apply(r)
	if err != nil {
		return out, err.Error()
	}
	return out, c.limits.Refuse(&out)
}

func refusal(r *vector.Record, why string) Refusal {
	out := Refusal{Namespace: r.Namespace, ID: r.ID.String(), Why: why}
	if text, err := json.Marshal(r); err == nil { // one that is no JSON (NaN) is told by its id
		out.Record = text
	}
	return out
}

// end is the end of a batch, or of the reading of a unit.
func (c *copying) end(u *unit, copied, bytes int64, refused []Refusal) {
	u.mu.Lock()
	u.open--
	u.total.Copied += copied
	u.total.Bytes += bytes
	u.total.Refused = append(u.total.Refused, refused...)
	over := u.open == 0
	total := u.total
	u.mu.Unlock()
	if over {
		c.done <- total // its reader takes all until the writers have ended
	}
}
