package sim

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"freehold/internal/vector/pinecone/plane"
)

// Index is an index as its creator describes it.
type Index struct {
	Name       string
	Dimension  int    // of dense ones
	Metric     string // cosine, dotproduct, euclidean; empty: cosine, or dotproduct of sparse ones
	VectorType string // dense, sparse; empty: dense
	Pod        bool   // based on pods, which cannot list
	Protected  bool   // from deletion
	Tags       map[string]string

	spec map[string]any // as it was asked for
}

func (i *Index) complete() error {
	if !indexName.MatchString(i.Name) || len(i.Name) > 45 {
		return fmt.Errorf("index name %q: it has 1 to 45 lower case letters, digits and hyphens, and neither begins nor ends with a hyphen", i.Name)
	}
	if i.VectorType == "" {
		i.VectorType = "dense"
	}
	if i.Metric == "" {
		i.Metric = map[string]string{"dense": "cosine", "sparse": "dotproduct"}[i.VectorType]
	}
	switch {
	case !slices.Contains([]string{"cosine", "dotproduct", "euclidean"}, i.Metric):
		return fmt.Errorf("metric %q is none of cosine, dotproduct, euclidean", i.Metric)
	case i.VectorType == "dense" && (i.Dimension < 1 || i.Dimension > 20000):
		return fmt.Errorf("dimension %d: a dense index has 1 to 20000", i.Dimension)
	case i.VectorType == "sparse" && i.Dimension != 0:
		return fmt.Errorf("a sparse index has no dimension")
	case i.VectorType == "sparse" && i.Metric != "dotproduct":
		return fmt.Errorf("a sparse index has the metric dotproduct")
	case i.VectorType != "dense" && i.VectorType != "sparse":
		return fmt.Errorf("vector_type %q is neither dense nor sparse", i.VectorType)
	}
	if i.spec == nil {
		i.spec = map[string]any{"serverless": map[string]any{"cloud": "aws", "region": "us-east-1"}}
		if i.Pod {
			i.spec = map[string]any{"pod": map[string]any{"environment": "us-east1-gcp", "pod_type": "p1.x1", "pods": 1, "replicas": 1, "shards": 1}}
		}
	}
	return nil
}

var indexName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// Add makes an index, and returns its host.
func (s *Server) Add(i Index) (host string, err error) {
	ix, err := s.add(i)
	if err != nil {
		return "", err
	}
	return ix.host, nil
}

func (s *Server) add(i Index) (*index, error) {
	if err := i.complete(); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, status.Error(codes.Unavailable, "the simulator is closed")
	}
	if s.indexes[i.Name] != nil {
		return nil, status.Errorf(codes.AlreadyExists, "index %s is there already", i.Name)
	}
	l, err := s.listen()
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	ix := newIndex(i, l.Addr().String(), s.o)
	s.indexes[i.Name], s.hosts[ix.host] = ix, ix
	return ix, nil
}

func (s *Server) find(name string) (*index, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ix := s.indexes[name]; ix != nil {
		return ix, nil
	}
	return nil, status.Errorf(codes.NotFound, "Resource %s not found", name)
}

// createRequest is of both contracts: a spec, or a schema and a deployment.
type createRequest struct {
	Name               string            `json:"name"`
	Dimension          int               `json:"dimension"`
	Metric             string            `json:"metric"`
	VectorType         string            `json:"vector_type"`
	DeletionProtection string            `json:"deletion_protection"`
	Tags               map[string]string `json:"tags"`
	Spec               map[string]any    `json:"spec"`

	Schema struct {
		Fields map[string]struct {
			Type      string `json:"type"`
			Dimension int    `json:"dimension"`
			Metric    string `json:"metric"`
		} `json:"fields"`
	} `json:"schema"`
	Deployment   map[string]any `json:"deployment"`
	ReadCapacity any            `json:"read_capacity"`
}

func (c *createRequest) index(version string) (Index, error) {
	i := Index{Name: c.Name, Dimension: c.Dimension, Metric: c.Metric, VectorType: c.VectorType, Protected: c.DeletionProtection == "enabled", Tags: c.Tags, spec: c.Spec}
	if version >= plane.Newer {
		i.spec = specOf(c.Deployment)
		dense, sparse := c.Schema.Fields["_values"], c.Schema.Fields["_sparse_values"]
		if n := len(c.Schema.Fields); n == 0 || n > 2 || dense.Type != "dense_vector" && sparse.Type != "sparse_vector" {
			return i, fmt.Errorf("schema: the simulator knows the fields _values and _sparse_values only")
		}
		i.Dimension, i.Metric, i.VectorType = dense.Dimension, dense.Metric, "dense"
		if dense.Type == "" {
			i.Metric, i.VectorType = "dotproduct", "sparse"
		}
	}
	if len(i.spec) != 1 {
		return i, fmt.Errorf("spec: one of serverless, pod and byoc is required")
	}
	for kind, spec := range i.spec {
		m, ok := spec.(map[string]any)
		need := map[string][]string{"serverless": {"cloud", "region"}, "pod": {"environment", "pod_type"}, "byoc": {"environment"}}[kind]
		if !ok || need == nil {
			return i, fmt.Errorf("spec.%s is not known", kind)
		}
		for _, name := range need {
			if text, ok := m[name].(string); !ok || text == "" {
				return i, fmt.Errorf("spec.%s.%s is required", kind, name)
			}
		}
		i.Pod = kind == "pod"
	}
	return i, nil
}

func specOf(deployment map[string]any) map[string]any {
	inner := map[string]any{}
	for k, v := range deployment {
		if k != "deployment_type" {
			inner[k] = v
		}
	}
	switch deployment["deployment_type"] {
	case "managed":
		return map[string]any{"serverless": inner}
	case "pod":
		return map[string]any{"pod": inner}
	case "byoc":
		return map[string]any{"byoc": inner}
	case nil:
		return map[string]any{"serverless": map[string]any{"cloud": "aws", "region": "us-east-1"}}
	}
	return nil
}

// describe is the index in the words of a contract. The host has a scheme here,
// which Pinecone's has not: clients would use TLS.
func (ix *index) describe(version string, now time.Time) map[string]any {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	d := plane.Description{
		Contract: ix.contract(), Name: ix.name, Host: "http://" + ix.host, Ready: !now.Before(ix.ready), Protected: ix.Protected, Tags: ix.Tags, Spec: ix.spec,
	}
	return d.In(version)
}

func versionOf(r *http.Request) string {
	v, _ := r.Context().Value(versionKey).(string)
	return v
}

// readJSON reads a body; false: it has answered why it could not.
func readJSON(w http.ResponseWriter, r *http.Request, into any) bool {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4<<20))
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		plane.Refuse(w, r, true, status.Newf(codes.InvalidArgument, "the body cannot be read: %v", err), 0)
	}
	return err == nil
}

func (s *Server) listIndexes(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	all := make([]*index, 0, len(s.indexes))
	for _, ix := range s.indexes {
		all = append(all, ix)
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b *index) int { return compare(a.name, b.name) })
	list := make([]any, len(all))
	for i, ix := range all {
		list[i] = ix.describe(versionOf(r), s.o.Clock())
	}
	plane.Write(w, http.StatusOK, map[string]any{"indexes": list})
}

func (s *Server) createIndex(w http.ResponseWriter, r *http.Request) {
	var c createRequest
	if !readJSON(w, r, &c) {
		return
	}
	i, err := c.index(versionOf(r))
	if err != nil {
		plane.Refuse(w, r, true, status.New(codes.InvalidArgument, err.Error()), 0)
		return
	}
	ix, err := s.add(i)
	if err != nil {
		plane.Refuse(w, r, true, status.Convert(err), 0)
		return
	}
	plane.Write(w, http.StatusCreated, ix.describe(versionOf(r), s.o.Clock()))
}

func (s *Server) describeIndex(w http.ResponseWriter, r *http.Request) {
	ix, err := s.find(r.PathValue("name"))
	if err != nil {
		plane.Refuse(w, r, true, status.Convert(err), 0)
		return
	}
	plane.Write(w, http.StatusOK, ix.describe(versionOf(r), s.o.Clock()))
}

func (s *Server) deleteIndex(w http.ResponseWriter, r *http.Request) {
	ix, err := s.find(r.PathValue("name"))
	if err != nil {
		plane.Refuse(w, r, true, status.Convert(err), 0)
		return
	}
	ix.mu.RLock()
	protected := ix.Protected
	ix.mu.RUnlock()
	if protected {
		plane.Refuse(w, r, true, status.New(codes.PermissionDenied, "deletion protection is enabled for this index: disable it first"), 0)
		return
	}
	s.mu.Lock()
	delete(s.indexes, ix.name)
	s.mu.Unlock()
	w.WriteHeader(http.StatusAccepted)
}

func (s *Server) configureIndex(w http.ResponseWriter, r *http.Request) {
	ix, err := s.find(r.PathValue("name"))
	if err != nil {
		plane.Refuse(w, r, true, status.Convert(err), 0)
		return
	}
	var c createRequest
	if !readJSON(w, r, &c) {
		return
	}
	ix.mu.Lock()
	if c.DeletionProtection != "" {
		ix.Protected = c.DeletionProtection == "enabled"
	}
	for k, v := range c.Tags {
		if ix.Tags == nil {
			ix.Tags = map[string]string{}
		}
		if ix.Tags[k] = v; v == "" {
			delete(ix.Tags, k)
		}
	}
	ix.mu.Unlock()
	plane.Write(w, http.StatusOK, ix.describe(versionOf(r), s.o.Clock()))
}
