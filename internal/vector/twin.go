package vector

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"
)

// twins are the ids of other kinds that are written as this one is: what is made of an
// id's text is the same for all of them.
func (id ID) twins(kinds []IDKind) (out []ID) {
	text := id.String()
	add := func(other ID) {
		if other != id && other.String() == text && slices.Contains(kinds, other.kind) {
			out = append(out, other)
		}
	}
	add(IDOf(text))
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		add(IntegerIDOf(n))
	}
	if u, err := uuid.Parse(text); err == nil {
		add(UUIDOf(u))
	}
	return out
}

// Collisions says of which of some records, of one namespace, the target's id is that of
// another record of the source too, and why: one would be written over the other. kinds
// are those of ids that the source can have.
func (m *Mapping) Collisions(ctx context.Context, s Source, kinds []IDKind, records []Record) (map[ID]string, error) {
	if m.IDs == KeepIDs || len(kinds) < 2 || len(records) == 0 {
		return nil, nil
	}
	of := map[ID]ID{} // whose twin it is
	var ask []ID
	for i := range records {
		for _, twin := range records[i].ID.twins(kinds) {
			of[twin] = records[i].ID
			ask = append(ask, twin)
		}
	}
	if len(ask) == 0 {
		return nil, nil
	}
	there, err := s.Fetch(ctx, records[0].Namespace, ask)
	if err != nil {
		return nil, err
	}
	out := map[ID]string{}
	for i := range there {
		twin := there[i].ID
		id := of[twin]
		out[id] = fmt.Sprintf("its id, %s as %s, collides with %s as %s: the target has one id for both, and one record would overwrite the other", id, named(id.kind), twin, named(twin.kind))
	}
	return out, nil
}

func named(k IDKind) string {
	switch k {
	case IntegerID:
		return "a number"
	case UUIDID:
		return "a UUID"
	}
	return "a text"
}
