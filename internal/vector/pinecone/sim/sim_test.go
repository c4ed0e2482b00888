package sim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"

	"freehold/internal/leaktest"
	"freehold/internal/vector/pinecone/sim"
	"freehold/internal/vector/pinecone/wire"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const key = "a-key"

type object = map[string]any

// still is a clock that stands.
type still struct {
	mu  sync.Mutex
	now time.Time
}

func (s *still) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *still) pass(_ context.Context, d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
	return nil
}

// client asks by REST.
type client struct {
	*testing.T
	base   string
	header http.Header
	http   *http.Client
}

func start(t *testing.T, o sim.Options, i sim.Index) (*sim.Server, *client) {
	t.Helper()
	o.Key = key
	s, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	host, err := s.Add(i)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t, "http://" + host, http.Header{"Api-Key": {key}, "X-Pinecone-Api-Version": {"2026-04"}}, &http.Client{Transport: &http.Transport{}}}
	t.Cleanup(c.http.CloseIdleConnections)
	return s, c
}

// ask asks; status 0: there was no answer.
func (c *client) ask(method, path string, body any) (status int, answer object, header http.Header) {
	c.Helper()
	var text []byte
	switch b := body.(type) {
	case nil:
	case string:
		text = []byte(b)
	default:
		var err error
		if text, err = json.Marshal(body); err != nil {
			c.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(c.Context(), method, c.base+path, bytes.NewReader(text))
	if err != nil {
		c.Fatal(err)
	}
	req.Header = c.header
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, nil
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, nil
	}
	if len(out) > 0 {
		if err := json.Unmarshal(out, &answer); err != nil {
			c.Fatalf("%s %s: %s", method, path, out)
		}
	}
	return resp.StatusCode, answer, resp.Header
}

func (c *client) want(status int, method, path string, body any) object {
	c.Helper()
	got, answer, _ := c.ask(method, path, body)
	if got != status {
		c.Errorf("%s %s %.100v: %d %v, %d is wanted", method, path, body, got, answer, status)
	}
	return answer
}

var dense = sim.Index{Name: "dense", Dimension: 2, Metric: "cosine"}

func vec(id string, more object) object {
	out := object{"id": id, "values": []float64{1, 2}}
	for k, v := range more {
		out[k] = v
	}
	return out
}

func upsert(vectors ...object) object { return object{"vectors": vectors} }

// What Pinecone does not take is not taken, and nothing of such a request is done.
func TestStrict(t *testing.T) {
	s, c := start(t, sim.Options{}, dense)
	with := func(field string, v any) object {
		return upsert(vec("good", nil), vec("a", object{"metadata": object{field: v}}))
	}
	many := make([]object, 1001)
	for i := range many {
		many[i] = vec(fmt.Sprint(i), nil)
	}
	ids := "ids=" + strings.Repeat("a&ids=", 1000) + "a"
	for _, r := range []struct {
		what, method, path string
		body               any
	}{
		{"no vectors", "POST", "/vectors/upsert", upsert()},
		{"1001 vectors", "POST", "/vectors/upsert", upsert(many...)},
		{"more than 2 MB", "POST", "/vectors/upsert", upsert(vec("a", object{"metadata": object{"x": strings.Repeat("x", 2<<20)}}))},
		{"no JSON", "POST", "/vectors/upsert", "{"},
		{"an unknown member", "POST", "/vectors/upsert", object{"vectors": []object{vec("a", nil)}, "name_space": "x"}},
		{"no id", "POST", "/vectors/upsert", upsert(vec("", nil))},
		{"a long id", "POST", "/vectors/upsert", upsert(vec(strings.Repeat("ü", 513), nil))},
		{"another dimension", "POST", "/vectors/upsert", upsert(object{"id": "a", "values": []float64{1}})},
		{"no values", "POST", "/vectors/upsert", upsert(object{"id": "a"})},
		{"zeros", "POST", "/vectors/upsert", upsert(object{"id": "a", "values": []float64{0, 0}})},
		{"sparse values", "POST", "/vectors/upsert", upsert(vec("a", object{"sparseValues": object{"indices": []int{1}, "values": []float64{1}}}))},
		{"null", "POST", "/vectors/upsert", with("x", nil)},
		{"a map", "POST", "/vectors/upsert", with("x", object{"y": 1})},
		{"a list of numbers", "POST", "/vectors/upsert", with("x", []int{1})},
		{"a name with $", "POST", "/vectors/upsert", with("$x", 1)},
		{"more than 40 KB of metadata", "POST", "/vectors/upsert", with("x", strings.Repeat("x", 40<<10-7))},
		{"no ids", "GET", "/vectors/fetch", nil},
		{"1001 ids", "GET", "/vectors/fetch?" + ids, nil},
		{"a page of 101", "GET", "/vectors/list?limit=101", nil},
		{"a page of none", "GET", "/vectors/list?limit=0", nil},
		{"a token of who knows whom", "GET", "/vectors/list?paginationToken=abc", nil},
		{"topK 0", "POST", "/query", object{"vector": []float64{1, 2}, "topK": 0}},
		{"topK 10001", "POST", "/query", object{"vector": []float64{1, 2}, "topK": 10001}},
		{"topK 1001 with values", "POST", "/query", object{"vector": []float64{1, 2}, "topK": 1001, "includeValues": true}},
		{"a vector and an id", "POST", "/query", object{"vector": []float64{1, 2}, "id": "a", "topK": 1}},
		{"neither", "POST", "/query", object{"topK": 1}},
		{"a wrong filter", "POST", "/query", object{"vector": []float64{1, 2}, "topK": 1, "filter": object{"x": object{"$like": 1}}}},
		{"a deletion of nothing", "POST", "/vectors/delete", object{}},
		{"of two kinds", "POST", "/vectors/delete", object{"ids": []string{"a"}, "deleteAll": true}},
		{"by an empty filter", "POST", "/vectors/delete", object{"filter": object{}}},
		{"an update of nobody", "POST", "/vectors/update", object{"setMetadata": object{"x": 1}}},
		{"of values by filter", "POST", "/vectors/update", object{"filter": object{"x": 1}, "values": []float64{1, 2}}},
		{"stats by filter", "POST", "/describe_index_stats", object{"filter": object{"x": 1}}},
	} {
		if got, answer, _ := c.ask(r.method, r.path, r.body); got != http.StatusBadRequest || answer["message"] == "" {
			t.Errorf("%s: %d %v", r.what, got, answer)
		}
	}
	if n := len(s.Records(dense.Name, "")); n != 0 {
		t.Errorf("%d records are there", n)
	}
	c.want(http.StatusOK, "POST", "/vectors/upsert", with("x", strings.Repeat("x", 40<<10-8))) // {"x":""} has 8 bytes
	c.want(http.StatusOK, "POST", "/vectors/upsert", upsert(vec(strings.Repeat("ü", 512), nil)))
	c.want(http.StatusNotFound, "POST", "/vectors/delete", object{"ids": []string{"a"}, "namespace": "nowhere"})
	c.want(http.StatusNotFound, "GET", "/namespaces/nowhere", nil)
	c.want(http.StatusOK, "POST", "/vectors/update", object{"id": "nobody", "setMetadata": object{"x": 1}})
	if n := len(s.Records(dense.Name, "")); n != 3 {
		t.Errorf("%d records are there", n)
	}
}

func TestHeaders(t *testing.T) {
	_, c := start(t, sim.Options{}, dense)
	c.want(http.StatusOK, "POST", "/describe_index_stats", object{})
	c.header = http.Header{"Api-Key": {key}}
	c.want(http.StatusBadRequest, "POST", "/describe_index_stats", object{})
	c.header = http.Header{"Api-Key": {"another"}, "X-Pinecone-Api-Version": {"2026-04"}}
	c.want(http.StatusUnauthorized, "POST", "/describe_index_stats", object{})
}

// Counts are what they were a while ago.
func TestLag(t *testing.T) {
	now := &still{now: time.Unix(1e9, 0)}
	_, c := start(t, sim.Options{Lag: time.Minute, Clock: now.clock}, dense)
	count := func() any {
		return c.want(http.StatusOK, "POST", "/describe_index_stats", object{})["totalVectorCount"]
	}
	c.want(http.StatusOK, "POST", "/vectors/upsert", upsert(vec("a", nil), vec("b", nil)))
	if n := count(); n != 0.0 {
		t.Errorf("at once: %v", n)
	}
	_ = now.pass(t.Context(), time.Minute)
	c.want(http.StatusOK, "POST", "/vectors/delete", object{"ids": []string{"a"}})
	if n := count(); n != 2.0 {
		t.Errorf("a minute later: %v", n)
	}
	_ = now.pass(t.Context(), time.Minute)
	if n := count(); n != 1.0 {
		t.Errorf("two minutes later: %v", n)
	}
}

func TestLimits(t *testing.T) {
	now := &still{now: time.Unix(1e9, 0)}
	_, c := start(t, sim.Options{Lists: 5, Clock: now.clock}, dense)
	for range 5 {
		c.want(http.StatusOK, "GET", "/vectors/list", nil)
	}
	status, _, header := c.ask("GET", "/vectors/list", nil)
	if status != http.StatusTooManyRequests || header.Get("Retry-After") != "1" {
		t.Errorf("the sixth in a second: %d, Retry-After %q", status, header.Get("Retry-After"))
	}
	c.want(http.StatusOK, "GET", "/vectors/fetch?ids=a", nil) // another limit
	_ = now.pass(t.Context(), 200*time.Millisecond)
	c.want(http.StatusOK, "GET", "/vectors/list", nil)
	c.want(http.StatusTooManyRequests, "GET", "/vectors/list", nil)
}

func TestFaults(t *testing.T) {
	now := &still{now: time.Unix(1e9, 0)}
	for _, f := range []struct {
		name   string
		fault  sim.Fault
		status int
		there  int
	}{
		{"fail", sim.Fault{Code: codes.Unavailable}, 503, 1},
		{"fail when it is done", sim.Fault{Code: codes.Unavailable, Done: true}, 503, 2},
		{"throttle", sim.Fault{Code: codes.ResourceExhausted, RetryAfter: time.Second}, 429, 1},
		{"cut", sim.Fault{Cut: true}, 0, 1},
		{"cut when it is done", sim.Fault{Cut: true, Done: true}, 0, 2},
		{"delay", sim.Fault{Delay: time.Hour}, 200, 2},
	} {
		t.Run(f.name, func(t *testing.T) {
			s, c := start(t, sim.Options{Fault: sim.Every(2, f.fault, "upsert"), Clock: now.clock, Sleep: now.pass}, dense)
			c.want(http.StatusOK, "POST", "/vectors/upsert", upsert(vec("a", nil)))
			c.want(f.status, "POST", "/vectors/upsert", upsert(vec("b", nil)))
			if n := len(s.Records(dense.Name, "")); n != f.there {
				t.Errorf("%d records are there", n)
			}
		})
	}
}

// Pages are sorted by bytes, and each goes on where the one before ended, whatever
// is written or deleted meanwhile.
func TestPages(t *testing.T) {
	s, c := start(t, sim.Options{}, dense)
	var vectors []*wire.Vector
	for i := range 250 {
		vectors = append(vectors, &wire.Vector{Id: fmt.Sprintf("%c-%03d", "aB"[i%2], i), Values: []float32{1, 2}})
	}
	if err := s.Fill(dense.Name, "", vectors); err != nil {
		t.Fatal(err)
	}
	var ids []string
	token := ""
	for n := 0; n == 0 || token != ""; n++ {
		page := c.want(http.StatusOK, "GET", "/vectors/list?limit=60&paginationToken="+url.QueryEscape(token), nil)
		for _, v := range page["vectors"].([]any) {
			ids = append(ids, v.(object)["id"].(string))
		}
		token = ""
		if p, ok := page["pagination"].(object); ok {
			token = p["next"].(string)
		}
		c.want(http.StatusOK, "POST", "/vectors/delete", object{"ids": []string{ids[len(ids)-1]}})
		c.want(http.StatusOK, "POST", "/vectors/upsert", upsert(vec(fmt.Sprint("A-", n), nil)))
	}
	if len(ids) != 250 || ids[0] != "B-001" || ids[125] != "a-000" {
		t.Errorf("%d ids are listed, from %s, then %s", len(ids), ids[0], ids[125])
	}
	few := c.want(http.StatusOK, "GET", "/vectors/list?prefix=a-01", nil)["vectors"].([]any)
	if len(few) != 5 || few[0].(object)["id"] != "a-010" {
		t.Errorf("with a prefix: %v", few)
	}
}

func TestSparseIndex(t *testing.T) {
	s, c := start(t, sim.Options{}, sim.Index{Name: "sparse", VectorType: "sparse"})
	sparse := func(i int, v float64) object { return object{"indices": []int{i, 9}, "values": []float64{v, 1}} }
	c.want(http.StatusBadRequest, "POST", "/vectors/upsert", upsert(vec("a", object{"sparseValues": sparse(1, 1)})))
	c.want(http.StatusBadRequest, "POST", "/vectors/upsert", upsert(object{"id": "a", "sparseValues": sparse(9, 1)}))
	c.want(http.StatusOK, "POST", "/vectors/upsert", upsert(object{"id": "a", "sparseValues": sparse(1, 2)}, object{"id": "b", "sparseValues": sparse(2, 3)}))
	hits := c.want(http.StatusOK, "POST", "/query", object{"sparseVector": object{"indices": []int{1}, "values": []float64{4}}, "topK": 10})["matches"].([]any)
	if len(hits) != 1 || hits[0].(object)["id"] != "a" || hits[0].(object)["score"] != 8.0 {
		t.Errorf("only what has something in common is found: %v", hits)
	}
	if err := s.Fill("sparse", "", []*wire.Vector{{Id: "x", Metadata: &structpb.Struct{}}}); err == nil {
		t.Error("a record without values is taken")
	}
}

// Two indexes are apart, each at its own host.
func TestHosts(t *testing.T) {
	s, c := start(t, sim.Options{}, dense)
	c.want(http.StatusOK, "POST", "/vectors/upsert", upsert(vec("a", nil)))
	host := c.base
	c.base = s.URL()
	if n := c.want(http.StatusOK, "POST", "/describe_index_stats", object{})["totalVectorCount"]; n != 1.0 {
		t.Errorf("an index that is alone is at the control plane's address too: %v", n)
	}
	second, err := s.Add(sim.Index{Name: "second", Dimension: 7})
	if err != nil {
		t.Fatal(err)
	}
	c.want(http.StatusNotFound, "POST", "/describe_index_stats", object{})
	c.base = "http://" + second
	if stats := c.want(http.StatusOK, "POST", "/describe_index_stats", object{}); stats["totalVectorCount"] != 0.0 || stats["dimension"] != 7.0 {
		t.Errorf("the second one: %v", stats)
	}
	c.base = s.URL()
	if status, _, _ := c.ask("DELETE", "/indexes/dense", nil); status != http.StatusAccepted {
		t.Errorf("deletion: %d", status)
	}
	c.base = host
	c.want(http.StatusNotFound, "POST", "/describe_index_stats", object{})
}
