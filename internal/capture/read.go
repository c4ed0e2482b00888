package capture

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"freehold/internal/history"
)

// By is who looks at captured texts, or erases them, and why.
type By struct {
	Who history.Who
	Why string
}

// Read returns the texts of one request, after the history has it that they are
// read.
func (v *Vault) Read(ctx context.Context, id string, by By) (Record, error) {
	key, err := v.currentKey(ctx)
	if err != nil {
		return Record{}, err
	}
	if err := v.flush(ctx); err != nil {
		return Record{}, err
	}
	s, err := v.Store.Capture(ctx, id, v.Clock())
	if err != nil {
		return Record{}, err
	}
	c, err := key.open(s)
	if err != nil {
		return Record{}, err
	}
	if err := v.note(ctx, KindRead, id, by, map[string]string{"workload": s.Workload, "key": s.KeyID}); err != nil {
		return Record{}, err
	}
	return Record{Entry: s.Entry, User: c.User, Request: c.Request, Answer: c.Answer}, nil
}

// ReadAll hands the texts of the requests that f selects and want picks to each,
// newest first and at most f.Limit, after the history has it that so many are
// read: one record for all of them. What expired meanwhile is left out; how many
// were sealed with another key or are damaged, it tells.
func (v *Vault) ReadAll(ctx context.Context, f Filter, want func(*Entry) bool, by By, each func(*Record) error) (unreadable int, err error) {
	key, err := v.currentKey(ctx)
	if err != nil {
		return 0, err
	}
	q, details, err := v.query(ctx, f)
	if err != nil {
		return 0, err
	}
	if err := v.flush(ctx); err != nil {
		return 0, err
	}
	q.AliveAt, q.Limit = v.Clock(), 0 // the limit is of what is picked
	entries, err := v.Store.Captures(ctx, q)
	if err != nil {
		return 0, err
	}
	entries = slices.DeleteFunc(entries, func(e Entry) bool { return !want(&e) })
	if f.Limit > 0 && len(entries) > f.Limit {
		entries = entries[:f.Limit]
	}
	if len(entries) == 0 {
		return 0, nil // nothing is read, so nothing is to be told
	}
	details["requests"] = strconv.Itoa(len(entries))
	if err := v.note(ctx, KindRead, subject(f, q), by, details); err != nil {
		return 0, err
	}
	for i := range entries {
		s, err := v.Store.Capture(ctx, entries[i].ID, v.Clock())
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return unreadable, err
		}
		c, err := key.open(s)
		switch {
		case errors.Is(err, ErrWrongKey), errors.Is(err, ErrDamaged):
			unreadable++
			continue
		case err != nil:
			return unreadable, err
		}
		if err := each(&Record{Entry: s.Entry, User: c.User, Request: c.Request, Answer: c.Answer}); err != nil {
			return unreadable, err
		}
	}
	return unreadable, nil
}

// List returns which requests have texts, newest first, after the history has
// it that they are listed. It needs no key.
func (v *Vault) List(ctx context.Context, f Filter, by By) ([]Entry, error) {
	q, details, err := v.query(ctx, f)
	if err != nil {
		return nil, err
	}
	if err := v.flush(ctx); err != nil {
		return nil, err
	}
	q.AliveAt = v.Clock()
	entries, err := v.Store.Captures(ctx, q)
	if err != nil {
		return nil, err
	}
	details["found"] = strconv.Itoa(len(entries))
	if err := v.note(ctx, KindList, subject(f, q), by, details); err != nil {
		return nil, err
	}
	return entries, nil
}

// Erase deletes the texts that f selects (its Limit does not count), those that
// still wait to be stored among them, and the comments of callers on those requests.
// That it is asked for is in the history first. It needs no key.
func (v *Vault) Erase(ctx context.Context, f Filter, by By) (out Erased, err error) {
	if f.ID == "" && f.KeyID == "" && f.Tenant == "" && f.User == "" && f.Workload == "" {
		return out, ErrNothing
	}
	q, details, err := v.query(ctx, f)
	if err != nil {
		return out, err
	}
	if err := v.flush(ctx); err != nil {
		return out, err
	}
	if err := v.note(ctx, KindErase, subject(f, q), by, details); err != nil {
		return out, err
	}
	q.Limit = eraseBatch
	// Comments first: which of them are an end user's, the texts tell.
	if out.Comments, err = inBatches(func() (int, error) { return v.Store.EraseComments(ctx, q) }); err != nil {
		return out, err
	}
	out.Texts, err = inBatches(func() (int, error) { return v.Store.EraseCaptures(ctx, q) })
	return out, err
}

// EraseOrphan deletes the texts of a copy unless those of the request that it is a
// copy of are still kept; of nothing it is always. What erased the request is on
// record, and that is about the copy, too.
func (v *Vault) EraseOrphan(ctx context.Context, copied, of string) error {
	if err := v.flush(ctx); err != nil {
		return err
	}
	if of != "" {
		kept, err := v.Store.Captures(ctx, Query{ID: of, Limit: 1})
		if err != nil || len(kept) > 0 {
			return err
		}
	}
	_, err := v.Store.EraseCaptures(ctx, Query{ID: copied, Limit: 1})
	return err
}

// flush waits until what was queued before is stored.
func (v *Vault) flush(ctx context.Context) error {
	v.gate.RLock()
	if v.ended == nil || v.closed {
		v.gate.RUnlock()
		return nil
	}
	reached := make(chan struct{})
	var err error
	select {
	case v.queue <- job{reached: reached}:
	case <-ctx.Done():
		err = ctx.Err()
	}
	v.gate.RUnlock()
	if err != nil {
		return err
	}
	select {
	case <-reached:
		return nil
	case <-v.ended: // closed meanwhile, which stored it too
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// query puts a filter into the store's words and into the history's.
func (v *Vault) query(ctx context.Context, f Filter) (Query, map[string]string, error) {
	q := Query{ID: f.ID, Workload: f.Workload, KeyID: f.KeyID, Tenant: f.Tenant, Since: f.Since, Until: f.Until, Limit: f.Limit}
	details := map[string]string{}
	add := func(name, value string) {
		if value != "" {
			details[name] = value
		}
	}
	if f.User != "" {
		salt, err := v.theSalt(ctx)
		if err != nil {
			return Query{}, nil, err
		}
		q.UserMark = mark(salt, f.User)
		// The history cannot forget: it gets the mark, not the name.
		add("user", markText(q))
	}
	add("request", f.ID)
	add("workload", f.Workload)
	add("key", f.KeyID)
	add("tenant", f.Tenant)
	if !f.Since.IsZero() {
		add("since", f.Since.UTC().Format(time.RFC3339))
	}
	if !f.Until.IsZero() {
		add("until", f.Until.UTC().Format(time.RFC3339))
	}
	return q, details, nil
}

func markText(q Query) string { return "mark " + hex.EncodeToString(q.UserMark) }

// subject is the narrowest thing that a filter names.
func subject(f Filter, q Query) string {
	switch {
	case f.ID != "":
		return f.ID
	case f.User != "":
		return "user " + markText(q)
	case f.KeyID != "":
		return f.KeyID
	case f.Tenant != "":
		return "tenant " + f.Tenant
	}
	return f.Workload
}

func (v *Vault) note(ctx context.Context, kind history.Kind, subject string, by By, details map[string]string) error {
	_, err := v.History.Append(ctx, history.Change{Kind: kind, Subject: subject, Who: by.Who, Why: by.Why, Details: details})
	if err != nil {
		return fmt.Errorf("capture: what is not on record is not done: %w", err)
	}
	return nil
}
