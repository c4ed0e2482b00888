package app_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"freehold/internal/app/apptest"
	"freehold/internal/auth"
	"freehold/internal/ledger"
	"freehold/internal/vector/pinecone/sim"
	"freehold/internal/vector/pinecone/wire"
)

// TestIndexRows: each request of an index whose sender is known is told of with who
// asked, what, and which side answered; its answer has its id. The collection to
// which it moves need not be there before it moves.
func TestIndexRows(t *testing.T) {
	t.Setenv("APP_TEST_PINECONE_KEY", "a-key")
	p, err := sim.New(sim.Options{Key: "a-key"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	if _, err := p.Add(sim.Index{Name: "docs", Dimension: 2, Metric: "cosine"}); err != nil {
		t.Fatal(err)
	}
	s := apptest.Start(t, `server: {listen: 127.0.0.1:0, auth: keys}
stores: {old: {url: "pinecone://`+p.Address()+`/docs", api_key: "${env:APP_TEST_PINECONE_KEY}", region: r1, jurisdiction: US}}
data_classes: {secret: {}}
tenants: {acme: {keys: [app]}}
indexes: {docs: {from: old, to: "qdrant://127.0.0.1:1/docs", data: [secret]}}
`)
	key, secret, err := s.App.Keys.Create(t.Context(), auth.Request{Name: "app", Grant: auth.Grant{Workloads: []string{"index:docs"}, Tags: []string{"team"}}})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	rest := func(path, body, as string) (id string, code int, text string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range map[string]string{"Api-Key": as, "X-Pinecone-Api-Version": "2026-04", "X-Freehold-Tags": "live", "X-Request-Id": "mine"} {
			r.Header.Set(k, v)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		out, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.Header.Get("X-Request-Id"), resp.StatusCode, string(out)
	}
	last := func() *ledger.Row {
		t.Helper()
		n++
		return s.WaitRows(t, n)[0]
	}
	for open := false; !open && t.Context().Err() == nil; { // it is opened beside
		_, code, _ := rest("/pinecone/docs/describe_index_stats", "{}", secret)
		open = last().Status == http.StatusOK
		if open != (code == http.StatusOK) {
			t.Fatalf("status %d is on record otherwise", code)
		}
	}
	const body = `{"vectors": [{"id": "a", "values": [1, 2]}]}`
	id, code, text := rest("/pinecone/docs/vectors/upsert", body, secret)
	if code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
	r := last()
	if r.ID != id || r.ClientID != "mine" || r.KeyID != key.ID || r.KeyName != "app" || r.Tenant != "acme" || r.Workload != "index:docs" || r.Asked != "docs" ||
		r.Dialect != "pinecone" || r.Operation != "upsert" || r.Status != 200 || r.Outcome != ledger.OK || r.Deployment != "pinecone" || r.Provider != "old" ||
		!slices.Equal(r.Tags, []string{"team", "live"}) || !slices.Equal(r.DataClasses, []string{"secret"}) || !strings.HasPrefix(r.Route, "relay: ") ||
		r.BytesIn != int64(len(body)) || r.BytesOut != int64(len(text)) || r.Cost.Valid || r.ConfigVersion != s.App.Fleet().Version {
		t.Errorf("%+v", r)
	}
	if len(r.Attempts) != 1 || r.Attempts[0].Outcome != ledger.OK || r.Attempts[0].Total <= 0 || r.Attempts[0].Total > r.Total ||
		r.Attempts[0].Sent != r.BytesIn || r.Attempts[0].Region != "r1" || r.Attempts[0].Jurisdiction != "US" {
		t.Errorf("%+v", r.Attempts)
	}
	if _, code, _ := rest("/pinecone/docs/vectors/upsert", `{"vectors": []}`, secret); code != http.StatusBadRequest {
		t.Errorf("status %d", code)
	}
	if r := last(); r.Outcome != ledger.ClientError || r.Deployment != "" || len(r.Attempts) != 0 || !r.Cost.Valid {
		t.Errorf("%+v", r)
	}
	if _, code, _ := rest("/pinecone/other/query", `{}`, secret); code != http.StatusForbidden {
		t.Errorf("status %d", code)
	}
	if r := last(); r.Outcome != ledger.Refused || r.Workload != "" || r.Asked != "other" {
		t.Errorf("%+v", r)
	}
	if id, code, _ := rest("/pinecone/docs/query", `{}`, "fh-none"); code != http.StatusUnauthorized || id == "" {
		t.Errorf("status %d, id %q", code, id)
	}

	conn, err := grpc.NewClient(strings.TrimPrefix(s.URL, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() // it was read only
	call := func(in *wire.QueryRequest) (string, error) {
		var header, trailer metadata.MD
		ctx := metadata.AppendToOutgoingContext(context.WithoutCancel(t.Context()), "api-key", secret)
		err := conn.Invoke(ctx, wire.Query, in, &wire.QueryResponse{}, grpc.Header(&header), grpc.Trailer(&trailer))
		return strings.Join(append(header.Get("x-request-id"), trailer.Get("x-request-id")...), ""), err
	}
	id, err = call(&wire.QueryRequest{TopK: 1, Vector: []float32{1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	if r := last(); r.ID != id || r.Operation != "query" || r.Status != 200 || r.Outcome != ledger.OK || r.BytesIn == 0 || r.BytesOut == 0 || len(r.Attempts) != 1 {
		t.Errorf("%s: %+v", id, r)
	}
	if _, err = call(&wire.QueryRequest{TopK: 1, Vector: []float32{1, 2, 3}}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("%v", err)
	}
	if r := last(); r.Status != 400 || r.Outcome != ledger.ClientError {
		t.Errorf("%+v", r)
	}
	if all := s.WaitRows(t, n); len(all) != n {
		t.Errorf("%d rows of %d requests", len(all), n)
	}
}
