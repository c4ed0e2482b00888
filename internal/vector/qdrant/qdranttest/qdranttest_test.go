package qdranttest_test

import (
	"testing"

	pb "github.com/qdrant/go-client/qdrant"

	"freehold/internal/vector/qdrant/qdranttest"
)

// TestWhatIsAcknowledgedStays proves of the server what tests of kills rely on.
func TestWhatIsAcknowledgedStays(t *testing.T) {
	s := qdranttest.Start(t, "secret")
	name := s.Name(t)
	ctx := s.WithKey(t.Context())
	conn := s.Conn(t)
	collections, points := pb.NewCollectionsClient(conn), pb.NewPointsClient(conn)
	_, err := collections.Create(ctx, &pb.CreateCollection{CollectionName: name, VectorsConfig: pb.NewVectorsConfig(&pb.VectorParams{Size: 2, Distance: pb.Distance_Dot})})
	if err != nil {
		t.Fatal(err)
	}
	for i, again := range []func(testing.TB){s.Kill, s.Stop} {
		_, err := points.Upsert(ctx, &pb.UpsertPoints{CollectionName: name, Wait: new(true), Points: []*pb.PointStruct{
			{Id: pb.NewIDNum(uint64(i)), Vectors: pb.NewVectors(1, 2)},
		}})
		if err != nil {
			t.Fatal(err)
		}
		again(t)
		if _, err := points.Count(ctx, &pb.CountPoints{CollectionName: name}); err == nil {
			t.Fatal("a server that is down answers")
		}
		s.Start(t)
		conn = s.Conn(t)
		collections, points = pb.NewCollectionsClient(conn), pb.NewPointsClient(conn)
		got, err := points.Count(ctx, &pb.CountPoints{CollectionName: name})
		if err != nil {
			t.Fatal(err)
		}
		if n := got.GetResult().GetCount(); n != uint64(i)+1 {
			t.Errorf("after start %d there are %d points", i, n)
		}
	}
	if _, err := collections.Get(t.Context(), &pb.GetCollectionInfoRequest{CollectionName: name}); err == nil {
		t.Error("the server answers without its key")
	}
}
