package qdrant

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"freehold/internal/upstream/upstreamtest"
	"freehold/internal/vector"
)

// script is a server that does what the engine never does. What is nil is as of
// an empty collection of one-dimensional vectors.
type script struct {
	version string
	aliases func(context.Context) error
	info    func() *pb.CollectionInfo
	upsert  func(context.Context, *pb.UpsertPoints) (*pb.PointsOperationResponse, error)
	delete  func(*pb.DeletePoints) *pb.PointsOperationResponse
	scroll  func(*pb.ScrollPoints) *pb.ScrollResponse
	get     func(*pb.GetPoints) *pb.GetResponse
}

type scriptedHealth struct {
	pb.UnimplementedQdrantServer
	*script
}

func (s scriptedHealth) HealthCheck(context.Context, *pb.HealthCheckRequest) (*pb.HealthCheckReply, error) {
	return &pb.HealthCheckReply{Version: s.version}, nil
}

type scriptedCollections struct {
	pb.UnimplementedCollectionsServer
	*script
}

func (s scriptedCollections) ListAliases(ctx context.Context, _ *pb.ListAliasesRequest) (*pb.ListAliasesResponse, error) {
	if s.aliases != nil {
		return nil, s.aliases(ctx)
	}
	return &pb.ListAliasesResponse{}, nil
}

func (s scriptedCollections) Get(context.Context, *pb.GetCollectionInfoRequest) (*pb.GetCollectionInfoResponse, error) {
	out := &pb.CollectionInfo{}
	if s.info != nil {
		out = s.info()
	}
	out.Config = &pb.CollectionConfig{Params: &pb.CollectionParams{VectorsConfig: pb.NewVectorsConfig(&pb.VectorParams{Size: 1, Distance: pb.Distance_Dot})}}
	return &pb.GetCollectionInfoResponse{Result: out}, nil
}

type scriptedPoints struct {
	pb.UnimplementedPointsServer
	*script
}

func (s scriptedPoints) Upsert(ctx context.Context, r *pb.UpsertPoints) (*pb.PointsOperationResponse, error) {
	return s.upsert(ctx, r)
}

func (s scriptedPoints) Delete(_ context.Context, r *pb.DeletePoints) (*pb.PointsOperationResponse, error) {
	return s.delete(r), nil
}

func (s scriptedPoints) Scroll(_ context.Context, r *pb.ScrollPoints) (*pb.ScrollResponse, error) {
	return s.scroll(r), nil
}

func (s scriptedPoints) Get(_ context.Context, r *pb.GetPoints) (*pb.GetResponse, error) {
	return s.get(r), nil
}

func (s scriptedPoints) Count(context.Context, *pb.CountPoints) (*pb.CountResponse, error) {
	return &pb.CountResponse{Result: &pb.CountResult{}}, nil
}

const smallAnswer = 64 << 10

// serve runs a script, and opens a store of it that takes answers of 64 KiB.
func serve(t *testing.T, s *script, o Options, opts ...grpc.ServerOption) *Store {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(opts...)
	pb.RegisterQdrantServer(server, scriptedHealth{script: s})
	pb.RegisterCollectionsServer(server, scriptedCollections{script: s})
	pb.RegisterPointsServer(server, scriptedPoints{script: s})
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ln) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	o.Host, o.Collection = ln.Addr().String(), "c"
	out, err := open(o, smallAnswer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	return out
}

func done(status pb.UpdateStatus) *pb.PointsOperationResponse {
	return &pb.PointsOperationResponse{Result: &pb.UpdateResult{Status: status}}
}

func troubleOf(t *testing.T, err error) *vector.Error {
	t.Helper()
	var is *vector.Error
	if !errors.As(err, &is) {
		t.Fatalf("%v, want a vector.Error", err)
	}
	return is
}

func TestThrottled(t *testing.T) {
	s := serve(t, &script{upsert: func(ctx context.Context, _ *pb.UpsertPoints) (*pb.PointsOperationResponse, error) {
		if err := grpc.SetTrailer(ctx, metadata.Pairs("retry-after", "7")); err != nil {
			return nil, err
		}
		return nil, status.Error(codes.ResourceExhausted, "Rate limiting exceeded: Write rate limit exceeded, retry later")
	}}, Options{})
	is := troubleOf(t, s.Put(t.Context(), "", []vector.Record{num(1, 1)}))
	if is.Trouble != vector.Throttled || is.RetryAfter != 7*time.Second || !is.Again() {
		t.Errorf("%v after %s, want throttled after 7s", is, is.RetryAfter)
	}
}

// TestNotAppliedIsNotDone: the server has the write, but did not wait as it was
// asked to.
func TestNotAppliedIsNotDone(t *testing.T) {
	s := serve(t, &script{
		upsert: func(context.Context, *pb.UpsertPoints) (*pb.PointsOperationResponse, error) {
			return done(pb.UpdateStatus_Acknowledged), nil
		},
		delete: func(*pb.DeletePoints) *pb.PointsOperationResponse { return done(pb.UpdateStatus_Acknowledged) },
	}, Options{})
	for _, err := range []error{s.Put(t.Context(), "", []vector.Record{num(1, 1)}), s.Delete(t.Context(), "", []vector.ID{vector.IntegerIDOf(1)})} {
		if is := troubleOf(t, err); !is.Again() {
			t.Errorf("%v, want one to try again", is)
		}
	}
}

func TestDeadline(t *testing.T) {
	s := serve(t, &script{upsert: func(ctx context.Context, _ *pb.UpsertPoints) (*pb.PointsOperationResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}, Options{Timeout: 200 * time.Millisecond})
	// What comes before the upsert may take long on a busy machine: the deadline is
	// that of each request.
	if is := troubleOf(t, s.Put(t.Context(), "", []vector.Record{num(1, 1)})); !is.Again() || is.Unwrap() != nil {
		t.Errorf("%v, want one to try again, whose cause is not the caller's", is)
	}
}

func TestOrdered(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		var upsert, remove *pb.WriteOrdering
		s := serve(t, &script{
			upsert: func(_ context.Context, r *pb.UpsertPoints) (*pb.PointsOperationResponse, error) {
				upsert = r.GetOrdering()
				return done(pb.UpdateStatus_Completed), nil
			},
			delete: func(r *pb.DeletePoints) *pb.PointsOperationResponse {
				remove = r.GetOrdering()
				return done(pb.UpdateStatus_Completed)
			},
		}, Options{Ordered: ordered})
		put(t, s, num(1, 1))
		if err := s.Delete(t.Context(), "", []vector.ID{vector.IntegerIDOf(1)}); err != nil {
			t.Fatal(err)
		}
		for _, got := range []*pb.WriteOrdering{upsert, remove} {
			if strong := got != nil && got.GetType() == pb.WriteOrderingType_Strong; strong != ordered || !ordered && got != nil {
				t.Errorf("ordered %t: the ordering is %v", ordered, got)
			}
		}
	}
}

// TestAnswersThatAreTooLarge: records that are far larger than those before make
// pages that do not fit, which are asked for again in halves; one record that does
// not fit by itself is an error that says so.
func TestAnswersThatAreTooLarge(t *testing.T) {
	large := map[string]*pb.Value{"text": pb.NewValueString(strings.Repeat("x", smallAnswer/4))}
	var asked []uint32
	one := func(id *pb.PointId) *pb.RetrievedPoint { return &pb.RetrievedPoint{Id: id, Payload: large} }
	sc := &script{
		scroll: func(r *pb.ScrollPoints) *pb.ScrollResponse {
			asked = append(asked, r.GetLimit())
			first := r.GetOffset().GetNum()
			out := &pb.ScrollResponse{}
			for n := first; n < min(10, first+uint64(r.GetLimit())); n++ {
				out.Result = append(out.Result, one(pb.NewIDNum(n)))
			}
			return out
		},
		get: func(r *pb.GetPoints) *pb.GetResponse {
			out := &pb.GetResponse{}
			for _, id := range r.GetIds() {
				out.Result = append(out.Result, one(id))
			}
			return out
		},
	}
	s := serve(t, sc, Options{})
	// The scripted server says that nothing follows each page, so only the first one
	// comes: as many as fit.
	for records, err := range s.Read(t.Context(), vector.Unit{Upto: "9", Count: 10}) {
		if err != nil {
			t.Fatal(err)
		}
		if len(records) != 2 {
			t.Errorf("%d records, want 2 that fit", len(records))
		}
	}
	if want := []uint32{10, 5, 2}; !slices.Equal(asked, want) {
		t.Errorf("asked for %d, want %d", asked, want)
	}
	s = serve(t, sc, Options{})
	var ids []vector.ID
	for n := range uint64(9) {
		ids = append(ids, vector.IntegerIDOf(n))
	}
	got, err := s.Fetch(t.Context(), "", ids)
	if err != nil || len(got) != len(ids) {
		t.Errorf("%d records are fetched, want %d: %v", len(got), len(ids), err)
	}
	large["text"] = pb.NewValueString(strings.Repeat("x", 2*smallAnswer))
	_, err = s.Fetch(t.Context(), "", ids[:2])
	if is := troubleOf(t, err); is.Trouble != vector.Invalid || !errors.Is(err, errTooLarge) {
		t.Errorf("%v, want that the answer is too large", err)
	}
}

func TestOldServersAreNotWrittenTo(t *testing.T) {
	for version, ok := range map[string]bool{"1.13.6": false, "0.11.0": false, "1.14.0": true, "1.17.0-dev": true, "2.0.0": true, "": true} {
		s := serve(t, &script{version: version, upsert: func(context.Context, *pb.UpsertPoints) (*pb.PointsOperationResponse, error) {
			return done(pb.UpdateStatus_Completed), nil
		}}, Options{})
		err := s.Put(t.Context(), "", []vector.Record{num(1, 1)})
		if ok && err != nil || !ok && (err == nil || !strings.Contains(err.Error(), "too old")) {
			t.Errorf("version %q: %v, want it written to: %t", version, err, ok)
		}
		if err := s.Create(t.Context(), &vector.Description{}); ok != (err == nil) {
			t.Errorf("version %q: create: %v", version, err)
		}
	}
}

// TestKeysForOneCollection: a key that may not list aliases describes what it may.
func TestKeysForOneCollection(t *testing.T) {
	s := serve(t, &script{aliases: func(context.Context) error { return status.Error(codes.PermissionDenied, "Global access is required") }}, Options{})
	d, err := s.Describe(t.Context())
	if err != nil || d.Name != "c" || d.Vectors[0].Dim != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	s = serve(t, &script{aliases: func(context.Context) error { return status.Error(codes.Unavailable, "starting") }}, Options{})
	if _, err := s.Describe(t.Context()); err == nil || !troubleOf(t, err).Again() {
		t.Errorf("%v, want one to try again: which collection it is, is not known", err)
	}
}

func TestIndexingThatFails(t *testing.T) {
	states := []pb.CollectionStatus{pb.CollectionStatus_Green, pb.CollectionStatus_Yellow, pb.CollectionStatus_Grey, pb.CollectionStatus_Red}
	sc := &script{info: func() *pb.CollectionInfo {
		out := &pb.CollectionInfo{Status: states[0], OptimizerStatus: &pb.OptimizerStatus{Error: "no space left"}}
		if len(states) > 1 {
			states = states[1:]
		}
		return out
	}}
	err := serve(t, sc, Options{}).WaitIndexed(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("%v, want what the server says", err)
	}
}

// TestTLS: the server is proven, and the key goes to it and to no other.
func TestTLS(t *testing.T) {
	cert, ca := upstreamtest.Certificate(t)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(ca)) {
		t.Fatal("no certificate")
	}
	var keys []string
	sc := &script{aliases: func(ctx context.Context) error {
		md, _ := metadata.FromIncomingContext(ctx)
		keys = append(keys, md.Get("api-key")...)
		return status.Error(codes.PermissionDenied, "no")
	}}
	secure := grpc.Creds(credentials.NewServerTLSFromCert(&cert))
	s := serve(t, sc, Options{APIKey: "secret", TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}, secure)
	if _, err := s.Describe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(keys, []string{"secret"}) {
		t.Errorf("the keys are %q, want the one", keys)
	}
	for name, o := range map[string]Options{
		"unknown": {APIKey: "secret", TLS: &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}},
		"plain":   {APIKey: "secret"},
	} {
		if _, err := serve(t, sc, o, secure).Describe(t.Context()); err == nil || len(keys) != 1 {
			t.Errorf("%s: %v, and %d keys are sent", name, err, len(keys))
		}
	}
}
