package qdrant

import (
	"context"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"

	"freehold/internal/vector"
)

const (
	// putBytes is the most that one Put should have, and messageBytes what one
	// message to the server has; a single record may have more.
	putBytes     = 16 << 20
	messageBytes = 8 << 20
	maxDelete    = 1000 // ids of one request
)

// Limits are Qdrant's own; the bytes are what suits it.
func (s *Store) Limits() vector.Limits {
	return vector.Limits{
		Bytes:    putBytes,
		IDs:      []vector.IDKind{vector.IntegerID, vector.UUIDID},
		Nulls:    true,
		Nested:   true,
		Integers: true,
		Forms:    []vector.Form{vector.Dense, vector.Sparse, vector.Multi},
		Named:    true,
		Rounds:   true, // it keeps payloads as JSON, and does not read each double as it wrote it
		Dim:      65536,

		Directions: directions,
	}
}

// Put upserts records and waits until they are applied. They are in the server's
// log before that, which outlives the server's end, but not a loss of power
// within the seconds until it is flushed: one record has no other promise of
// Qdrant's.
func (s *Store) Put(ctx context.Context, namespace string, records []vector.Record) error {
	return s.put(ctx, namespace, records, false)
}

// PutWhole implements [vector.Whole]. One operation writes all records, of which the
// server applies a part where it finds something not to its liking. So that is looked for
// before; where the server finds something all the same, it is not said that it has none.
func (s *Store) PutWhole(ctx context.Context, namespace string, records []vector.Record) (can bool, err error) {
	err = s.put(ctx, namespace, records, true)
	var is *vector.Error
	if errors.As(err, &is) && is.Trouble == vector.Invalid {
		return false, nil
	}
	return true, err
}

func (s *Store) put(ctx context.Context, namespace string, records []vector.Record, whole bool) error {
	if err := errors.Join(s.whole("upsert"), s.oneNamespace("upsert", namespace)); err != nil {
		return err
	}
	name, err := s.collection(ctx)
	if err != nil {
		return err
	}
	spec, err := s.specs(ctx)
	if err != nil {
		return err
	}
	refused := map[vector.ID]string{}
	good := records
	for i := range records {
		why := refuse(&records[i], spec)
		if whole && why == "" { // else the server says so
			why = (&vector.Description{Vectors: spec}).Refuse(&records[i])
		}
		if why != "" {
			if len(refused) == 0 {
				good = append([]vector.Record(nil), records[:i]...)
			}
			refused[records[i].ID] = why
		} else if len(refused) > 0 {
			good = append(good, records[i])
		}
	}
	if whole {
		if len(refused) > 0 {
			return &vector.RefusedError{Records: refused}
		}
		if len(records) == 0 {
			return nil
		}
		return s.upsertAll(ctx, name, records)
	}
	for len(good) > 0 {
		n, size := 0, 0
		for n < len(good) && (n == 0 || size+good[n].Size() <= messageBytes) {
			size += good[n].Size()
			n++
		}
		if err := s.upsert(ctx, name, good[:n], refused); err != nil {
			return err
		}
		good = good[n:]
	}
	if len(refused) > 0 {
		return &vector.RefusedError{Records: refused}
	}
	return nil
}

// upsert writes records. Where the server finds something not to its liking, it
// does not say which record that is: halves are tried until it is alone.
func (s *Store) upsert(ctx context.Context, name string, records []vector.Record, refused map[vector.ID]string) error {
	err := s.upsertAll(ctx, name, records)
	var is *vector.Error
	if !errors.As(err, &is) || is.Trouble != vector.Invalid {
		return err
	}
	if len(records) == 1 {
		refused[records[0].ID] = is.Message
		return nil
	}
	half := len(records) / 2
	if err := s.upsert(ctx, name, records[:half], refused); err != nil {
		return err
	}
	return s.upsert(ctx, name, records[half:], refused)
}

// upsertAll writes records in one operation.
func (s *Store) upsertAll(ctx context.Context, name string, records []vector.Record) error {
	var answer pb.PointsOperationResponse
	err := s.conn.Invoke(ctx, pb.Points_Upsert_FullMethodName, newUpsert(name, records, s.options.Ordered), &answer, grpc.ForceCodecV2(codec{}))
	if err != nil {
		return err
	}
	return s.applied("upsert", &answer)
}

// applied reports whether a write that was waited for is done.
func (s *Store) applied(doing string, answer *pb.PointsOperationResponse) error {
	if status := answer.GetResult().GetStatus(); status != pb.UpdateStatus_Completed {
		return &vector.Error{Store: s.at, Doing: doing, Trouble: vector.Unavailable, Message: fmt.Sprintf("the write is not applied yet (%s)", status)}
	}
	return nil
}

// refuse says why the server would not hold a record as it is, where the server
// itself would not say so, or not in a way that can be told from its own faults.
func refuse(r *vector.Record, spec []vector.Spec) string {
	if r.ID.Kind() == vector.TextID {
		return "its id is neither a number nor a UUID"
	}
	for i := range r.Vectors {
		v := &r.Vectors[i]
		if v.Bits != nil {
			return fmt.Sprintf("vector %q is binary", v.Name)
		}
		if !utf8.ValidString(v.Name) {
			return fmt.Sprintf("vector %q has a name that is not UTF-8", v.Name)
		}
		for j := range spec {
			if spec[j].Name == v.Name && spec[j].Element == "uint8" {
				if at := noByte(v.Dense); at >= 0 {
					return fmt.Sprintf("vector %q has %v at place %d, and keeps whole numbers from 0 to 255 only", v.Name, v.Dense[at], at)
				}
			}
		}
	}
	return refuseFields(r.Payload)
}

// noByte is where a number is that no byte is, -1 if nowhere.
func noByte(of []float32) int {
	for i, x := range of {
		if float32(uint8(max(0, min(255, x)))) != x {
			return i
		}
	}
	return -1
}

func refuseFields(p vector.Payload) string {
	for i := range p {
		if !utf8.ValidString(p[i].Name) {
			return fmt.Sprintf("field %q has a name that is not UTF-8", p[i].Name)
		}
		if why := refuseValue(&p[i].Value); why != "" {
			return fmt.Sprintf("field %q %s", p[i].Name, why)
		}
	}
	return ""
}

func refuseValue(v *vector.Value) string {
	switch v.Kind() {
	case vector.Text:
		if !utf8.ValidString(v.Text()) {
			return "has a text that is not UTF-8"
		}
	case vector.Float:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Sprintf("has %v, which no JSON is", f)
		}
	case vector.List:
		l := v.List()
		for i := range l {
			if why := refuseValue(&l[i]); why != "" {
				return why
			}
		}
	case vector.Map:
		if why := refuseFields(v.Map()); why != "" {
			return "has a " + why
		}
	}
	return ""
}

// Delete deletes records by their ids, and waits until they are gone.
func (s *Store) Delete(ctx context.Context, namespace string, ids []vector.ID) error {
	if err := errors.Join(s.whole("delete"), s.oneNamespace("delete", namespace)); err != nil {
		return err
	}
	name, err := s.collection(ctx)
	if err != nil {
		return err
	}
	points := make([]*pb.PointId, 0, len(ids))
	for _, id := range ids {
		if id.Kind() != vector.TextID {
			points = append(points, pointID(id))
		}
	}
	for len(points) > 0 {
		n := min(len(points), maxDelete)
		r := &pb.DeletePoints{CollectionName: name, Wait: new(true), Points: pb.NewPointsSelectorIDs(points[:n])}
		if s.options.Ordered {
			r.Ordering = &pb.WriteOrdering{Type: pb.WriteOrderingType_Strong}
		}
		answer, err := s.points.Delete(ctx, r)
		if err == nil {
			err = s.applied("delete", answer)
		}
		if err != nil {
			return err
		}
		points = points[n:]
	}
	return nil
}
