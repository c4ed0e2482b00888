package pinecone

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"freehold/internal/vector"
	"freehold/internal/vector/pinecone/wire"
)

// The limits of what is written.
const (
	upsertRecords = 1000
	upsertBytes   = 2_000_000 // "2 MB", in the narrow sense
	metadataBytes = 40 << 10
	idLength      = 512 // characters
	dimensions    = 20000
	deleteIDs     = 1000
)

// Limits are Pinecone's.
func (s *Store) Limits() vector.Limits {
	return vector.Limits{
		Records: upsertRecords, Bytes: upsertBytes - 64<<10, // the wire takes a little more than the records
		Payload: metadataBytes, PayloadSize: MetadataSize,
		TextID: utf8.UTFMax * idLength, IDs: []vector.IDKind{vector.TextID},
		Namespace: true, Forms: []vector.Form{vector.Dense, vector.Sparse}, Dim: dimensions,
	}
}

// Create makes a serverless index. One that is there must have the same vectors.
func (s *Store) Create(ctx context.Context, d *vector.Description) error {
	bad := func(format string, args ...any) error {
		return &vector.Error{Trouble: vector.Invalid, Store: s.name, Doing: "create index", Message: fmt.Sprintf(format, args...)}
	}
	dense, sparse, err := parts(d)
	if err != nil {
		return bad("%v", err)
	}
	dim, metric, kind := 0, "dotproduct", "sparse"
	if dense != nil {
		var ok bool
		dim, kind = dense.Dim, "dense"
		metric, ok = map[vector.Metric]string{vector.Cosine: "cosine", vector.Dot: "dotproduct", vector.Euclid: "euclidean"}[dense.Metric]
		switch {
		case !ok:
			return bad("it has no metric %s: there are cosine, dot and euclid", dense.Metric)
		case sparse != nil && dense.Metric != vector.Dot:
			return bad("an index with dense and sparse vectors needs the metric dot, not %s", dense.Metric)
		}
	}
	ix, err := s.describeIndex(ctx)
	if is(err, vector.Missing) {
		return s.createIndex(ctx, dim, metric, kind)
	}
	if err != nil {
		return err
	}
	if ix.VectorType == "" {
		ix.VectorType = "dense"
	}
	if ix.VectorType != kind || ix.Dimension != dim || ix.Metric != metric {
		return bad("it is there with %s vectors of %d dimensions, metric %s; wanted are %s vectors of %d, %s: choose another name, or delete it",
			ix.VectorType, ix.Dimension, ix.Metric, kind, dim, metric)
	}
	if s.conn.Load() == nil {
		return s.connect(ix.Host)
	}
	return nil
}

// parts are the dense and the sparse vector of a description.
func parts(d *vector.Description) (dense, sparse *vector.Spec, err error) {
	for i := range d.Vectors {
		v := &d.Vectors[i]
		switch {
		case v.Form == vector.Sparse && v.Dim != 0:
			return nil, nil, fmt.Errorf("a sparse vector has no dimension, and %q has %d", v.Name, v.Dim)
		case v.Form == vector.Dense && v.Name == "" && dense == nil:
			dense = v
		case v.Form == vector.Sparse && v.Name == SparseName && sparse == nil:
			sparse = v
		case v.Form == vector.Dense && v.Name != "":
			return nil, nil, fmt.Errorf("the dense vector has no name here, and %q is one: map it to \"\"", v.Name)
		case v.Form == vector.Sparse:
			return nil, nil, fmt.Errorf("the sparse vector is called %q here, not %q: map it", SparseName, v.Name)
		default:
			return nil, nil, fmt.Errorf("vector %q is %s: an index has one dense vector, one sparse one, or both", v.Name, v.Form)
		}
	}
	if dense == nil && sparse == nil {
		return nil, nil, errors.New("no vector is described")
	}
	return dense, sparse, nil
}

// Put upserts records. They are durable when it returns, and are seen a little later.
func (s *Store) Put(ctx context.Context, namespace string, records []vector.Record) error {
	refused := map[vector.ID]string{}
	good := make([]vector.Record, 0, len(records))
	limits := s.Limits()
	for i := range records {
		if why := refuse(&limits, &records[i]); why != "" {
			refused[records[i].ID] = why
			continue
		}
		good = append(good, records[i])
	}
	for len(good) > 0 {
		n, size := 0, len(namespace)+8
		for n < len(good) && n < upsertRecords {
			r := recordBytes(&good[n])
			if n > 0 && size+r > upsertBytes {
				break
			}
			n, size = n+1, size+r
		}
		if err := s.upsert(ctx, namespace, good[:n], refused); err != nil {
			return err
		}
		good = good[n:]
	}
	if len(refused) > 0 {
		return &vector.RefusedError{Records: refused}
	}
	return nil
}

// refuse says why a record cannot be written, before it is sent.
func refuse(l *vector.Limits, r *vector.Record) string {
	if n := utf8.RuneCountInString(r.ID.String()); n < 1 || n > idLength {
		return fmt.Sprintf("its id has %d characters: 1 to %d can be", n, idLength)
	}
	if why := l.Refuse(r); why != "" {
		return why
	}
	for i := range r.Payload {
		if err := CheckField(&r.Payload[i]); err != nil {
			return err.Error()
		}
	}
	for i := range r.Vectors {
		v := &r.Vectors[i]
		if sparse := v.Indices != nil; sparse != (v.Name == SparseName) || v.Name != "" && !sparse || v.Rows > 0 || v.Bits != nil {
			return fmt.Sprintf("its vector %q is neither the dense one nor the one called %s", v.Name, SparseName)
		}
	}
	if n := recordBytes(r); n > upsertBytes {
		return fmt.Sprintf("it has %d bytes, and %d is the most of a request", n, upsertBytes)
	}
	return ""
}

// upsert writes records in one request. Where the store does not like it, halves
// are tried, down to the records that it is about.
func (s *Store) upsert(ctx context.Context, namespace string, records []vector.Record, refused map[vector.ID]string) error {
	var out wire.UpsertResponse
	err := s.call(ctx, s.upserts, "upsert", wire.Upsert, &upsertMessage{namespace: namespace, records: records}, &out)
	switch {
	case err == nil:
		if int(out.GetUpsertedCount()) != len(records) && !doubled(records) {
			return &vector.Error{Trouble: vector.Unavailable, Store: s.name, Doing: "upsert", Message: fmt.Sprintf("%d of %d records were taken", out.GetUpsertedCount(), len(records))}
		}
		return nil
	case !is(err, vector.Invalid):
		return err
	case len(records) == 1:
		var e *vector.Error
		errors.As(err, &e)
		refused[records[0].ID] = e.Message
		return nil
	}
	half := len(records) / 2
	if err := s.upsert(ctx, namespace, records[:half], refused); err != nil {
		return err
	}
	return s.upsert(ctx, namespace, records[half:], refused)
}

// doubled reports that an id is there twice: the store may count that once.
func doubled(records []vector.Record) bool {
	seen := make(map[vector.ID]bool, len(records))
	for i := range records {
		if seen[records[i].ID] {
			return true
		}
		seen[records[i].ID] = true
	}
	return false
}

// Delete takes records out.
func (s *Store) Delete(ctx context.Context, namespace string, ids []vector.ID) error {
	for len(ids) > 0 {
		n := min(len(ids), deleteIDs)
		in := &wire.DeleteRequest{Namespace: namespace}
		for _, id := range ids[:n] {
			in.Ids = append(in.Ids, id.String())
		}
		err := s.call(ctx, s.upserts, "delete", wire.Delete, in, &wire.DeleteResponse{})
		// A namespace that is not there has none of the records.
		if err != nil && !is(err, vector.Missing) {
			return err
		}
		ids = ids[n:]
	}
	return nil
}
