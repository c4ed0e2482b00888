package milvus

import (
	"context"
	"errors"
	"fmt"

	"freehold/internal/vector"
	"freehold/internal/vector/milvus/wire"
)

const (
	// putBytes is the most that one Put should have, and messageBytes what one
	// message has: Milvus takes 64 MB; a single record may have more.
	putBytes     = 16 << 20
	messageBytes = 8 << 20
	maxDelete    = 1000 // ids of one request
	maxDim       = 32768
)

// Limits are those of the server and its collection, as far as they are known: what
// Describe or Create have found, else those of Milvus in its default settings.
func (s *Store) Limits() vector.Limits {
	s.mu.Lock()
	version, found := s.version, s.schema
	s.mu.Unlock()
	l := vector.Limits{
		Bytes:     putBytes,
		Payload:   maxMeta,
		TextID:    maxText,
		IDs:       []vector.IDKind{vector.TextID, vector.IntegerID},
		OneID:     true,
		Nulls:     true,
		Nested:    true,
		Integers:  true,
		Namespace: true,
		Spaces:    maxPartitions,
		Forms:     []vector.Form{vector.Dense, vector.Sparse, vector.Binary},
		Named:     true,
		Positive:  true,
		Dim:       maxDim,
	}
	switch {
	case isLite(version):
		l.Namespace, l.Spaces, l.Whole, l.Forms = false, 0, true, []vector.Form{vector.Dense, vector.Sparse}
	case older(version, 4):
		l.Forms = []vector.Form{vector.Dense, vector.Binary}
	}
	l.Vector = func(v *vector.Vector) string { return noSparse(v, isLite(version)) }
	l.PayloadSize = func(p vector.Payload) int { return (&schema{}).metaSize(p) }
	if found != nil {
		l.PayloadSize = found.metaSize
		l.IDs = []vector.IDKind{found.ids()}
		if found.key.length > 0 {
			l.TextID = found.key.length
		}
		if found.by != "" {
			l.Namespace, l.Spaces = false, 0
		}
	} else if text := s.options.Text; text != "" {
		l.PayloadSize = (&schema{columns: []column{{name: text}}}).metaSize
	}
	return l
}

// Put upserts records. When it returns they are in the server's log, from which it
// has them again after its end: no answer of Milvus promises more, but that of a
// flush, which Finish asks for.
func (s *Store) Put(ctx context.Context, namespace string, records []vector.Record) error {
	return s.put(ctx, namespace, records, false)
}

// PutWhole implements [vector.Whole]: one upsert writes all records. It cannot where that
// has to be a deletion and an insertion; and where the server finds something not to its
// liking that was not found before, it is not said that it has none.
func (s *Store) PutWhole(ctx context.Context, namespace string, records []vector.Record) (can bool, err error) {
	p, err := s.writing(ctx, "upsert", namespace)
	if err != nil {
		return true, err
	}
	if p.replaces() {
		return false, nil
	}
	if err = s.put(ctx, namespace, records, true); is(err, vector.Invalid) {
		return false, nil
	}
	return true, err
}

func (s *Store) put(ctx context.Context, namespace string, records []vector.Record, whole bool) error {
	p, err := s.writing(ctx, "upsert", namespace)
	if err != nil {
		return err
	}
	if err := s.makePartition(ctx, p); err != nil {
		return err
	}
	refused := map[vector.ID]string{}
	last := make(map[vector.ID]int, len(records)) // of an id that comes twice, the last counts
	for i := range records {
		last[records[i].ID] = i
	}
	good := make([]vector.Record, 0, len(records))
	for i := range records {
		if last[records[i].ID] != i {
			continue
		}
		if why := p.refuse(&records[i]); why != "" {
			refused[records[i].ID] = why
			continue
		}
		good = append(good, records[i])
	}
	if whole {
		if len(refused) > 0 {
			return &vector.RefusedError{Records: refused}
		}
		if len(records) == 0 {
			return nil
		}
		return s.upsertAll(ctx, p, good)
	}
	for len(good) > 0 {
		n, size := 0, 0
		for n < len(good) && (n == 0 || size+good[n].Size() <= messageBytes) {
			size += good[n].Size()
			n++
		}
		if err := s.upsert(ctx, p, good[:n], refused); err != nil {
			return err
		}
		good = good[n:]
	}
	if len(refused) > 0 {
		return &vector.RefusedError{Records: refused}
	}
	return nil
}

// writing finds a namespace that can be written to.
func (s *Store) writing(ctx context.Context, doing, namespace string) (*space, error) {
	p, err := s.space(ctx, doing, namespace)
	if err != nil {
		return nil, err
	}
	switch {
	case p.key.auto:
		return nil, s.invalid(doing, "the server makes the ids of this collection (auto_id), so that a record would get another one each time: make one without")
	case p.by != "" && namespace != "":
		return nil, s.invalid(doing, "the collection has a partition key, %s: records are written with that field, not into a namespace", p.by)
	case p.lite && namespace != "":
		return nil, s.invalid(doing, "milvus-lite has each id once in all partitions, so that namespaces have no ids of their own: keep the namespace as a field")
	}
	return p, nil
}

// upsert writes records. Where the server finds something not to its liking, it does
// not say which record that is: halves are tried until it is alone.
func (s *Store) upsert(ctx context.Context, p *space, records []vector.Record, refused map[vector.ID]string) error {
	err := s.upsertAll(ctx, p, records)
	if !is(err, vector.Invalid) {
		return err
	}
	if len(records) == 1 {
		var e *vector.Error
		if errors.As(err, &e) {
			refused[records[0].ID] = e.Message
		}
		return nil
	}
	half := len(records) / 2
	if err := s.upsert(ctx, p, records[:half], refused); err != nil {
		return err
	}
	return s.upsert(ctx, p, records[half:], refused)
}

// upsertAll writes records by one upsert, or by what stands for it.
func (s *Store) upsertAll(ctx context.Context, p *space, records []vector.Record) error {
	fields, err := p.fieldsOf(records)
	if err != nil {
		return s.invalid("upsert", "%v", err)
	}
	r := &wire.WriteRequest{Database: s.options.Database, Collection: p.name, Partition: p.partition, Fields: fields, Rows: uint32(len(records))}
	var answer wire.WriteResponse
	if p.replaces() {
		err = s.replace(ctx, p, records, r, &answer)
	} else {
		err = s.call(ctx, wire.Upsert, r, &answer)
	}
	if err == nil {
		s.writes.Add(1)
	}
	return err
}

// replaces reports whether the server's own upsert is not right: see [Store.replace].
func (p *space) replaces() bool { return p.lite || p.by != "" && older(p.version, 5) }

// replace is the upsert of servers whose own one is not right: milvus-lite leaves
// fields of the record that was there, and Milvus 2.3.5 puts it into the partition of
// its primary key instead of that of its partition key, where filters by that do not
// find it. One request at a time goes to milvus-lite, which takes no more.
func (s *Store) replace(ctx context.Context, p *space, records []vector.Record, r *wire.WriteRequest, answer *wire.WriteResponse) error {
	if p.lite {
		s.turn.Lock()
		defer s.turn.Unlock()
	}
	ids := make([]vector.ID, len(records))
	for i := range records {
		ids[i] = records[i].ID
	}
	if err := s.remove(ctx, p, ids); err != nil {
		return err
	}
	return s.call(ctx, wire.Insert, r, answer)
}

// Delete deletes records by their ids.
func (s *Store) Delete(ctx context.Context, namespace string, ids []vector.ID) error {
	p, err := s.space(ctx, "delete", namespace)
	if err != nil || !p.there {
		return err
	}
	if p.lite {
		s.turn.Lock()
		defer s.turn.Unlock()
	}
	return s.remove(ctx, p, ids)
}

func (s *Store) remove(ctx context.Context, p *space, ids []vector.ID) error {
	for len(ids) > 0 {
		n := min(len(ids), maxDelete)
		expr, any, err := p.among(ids[:n])
		if err != nil {
			return s.invalid("delete", "%v", err)
		}
		ids = ids[n:]
		if !any {
			continue
		}
		r := &wire.DeleteRequest{Database: s.options.Database, Collection: p.name, Partition: p.partition, Expr: expr}
		if err := s.call(ctx, wire.Delete, r, &wire.WriteResponse{}); err != nil {
			return err
		}
		s.writes.Add(1)
	}
	return nil
}

// Finish flushes the collection: what was written is then in its storage, with its
// indexes to come, and not in the log alone.
func (s *Store) Finish(ctx context.Context) error {
	found, err := s.look(ctx)
	if err != nil {
		return err
	}
	err = s.call(ctx, wire.Flush, &wire.FlushRequest{Database: s.options.Database, Collections: []string{found.name}}, &wire.FlushResponse{})
	if is(err, vector.Throttled) { // once in ten seconds; the server flushes by itself, too
		return nil
	}
	if err != nil {
		return fmt.Errorf("all is written, and the flush failed: %w", err)
	}
	return nil
}
