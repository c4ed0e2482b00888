package qdrant

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	pb "github.com/qdrant/go-client/qdrant"

	"freehold/internal/vector"
	"freehold/internal/vector/qdrant/qdranttest"
)

// everything is a collection of all that Qdrant can keep.
func everything() *vector.Description {
	return &vector.Description{
		Store: "qdrant",
		Vectors: []vector.Spec{
			{Name: "bytes", Form: vector.Dense, Dim: 3, Metric: vector.Euclid, Element: "uint8"},
			{Name: "cos", Form: vector.Dense, Dim: 4, Metric: vector.Cosine, Element: "float32", Normalised: true},
			{Name: "half", Form: vector.Dense, Dim: 3, Metric: vector.Manhattan, Element: "float16"},
			{Name: "late", Form: vector.Multi, Dim: 2, Metric: vector.Dot, Element: "float32"},
			{Name: "lex", Form: vector.Sparse, Metric: vector.Dot, Element: "float32"},
		},
		Fields: []vector.FieldSpec{
			{Name: "a.b", Type: "keyword", Indexed: true},
			{Name: "tenant", Type: `keyword {"keywordIndexParams":{"isTenant":true}}`, Indexed: true},
			{Name: "year", Type: "integer", Indexed: true},
		},
		Facts: map[string]string{
			FactShards: "1", FactReplicas: "1", FactOnDisk: "true",
			FactQuantization:    `{"scalar":{"type":"Int8","quantile":0.99}}`,
			FactVector + "cos":  `{"quantizationConfig":{"binary":{"alwaysRam":true}}}`,
			FactVector + "late": `{"onDisk":true}`,
			FactSparse + "lex":  `{"modifier":"Idf"}`,
			FactHNSW:            `{"m":"16","efConstruct":"100","fullScanThreshold":"10000","maxIndexingThreads":"0","onDisk":false}`,
		},
	}
}

func TestDescribeSaysWhatWasCreated(t *testing.T) {
	want := everything()
	s := created(t, want)
	put(t, s, vector.Record{ID: vector.IntegerIDOf(1)}, vector.Record{ID: vector.IntegerIDOf(2)})
	got, err := s.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want.Name, want.Namespaces, want.IDs = got.Name, []vector.Namespace{{Count: 2}}, []vector.IDKind{vector.IntegerID, vector.UUIDID}
	delete(got.Facts, FactVersion)
	want.Facts[FactStatus] = "green"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// The description makes the same once more, and fits what there is.
	if err := s.Create(t.Context(), got); err != nil {
		t.Errorf("it does not fit itself: %v", err)
	}
	server := qdranttest.Shared(t)
	other := openStore(t, server, server.Name(t))
	if err := other.Create(t.Context(), got); err != nil {
		t.Fatal(err)
	}
	again, err := other.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	delete(again.Facts, FactVersion)
	again.Name, again.Namespaces = got.Name, got.Namespaces
	if diff := cmp.Diff(got, again); diff != "" {
		t.Error(diff)
	}
}

func TestCreateRefusesWhatDiffers(t *testing.T) {
	s := created(t, everything())
	for want, change := range map[string]func(*vector.Description){
		"4 by cosine in float32, not dense of 5": func(d *vector.Description) { d.Vectors[1].Dim = 5 },
		"not dense of 4 by dot":                  func(d *vector.Description) { d.Vectors[1].Metric = vector.Dot },
		"in float16, not dense of 3":             func(d *vector.Description) { d.Vectors[2].Element = "" },
		"is multi of 2":                          func(d *vector.Description) { d.Vectors[3].Form = vector.Dense },
		`no vector "new"`:                        func(d *vector.Description) { d.Vectors[0].Name = "new" },
		"the modifier Idf, not None":             func(d *vector.Description) { d.Facts = nil },
		"dot only":                               func(d *vector.Description) { d.Vectors[4].Metric = vector.Cosine },
		"hamming is no distance":                 func(d *vector.Description) { d.Vectors[1].Metric = vector.Hamming },
		"no binary vectors":                      func(d *vector.Description) { d.Vectors[1].Form = vector.Binary },
		"bit is no datatype":                     func(d *vector.Description) { d.Vectors[1].Element = "bit" },
		"no number above 0":                      func(d *vector.Description) { d.Facts[FactShards] = "none" },
		"neither true nor false":                 func(d *vector.Description) { d.Facts[FactOnDisk] = "maybe" },
		"quantization: ":                         func(d *vector.Description) { d.Facts[FactQuantization] = "{" },
		`no index of type "vague"`: func(d *vector.Description) {
			d.Fields = append(d.Fields, vector.FieldSpec{Name: "f", Type: "vague", Indexed: true})
		},
	} {
		d := everything()
		change(d)
		err := s.Create(t.Context(), d)
		var is *vector.Error
		if !errors.As(err, &is) || is.Trouble != vector.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an invalid one that says %q", err, want)
		}
	}
}

func TestAlias(t *testing.T) {
	server := qdranttest.Shared(t)
	name, alias := server.Name(t), server.Name(t)
	s := openStore(t, server, name)
	if err := s.Create(t.Context(), dense4(vector.Dot)); err != nil {
		t.Fatal(err)
	}
	put(t, s, num(1, 1, 2, 3, 4))
	collections := pb.NewCollectionsClient(server.Conn(t))
	point := func(to string) {
		t.Helper()
		_, err := collections.UpdateAliases(t.Context(), &pb.ChangeAliases{Actions: []*pb.AliasOperations{
			{Action: &pb.AliasOperations_CreateAlias{CreateAlias: &pb.CreateAlias{CollectionName: to, AliasName: alias}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	point(name)
	by := openStore(t, server, alias)
	d, err := by.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d.Name != name || d.Facts[FactAlias] != alias || d.Facts[FactAliases] != alias || d.Count() != 1 {
		t.Errorf("it is %q by %q of %q with %d, want %q by %q with 1", d.Name, d.Facts[FactAlias], d.Facts[FactAliases], d.Count(), name, alias)
	}
	// The alias goes elsewhere in the midst of a copy.
	other := openStore(t, server, server.Name(t))
	if err := other.Create(t.Context(), dense4(vector.Dot)); err != nil {
		t.Fatal(err)
	}
	point(other.options.Collection)
	if got, _ := readAll(t, by, 10); len(got) != 1 {
		t.Errorf("%d records, want the one of the collection that was described", len(got))
	}
}

func TestIndexing(t *testing.T) {
	s := created(t, dense4(vector.Cosine))
	before, err := s.IndexingThreshold(t.Context())
	if err != nil || before == 0 {
		t.Fatalf("the threshold is %d, %v", before, err)
	}
	if err := s.SetIndexingThreshold(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if off, err := s.IndexingThreshold(t.Context()); err != nil || off != 0 {
		t.Errorf("the threshold is %d, want 0: %v", off, err)
	}
	var records []vector.Record
	for n := range uint64(3000) {
		records = append(records, num(n, float32(n), 1, 2, float32(n%7)))
	}
	put(t, s, records...)
	if err := s.SetIndexingThreshold(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if setting, err := s.Setting(t.Context()); err != nil || setting != "" {
		t.Errorf("a collection that has records is to put %q off: %v", setting, err)
	}
	if err := s.WaitIndexed(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := s.info(t.Context())
	if err != nil || info.GetIndexedVectorsCount() < 3000 {
		t.Errorf("%d vectors are indexed, want all 3000: %v", info.GetIndexedVectorsCount(), err)
	}
	if got, _ := readAll(t, s, 1000); len(got) != 3000 {
		t.Errorf("%d records after indexing, want 3000", len(got))
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.WaitIndexed(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
}

// TestBytesAreNotNormalised: of bytes that are compared by cosine, the numbers stay.
func TestBytesAreNotNormalised(t *testing.T) {
	d := dense4(vector.Cosine)
	d.Vectors[0].Element = "uint8"
	s := created(t, d)
	want := num(1, 3, 4, 0, 255)
	put(t, s, want)
	got, err := s.Describe(t.Context())
	if err != nil || got.Vectors[0].Normalised {
		t.Errorf("%+v, %v, want it not normalised", got, err)
	}
	read, _ := readAll(t, s, 10)
	if len(read) != 1 {
		t.Fatalf("%d records, want 1", len(read))
	}
	if diff := vector.Differences(&want, &read[0], got); len(diff) > 0 {
		t.Error(diff)
	}
}

// TestWhatNewerServersHave is not taken for what this client knows.
func TestWhatNewerServersHave(t *testing.T) {
	info := &pb.CollectionInfo{Config: &pb.CollectionConfig{
		QuantizationConfig: &pb.QuantizationConfig{},
		Params: &pb.CollectionParams{VectorsConfig: pb.NewVectorsConfigMap(map[string]*pb.VectorParams{
			"metric": {Size: 1, Distance: 99}, "type": {Size: 1, Distance: pb.Distance_Dot, Datatype: new(pb.Datatype(99))},
		})},
	}}
	facts := map[string]string{}
	if err := settings(info, facts); err != nil {
		t.Fatal(err)
	}
	for _, v := range specsOf(info.GetConfig().GetParams()) {
		if _, err := creation("c", &vector.Description{Vectors: []vector.Spec{v}}); err == nil || !strings.Contains(err.Error(), "99") {
			t.Errorf("%s: %v, want that 99 is not known", v.Name, err)
		}
	}
	if _, err := creation("c", &vector.Description{Facts: facts}); err == nil || !strings.Contains(err.Error(), "quantization") {
		t.Errorf("%v, want that the quantization is not known", err)
	}
}

// TestPostponed: an empty collection is not indexed while it is loaded, and is as
// before when that is over, whoever ends it.
func TestPostponed(t *testing.T) {
	s := created(t, dense4(vector.Dot))
	was, err := s.Setting(t.Context())
	if err != nil || was == "" || was == "0" {
		t.Fatalf("%q: %v", was, err)
	}
	for range 2 {
		if err := s.Postpone(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if off, err := s.Setting(t.Context()); err != nil || off != "" {
		t.Errorf("%q: %v", off, err)
	}
	put(t, s, num(1, 1, 0, 0, 0))
	again := openStore(t, qdranttest.Shared(t), s.options.Collection)
	if err := again.Restore(t.Context(), was); err != nil {
		t.Fatal(err)
	}
	if now, err := s.IndexingThreshold(t.Context()); err != nil || strconv.FormatUint(now, 10) != was {
		t.Errorf("%d, want %s: %v", now, was, err)
	}
	var wrong *vector.Error
	if err := s.Restore(t.Context(), "much"); !errors.As(err, &wrong) || wrong.Trouble != vector.Invalid {
		t.Errorf("%v", err)
	}
}
