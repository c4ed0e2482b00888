package front

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"freehold/internal/vector"
	"freehold/internal/vector/pinecone"
	"freehold/internal/vector/pinecone/plane"
	"freehold/internal/vector/pinecone/wire"
)

// put writes records as they are before the mapping, of one namespace. The store has all
// of those that are not in the error; whole: or none at all, where it can do that.
func (s *Served) put(ctx context.Context, ns string, records []vector.Record, whole bool) error {
	limits := s.Target.Limits()
	refused := map[vector.ID]string{}
	mapped := make([]vector.Record, 0, len(records))
	by := make(map[vector.ID]vector.ID, len(records))
	for i := range records {
		r, err := s.Mapping.Apply(&records[i])
		var why string
		if err != nil {
			why = err.Error()
		} else {
			why = limits.Refuse(&r)
		}
		if why != "" {
			refused[records[i].ID] = why
			continue
		}
		by[r.ID] = records[i].ID
		mapped = append(mapped, r)
	}
	done, err := false, error(nil)
	if all, ok := s.Target.(vector.Whole); ok && whole && len(mapped) > 0 {
		done, err = s.writeAll(ctx, all, mapped, by, refused)
	}
	if !done && err == nil {
		err = s.write(ctx, mapped, &limits, by, refused)
	}
	if err != nil {
		return err
	}
	ids := make([]string, 0, len(mapped))
	for i := range records {
		if _, no := refused[records[i].ID]; !no {
			ids = append(ids, records[i].ID.String())
		}
	}
	if err := s.IDs.AddIDs(ctx, s.Index, ns, ids); err != nil {
		return err
	}
	if len(refused) > 0 {
		return &vector.RefusedError{Records: refused}
	}
	return nil
}

// none is that nothing is written, since a part of it is refused.
type none struct{ *vector.RefusedError }

const nothingWritten = "; nothing of the request is written"

func (e none) Error() string { return e.RefusedError.Error() + nothingWritten }

// Unwrap is what is refused.
func (e none) Unwrap() error { return e.RefusedError }

// writeAll writes all mapped records or none; not done: the store cannot do that.
func (s *Served) writeAll(ctx context.Context, all vector.Whole, mapped []vector.Record, by map[vector.ID]vector.ID, refused map[vector.ID]string) (done bool, err error) {
	if len(refused) > 0 { // the store is asked whether it can, and nothing else
		if done, err = all.PutWhole(ctx, mapped[0].Namespace, nil); done && err == nil {
			err = none{&vector.RefusedError{Records: refused}}
		}
		return done, err
	}
	defer askedOf(ctx).wait()()
	done, err = all.PutWhole(ctx, mapped[0].Namespace, mapped)
	var no *vector.RefusedError
	if errors.As(err, &no) {
		out := make(map[vector.ID]string, len(no.Records))
		for id, why := range no.Records {
			out[by[id]] = why
		}
		err = none{&vector.RefusedError{Records: out}}
	}
	return done, err
}

// write puts mapped records, as many at once as the store takes.
func (s *Served) write(ctx context.Context, mapped []vector.Record, limits *vector.Limits, by map[vector.ID]vector.ID, refused map[vector.ID]string) error {
	for len(mapped) > 0 {
		n, size := 0, 0
		for n < len(mapped) && (limits.Records == 0 || n < limits.Records) {
			size += mapped[n].Size()
			if n > 0 && limits.Bytes > 0 && size > limits.Bytes {
				break
			}
			n++
		}
		err := s.timed().Put(ctx, mapped[0].Namespace, mapped[:n])
		var no *vector.RefusedError
		if errors.As(err, &no) {
			for id, why := range no.Records {
				refused[by[id]] = why
			}
			err = nil
		}
		if err != nil {
			return err
		}
		mapped = mapped[n:]
	}
	return nil
}

// drop takes records out by their ids.
func (s *Served) drop(ctx context.Context, ns string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	if err := s.timed().Delete(ctx, s.Mapping.Namespace(ns), s.ids(ns, ids)); err != nil {
		return err
	}
	return s.IDs.RemoveIDs(ctx, s.Index, ns, ids)
}

// refusals is an answer for records that the store cannot hold.
func refusals(err error) error {
	var no *vector.RefusedError
	if errors.As(err, &no) {
		text := planless(no)
		if errors.As(err, new(none)) {
			text += nothingWritten
		}
		return status.Error(codes.InvalidArgument, text)
	}
	return failed(err)
}

// partial is that a store has carried out a part of a write, and refuses the rest.
type partial struct {
	error                   // a status
	refused map[string]bool // ids; nil: the write was not about ids
}

// GRPCStatus is what the client reads.
func (e *partial) GRPCStatus() *status.Status { return status.Convert(e.error) }

// Unwrap is the status.
func (e *partial) Unwrap() error { return e.error }

// part is the answer for a write of n records; err says which of them are refused.
func part(n int, err error) error {
	var no *vector.RefusedError
	if !errors.As(err, &no) || len(no.Records) >= n || errors.As(err, new(none)) {
		return refusals(err)
	}
	out := &partial{refused: make(map[string]bool, len(no.Records))}
	for id := range no.Records {
		out.refused[id.String()] = true
	}
	out.error = status.Errorf(codes.InvalidArgument, "%s; the other %d of %d records are written", planless(no), n-len(no.Records), n)
	return out
}

// Upsert implements [wire.Server].
func (s *Served) Upsert(ctx context.Context, r *wire.UpsertRequest) (*wire.UpsertResponse, error) {
	return s.upsert(ctx, r, true)
}

// follows is a store that follows: of what it cannot hold it has as much as it can, until
// a copy mends the rest.
type follows struct{ *Served }

// Upsert implements [wire.Server].
func (f follows) Upsert(ctx context.Context, r *wire.UpsertRequest) (*wire.UpsertResponse, error) {
	return f.upsert(ctx, r, false)
}

func (s *Served) upsert(ctx context.Context, r *wire.UpsertRequest, whole bool) (*wire.UpsertResponse, error) {
	if err := s.Contract.Upsert(r); err != nil {
		return nil, err
	}
	ns := plain(r.GetNamespace())
	last := make(map[string]int, len(r.GetVectors())) // of an id that is there twice the last one counts
	for i, v := range r.GetVectors() {
		last[v.GetId()] = i
	}
	records := make([]vector.Record, 0, len(last))
	for i, v := range r.GetVectors() {
		if last[v.GetId()] == i {
			records = append(records, recordOf(ns, v))
		}
	}
	if err := s.put(ctx, ns, records, whole); err != nil {
		return nil, part(len(records), err)
	}
	return &wire.UpsertResponse{UpsertedCount: uint32(len(r.GetVectors()))}, nil
}

// Delete implements [wire.Server].
func (s *Served) Delete(ctx context.Context, r *wire.DeleteRequest) (*wire.DeleteResponse, error) {
	f, err := plane.Delete(r)
	if err != nil {
		return nil, err
	}
	ns := plain(r.GetNamespace())
	if err := s.there(ctx, ns); err != nil {
		return nil, err
	}
	switch {
	case f != nil:
		err = s.deleteWhere(ctx, ns, f)
	case r.GetDeleteAll():
		err = s.deleteAll(ctx, ns)
	default:
		err = s.drop(ctx, ns, r.GetIds())
	}
	if err != nil {
		return nil, failed(err)
	}
	return &wire.DeleteResponse{}, nil
}

// there is an error unless a namespace is there.
func (s *Served) there(ctx context.Context, ns string) error {
	ids, err := s.IDs.IDs(ctx, s.Index, ns, "", "", 1)
	if err != nil {
		return failed(err)
	}
	if len(ids) > 0 {
		return nil
	}
	counts, err := s.IDs.Counts(ctx, s.Index)
	if err != nil {
		return failed(err)
	}
	if _, ok := counts[ns]; !ok {
		return status.Error(codes.NotFound, "Namespace not found")
	}
	return nil
}

func (s *Served) deleteWhere(ctx context.Context, ns string, f *vector.Filter) error {
	for records, err := range s.scan(ctx, ns, f) {
		if err != nil {
			return err
		}
		ids := make([]string, len(records))
		for i := range records {
			ids[i] = records[i].ID.String()
		}
		if err := s.drop(ctx, ns, ids); err != nil {
			return err
		}
	}
	return nil
}

func (s *Served) deleteAll(ctx context.Context, ns string) error {
	for {
		ids, err := s.IDs.IDs(ctx, s.Index, ns, "", "", 1000)
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			return s.IDs.RemoveNamespace(ctx, s.Index, ns)
		}
		if err := s.drop(ctx, ns, ids); err != nil {
			return err
		}
	}
}

// DeleteNamespace implements [wire.Server].
func (s *Served) DeleteNamespace(ctx context.Context, r *wire.DeleteNamespaceRequest) (*wire.DeleteResponse, error) {
	return s.Delete(ctx, &wire.DeleteRequest{Namespace: r.GetNamespace(), DeleteAll: true})
}

// CreateNamespace implements [wire.Server]. It is known here only: the store has a
// namespace when that has a record.
func (s *Served) CreateNamespace(ctx context.Context, r *wire.CreateNamespaceRequest) (*wire.Namespace, error) {
	if r.GetName() == "" {
		return nil, status.Error(codes.InvalidArgument, "a name is required")
	}
	counts, err := s.IDs.Counts(ctx, s.Index)
	if err != nil {
		return nil, failed(err)
	}
	if _, ok := counts[plain(r.GetName())]; ok {
		return nil, status.Errorf(codes.AlreadyExists, "namespace %s is there already", r.GetName())
	}
	if err := s.IDs.AddNamespace(ctx, s.Index, plain(r.GetName())); err != nil {
		return nil, failed(err)
	}
	return &wire.Namespace{Name: r.GetName(), Schema: r.GetSchema()}, nil
}

// Update implements [wire.Server].
func (s *Served) Update(ctx context.Context, r *wire.UpdateRequest) (*wire.UpdateResponse, error) {
	f, err := s.Contract.Update(r)
	if err != nil {
		return nil, err
	}
	ns := plain(r.GetNamespace())
	if f == nil {
		if _, err := s.updateOne(ctx, ns, r); err != nil {
			return nil, err
		}
		return &wire.UpdateResponse{}, nil // what is not there is not made, and is no error
	}
	n, err := s.updateWhere(ctx, ns, f, r)
	if err != nil {
		err = part(int(n), err)
		var some *partial
		if errors.As(err, &some) {
			some.refused = nil // Pinecone takes the write as it is
		}
		return nil, err
	}
	return &wire.UpdateResponse{MatchedRecords: &n}, nil
}

// updateWhere updates the records that match, and says how many do. Those that cannot
// be what they would are in the error.
func (s *Served) updateWhere(ctx context.Context, ns string, f *vector.Filter, r *wire.UpdateRequest) (n int32, err error) {
	refused := map[vector.ID]string{}
	for records, err := range s.scan(ctx, ns, f) {
		if err != nil {
			return n, err
		}
		n += int32(len(records))
		if r.GetDryRun() {
			continue
		}
		kept := records[:0]
		for i := range records {
			if err := patch(&records[i], r); err != nil {
				refused[records[i].ID] = status.Convert(err).Message()
				continue
			}
			kept = append(kept, records[i])
		}
		err = s.put(ctx, ns, kept, false)
		var no *vector.RefusedError
		if errors.As(err, &no) {
			maps.Copy(refused, no.Records)
		} else if err != nil {
			return n, err
		}
	}
	if len(refused) > 0 {
		return n, &vector.RefusedError{Records: refused}
	}
	return n, nil
}

// updateOne updates a record by its id, if it is there.
func (s *Served) updateOne(ctx context.Context, ns string, r *wire.UpdateRequest) (there bool, err error) {
	got, err := s.fetch(ctx, ns, []string{r.GetId()})
	if err != nil {
		return false, failed(err)
	}
	rec := got[r.GetId()]
	if rec == nil {
		return false, nil
	}
	if err := patch(rec, r); err != nil {
		return true, err
	}
	if err := s.put(ctx, ns, []vector.Record{*rec}, false); err != nil {
		return true, refusals(err)
	}
	return true, nil
}

// patch sets what an update sets. To set it twice is to set it once.
func patch(rec *vector.Record, r *wire.UpdateRequest) error {
	v, err := vectorOf(rec)
	if err != nil {
		return failed(err)
	}
	if len(r.GetValues()) > 0 {
		v.Values = r.GetValues()
	}
	if r.GetSparseValues() != nil {
		v.SparseValues = r.GetSparseValues()
	}
	out := recordOf(rec.Namespace, v)
	out.Payload = rec.Payload
	if was, is := rec.Vector(""), out.Vector(""); was != nil && is != nil && len(r.GetValues()) == 0 {
		is.Length = was.Length
	}
	for _, f := range pinecone.PayloadOf(r.GetSetMetadata()) {
		out.Payload = out.Payload.With(f.Name, f.Value)
	}
	if n := pinecone.MetadataSize(out.Payload); n > plane.MetadataBytes {
		return status.Error(codes.InvalidArgument, fmt.Sprintf("Metadata size is %d bytes, which exceeds the limit of %d bytes per vector", n, plane.MetadataBytes))
	}
	*rec = out
	return nil
}
