package front_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"freehold/internal/vector/front"
)

// TestSet: a request for one index is never carried out on another, be it closed or
// not there, and what is not served is refused in Pinecone's words.
func TestSet(t *testing.T) {
	w := newWorld(t)
	var two, one front.Set
	two.Open(w.index)
	two.Close("sp", errors.New("its store is away"))
	one.Open(w.index)
	all := func(string) bool { return true }
	for _, test := range []struct {
		what         string
		set          *front.Set
		method, path string
		host, header string // of gRPC
		index        string
		status       int
		says         string
	}{
		{"gRPC, a closed one", &two, "POST", "/VectorService/Delete", "sp.gw:4000", "", "sp", 200, "14"},
		{"gRPC, a closed one by its header", &two, "POST", "/VectorService/Delete", "gw:4000", "sp", "sp", 200, "14"},
		{"gRPC, a label of none", &two, "POST", "/VectorService/Delete", "other.gw:4000", "", "", 200, "5"},
		{"gRPC, a header of none", &two, "POST", "/VectorService/Delete", "docs.gw:4000", "other", "other", 200, "5"},
		{"gRPC, no index where there is one only", &one, "POST", "/VectorService/Delete", "docs.gw:4000", "other", "other", 200, "5"},
		{"a closed one", &two, "POST", "/pinecone/sp/query", "", "", "sp", 503, "its store is away"},
		{"a closed one is described", &two, "GET", "/pinecone/indexes/sp", "", "", "sp", 503, "its store is away"},
		{"one is described", &two, "GET", "/pinecone/indexes/docs", "", "", "docs", 200, `"name":"docs"`},
		{"none is made", &two, "POST", "/pinecone/indexes", "", "", "", 403, "configuration"},
		{"none is taken away", &two, "DELETE", "/pinecone/indexes/docs", "", "", "docs", 403, "configuration"},
		{"none of the name", &two, "GET", "/pinecone/indexes/other", "", "", "other", 404, "not found"},
		{"an index is no path", &two, "GET", "/pinecone/docs", "", "", "docs", 404, "NOT_FOUND"},
		{"a path that is not there", &two, "GET", "/pinecone/docs/vectors/none", "", "", "docs", 404, "/vectors/none"},
		{"a path that is elsewhere", &two, "GET", "/pinecone/docs//namespaces", "", "", "docs", 404, "there is no path"},
		{"a path above", &two, "GET", "/pinecone/docs/x/../namespaces", "", "", "docs", 404, "there is no path"},
		{"another method", &two, "GET", "/pinecone/docs/query", "", "", "docs", 405, "GET is not for /query"},
	} {
		r := httptest.NewRequest(test.method, test.path, nil)
		if test.host != "" {
			r.Host = test.host
			r.Header.Set("Content-Type", "application/grpc")
			r.Header.Set("X-Freehold-Index", test.header)
		}
		if got := test.set.Index(r); got != test.index {
			t.Errorf("%s: it is about %q, not %q", test.what, got, test.index)
		}
		out := httptest.NewRecorder()
		test.set.Serve(out, r, all)
		says := out.Body.String()
		if test.host != "" {
			says = out.Header().Get("Grpc-Status")
		}
		if out.Code != test.status || !strings.Contains(says, test.says) {
			t.Errorf("%s: %d %s", test.what, out.Code, says)
		}
		if allow := out.Header().Get("Allow"); (out.Code == http.StatusMethodNotAllowed) != (allow == "POST") {
			t.Errorf("%s: allowed is %q", test.what, allow)
		}
	}
	for host, index := range map[string]string{"DOCS.GW:4000": "docs", "gw": "", "127.0.0.1:4000": ""} {
		r := httptest.NewRequest(http.MethodPost, "/VectorService/Query", nil)
		r.Host = host
		r.Header.Set("Content-Type", "application/grpc+proto")
		if got := two.Index(r); got != index {
			t.Errorf("%s is of %q", host, got)
		}
		if got := one.Index(r); got != "docs" {
			t.Errorf("%s is of %q where there is only docs", host, got)
		}
	}
	two.Close("second", errors.New("it is being opened"))
	for _, may := range []string{"docs", "none"} {
		out := httptest.NewRecorder()
		two.Serve(out, httptest.NewRequest(http.MethodGet, "/pinecone/indexes", nil), func(index string) bool { return index == may })
		if n := strings.Count(out.Body.String(), `"name"`); out.Code != http.StatusOK || n != map[string]int{"docs": 1}[may] {
			t.Errorf("who may know %s is told %s", may, out.Body)
		}
	}
}
