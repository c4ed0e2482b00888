package plan_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"freehold/internal/vector"
	"freehold/internal/vector/plan"
	"freehold/internal/vector/vectortest"
)

// TestIDs: ids are kept where the target can hold them, and become what it can hold
// where it cannot.
func TestIDs(t *testing.T) {
	text, number, id := vector.IDOf("a"), vector.IntegerIDOf(7), vector.UUIDOf(uuid.UUID{1})
	kinds := func(k ...vector.IDKind) []vector.IDKind { return k }
	for name, tt := range map[string]struct {
		ids    []vector.ID
		spaces []string
		limits vector.Limits
		want   string
		create []vector.IDKind
		flat   bool
	}{
		"kept":             {ids: []vector.ID{text}, limits: vector.Limits{IDs: kinds(vector.TextID, vector.IntegerID), OneID: true}, want: vector.KeepIDs, create: kinds(vector.TextID)},
		"numbers kept":     {ids: []vector.ID{number}, limits: vector.Limits{IDs: kinds(vector.TextID, vector.IntegerID), OneID: true}, want: vector.KeepIDs, create: kinds(vector.IntegerID)},
		"both kept":        {ids: []vector.ID{text, number}, limits: vector.Limits{IDs: kinds(vector.TextID, vector.IntegerID)}, want: vector.KeepIDs, create: kinds(vector.TextID, vector.IntegerID)},
		"one kind only":    {ids: []vector.ID{text, number}, limits: vector.Limits{IDs: kinds(vector.TextID, vector.IntegerID), OneID: true}, want: vector.TextIDs, create: kinds(vector.TextID)},
		"texts only":       {ids: []vector.ID{id}, limits: vector.Limits{IDs: kinds(vector.TextID)}, want: vector.TextIDs, create: kinds(vector.TextID)},
		"no texts":         {ids: []vector.ID{text}, limits: vector.Limits{IDs: kinds(vector.IntegerID, vector.UUIDID)}, want: vector.UUIDs, create: kinds(vector.UUIDID)},
		"flat":             {ids: []vector.ID{text}, spaces: []string{"", "a"}, limits: vector.Limits{IDs: kinds(vector.IntegerID, vector.UUIDID)}, want: vector.UUIDs, create: kinds(vector.UUIDID), flat: true},
		"flat texts":       {ids: []vector.ID{text}, spaces: []string{"", "a"}, limits: vector.Limits{IDs: kinds(vector.TextID)}, want: vector.UUIDTexts, create: kinds(vector.TextID), flat: true},
		"flat, one":        {ids: []vector.ID{text}, spaces: []string{"a"}, limits: vector.Limits{IDs: kinds(vector.TextID)}, want: vector.KeepIDs, create: kinds(vector.TextID), flat: true},
		"enough spaces":    {ids: []vector.ID{text}, spaces: []string{"", "a"}, limits: vector.Limits{IDs: kinds(vector.TextID), Namespace: true, Spaces: 2}, want: vector.KeepIDs, create: kinds(vector.TextID)},
		"too many of them": {ids: []vector.ID{text}, spaces: []string{"", "a", "b"}, limits: vector.Limits{IDs: kinds(vector.TextID), Namespace: true, Spaces: 2}, want: vector.UUIDTexts, create: kinds(vector.TextID), flat: true},
	} {
		from, to := vectortest.NewMemory(), vectortest.NewMemory()
		from.Bounds.IDs = nil
		for _, id := range tt.ids {
			from.Bounds.IDs = append(from.Bounds.IDs, id.Kind())
		}
		to.Bounds = tt.limits
		to.Bounds.Forms = []vector.Form{vector.Dense}
		if err := from.Create(t.Context(), &vector.Description{Vectors: []vector.Spec{{Form: vector.Dense, Dim: 1, Metric: vector.Dot}}}); err != nil {
			t.Fatal(err)
		}
		if tt.spaces == nil {
			tt.spaces = []string{""}
		}
		for _, ns := range tt.spaces {
			for _, id := range tt.ids {
				if err := from.Put(t.Context(), ns, []vector.Record{{ID: id, Namespace: ns, Vectors: []vector.Vector{{Dense: []float32{1}}}}}); err != nil {
					t.Fatal(err)
				}
			}
		}
		p, err := plan.Make(t.Context(), plan.Inputs{From: "pinecone://a/b", To: "milvus://c/d", Source: from, Target: to, Now: time.Now(), Namespaces: tt.spaces, Create: "d"})
		if err != nil {
			t.Fatal(err)
		}
		file, err := p.Write()
		if err != nil {
			t.Fatal(err)
		}
		if p, err = plan.Read(name, file); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, bytes.TrimSpace(file))
		}
		if p.Mapping.IDs != tt.want || p.Mapping.Flat != tt.flat || !slices.Equal(p.Create.IDs, tt.create) {
			t.Errorf("%s: %s, flat %v, made with %v; want %s, %v, %v", name, p.Mapping.IDs, p.Mapping.Flat, p.Create.IDs, tt.want, tt.flat, tt.create)
		}
	}
}
