package sdk

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/pinecone-io/go-pinecone/v5/pinecone"
	"google.golang.org/protobuf/types/known/structpb"
)

// TestPineconeGo has the official Go client of Pinecone do what applications do,
// against the simulator: the control plane by REST, the data plane by gRPC.
func TestPineconeGo(t *testing.T) {
	t.Parallel()
	s := startPinecone(t)
	pc, err := pinecone.NewClient(pinecone.NewClientParams{ApiKey: pineconeKey, Host: s.URL()})
	if err != nil {
		t.Fatal(err)
	}
	dim, metric := int32(3), pinecone.Cosine
	want := &pinecone.CreateServerlessIndexRequest{Name: "songs", Cloud: pinecone.Aws, Region: "eu-west-1", Dimension: &dim, Metric: &metric}
	if _, err := pc.CreateServerlessIndex(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if _, err := pc.CreateServerlessIndex(t.Context(), want); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("the same once more: %v", err)
	}
	ix, err := pc.DescribeIndex(t.Context(), "songs")
	if err != nil {
		t.Fatal(err)
	}
	if !ix.Status.Ready || *ix.Dimension != 3 || ix.Metric != pinecone.Cosine || ix.Spec.Serverless == nil || ix.Spec.Serverless.Region != "eu-west-1" {
		t.Errorf("%+v", ix)
	}
	if list, err := pc.ListIndexes(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	for _, ns := range []string{"", "second"} {
		conn, err := pc.Index(pinecone.NewIndexConnParams{Host: ix.Host, Namespace: ns})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		goPinecone(t, conn, ns)
	}
	if err := pc.DeleteIndex(t.Context(), "songs"); err != nil {
		t.Error(err)
	}
	if _, err := pc.DescribeIndex(t.Context(), "songs"); err == nil {
		t.Error("the index is still there")
	}
}

// metadata is a struct of the wire.
func metadata(t *testing.T, m object) *structpb.Struct {
	t.Helper()
	out, err := structpb.NewStruct(m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// near allows for what is lost when a store keeps directions and lengths apart.
func near(got []float32, want ...float32) bool {
	return slices.EqualFunc(got, want, func(a, b float32) bool { return math.Abs(float64(a-b)) <= 1e-6*math.Abs(float64(b)) })
}

func goPinecone(t *testing.T, conn *pinecone.IndexConnection, ns string) {
	t.Helper()
	ctx := t.Context()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var all []*pinecone.Vector
	for i := range 150 {
		values := []float32{float32(i), 1, 2}
		all = append(all, &pinecone.Vector{Id: fmt.Sprintf("id-%03d", i), Values: &values, Metadata: metadata(t, object{"n": i, "even": i%2 == 0, "tags": list{"a", fmt.Sprint(i % 3)}})})
	}
	n, err := conn.UpsertVectors(ctx, all)
	ok(err)
	if n != 150 {
		t.Errorf("%d are written", n)
	}
	if _, err := conn.UpsertVectors(ctx, []*pinecone.Vector{{Id: "", Values: all[0].Values}}); err == nil {
		t.Error("a record without an id is taken")
	}
	fetched, err := conn.FetchVectors(ctx, []string{"id-007", "nobody"})
	ok(err)
	if v := fetched.Vectors["id-007"]; len(fetched.Vectors) != 1 || !near(*v.Values, 7, 1, 2) || v.Metadata.AsMap()["n"] != 7.0 {
		t.Errorf("fetched: %+v", fetched.Vectors)
	}
	var ids []string
	for limit, token := uint32(40), (*string)(nil); ; {
		page, err := conn.ListVectors(ctx, &pinecone.ListVectorsRequest{Limit: &limit, PaginationToken: token})
		ok(err)
		for _, id := range page.VectorIds {
			ids = append(ids, *id)
		}
		if token = page.NextPaginationToken; token == nil {
			break
		}
	}
	if len(ids) != 150 || ids[149] != "id-149" {
		t.Errorf("%d are listed", len(ids))
	}
	stats, err := conn.DescribeIndexStats(ctx)
	ok(err)
	if *stats.Dimension != 3 || stats.Namespaces[ns].VectorCount != 150 {
		t.Errorf("stats: %+v", stats)
	}
	filter := metadata(t, object{"$and": list{object{"even": true}, object{"n": object{"$gte": 100}}, object{"tags": object{"$in": list{"0", "1"}}}}})
	hits, err := conn.QueryByVectorValues(ctx, &pinecone.QueryByVectorValuesRequest{Vector: []float32{1, 0, 0}, TopK: 200, MetadataFilter: filter, IncludeMetadata: true, IncludeValues: true})
	ok(err)
	if len(hits.Matches) != 17 || hits.Matches[0].Vector.Id != "id-148" || !near(*hits.Matches[0].Vector.Values, 148, 1, 2) {
		t.Errorf("%d are found", len(hits.Matches))
	}
	hits, err = conn.QueryByVectorId(ctx, &pinecone.QueryByVectorIdRequest{VectorId: "id-020", TopK: 1})
	ok(err)
	if hits.Matches[0].Vector.Id != "id-020" || hits.Matches[0].Score < 0.9999 {
		t.Errorf("nearest to itself is %+v", hits.Matches[0])
	}
	ok(conn.UpdateVector(ctx, &pinecone.UpdateVectorRequest{Id: "id-001", Values: []float32{0, 0, 9}, Metadata: metadata(t, object{"more": "x"})}))
	if fetched, err = conn.FetchVectors(ctx, []string{"id-001"}); err != nil || !near(*fetched.Vectors["id-001"].Values, 0, 0, 9) || len(fetched.Vectors["id-001"].Metadata.Fields) != 4 {
		t.Errorf("after the update: %v, %v", fetched, err)
	}
	updated, err := conn.UpdateVectorsByMetadata(ctx, &pinecone.UpdateVectorsByMetadataRequest{Filter: metadata(t, object{"even": true}), Metadata: metadata(t, object{"kind": "even"})})
	ok(err)
	if updated.MatchedRecords != 75 {
		t.Errorf("%d are updated", updated.MatchedRecords)
	}
	limit := uint32(10)
	by, err := conn.FetchVectorsByMetadata(ctx, &pinecone.FetchVectorsByMetadataRequest{Filter: metadata(t, object{"kind": "even"}), Limit: &limit})
	ok(err)
	if len(by.Vectors) != 10 || by.Pagination == nil {
		t.Errorf("by metadata: %d", len(by.Vectors))
	}
	ok(conn.DeleteVectorsById(ctx, []string{"id-000", "nobody"}))
	ok(conn.DeleteVectorsByFilter(ctx, metadata(t, object{"even": object{"$ne": true}})))
	names, err := conn.ListNamespaces(ctx, &pinecone.ListNamespacesParams{})
	ok(err)
	named := map[string]string{"": "__default__"}[ns] + ns
	if len(names.Namespaces) == 0 || names.Namespaces[len(names.Namespaces)-1].Name != named || names.Namespaces[len(names.Namespaces)-1].RecordCount != 74 {
		t.Errorf("namespaces: %+v", names.Namespaces)
	}
	ok(conn.DeleteAllVectorsInNamespace(ctx))
	if stats, err = conn.DescribeIndexStats(ctx); err != nil || stats.TotalVectorCount != 0 {
		t.Errorf("at last: %+v, %v", stats, err)
	}
}
