package opensearch

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"freehold/internal/vector"
)

const (
	maxPage   = 10_000 // documents of an answer: index.max_result_window by default
	readIDs   = 500    // documents that are read at once
	readBytes = 4 << 20
	keepAlive = "5m"
)

// hits is the answer to a search.
type hits struct {
	PIT    string `json:"pit_id"`
	Late   bool   `json:"timed_out"`
	Shards shards `json:"_shards"`
	Hits   struct {
		Total struct {
			Value int `json:"value"`
		} `json:"total"`
		Hits []struct {
			ID      string           `json:"_id"`
			Score   *float64         `json:"_score"`
			Routing string           `json:"_routing"`
			Sort    []jsontext.Value `json:"sort"`
			Source  jsontext.Value   `json:"_source"`
		} `json:"hits"`
	} `json:"hits"`
}

func (s *Store) search(ctx context.Context, doing, path string, body any) (*hits, error) {
	out := &hits{}
	if err := s.post(ctx, doing, path+"?allow_partial_search_results=false", body, out); err != nil {
		return nil, err
	}
	return out, s.whole(doing, out.Shards, out.Late)
}

// Units lists ids in the order of _seq_no. Each shard has its own, so that as many
// documents as there are shards may have the same one: a page does not end among those.
// A document that is written again meanwhile goes to the end, and is listed there.
func (s *Store) Units(ctx context.Context, namespace, after string, size int) iter.Seq2[vector.Unit, error] {
	return func(yield func(vector.Unit, error) bool) {
		err := s.one("list", namespace)
		var ix *index
		if err == nil {
			ix, err = s.known(ctx)
		}
		behind := int64(-1)
		if err == nil && after != "" {
			behind, err = s.place(ix, after)
		}
		if err == nil {
			err = s.refresh(ctx)
		}
		if err != nil {
			yield(vector.Unit{}, err)
			return
		}
		l := listing{s: s, ix: ix}
		// Its context may have ended, and the server should not keep it for that.
		defer func() { l.close(context.WithoutCancel(ctx)) }()
		page := min(max(size, ix.shards+1), maxPage)
		for {
			ids, last, err := l.page(ctx, behind, page)
			if err != nil {
				yield(vector.Unit{}, err)
				return
			}
			if len(ids) == 0 {
				return
			}
			behind = last
			if !yield(vector.Unit{IDs: ids, Count: len(ids), Next: ix.uuid + ":" + strconv.FormatInt(last, 10)}, nil) {
				return
			}
		}
	}
}

// place is where a listing of this index goes on.
func (s *Store) place(ix *index, after string) (int64, error) {
	uuid, at, _ := strings.Cut(after, ":")
	n, err := strconv.ParseInt(at, 10, 64)
	switch {
	case err != nil:
		return 0, s.invalid("list", "%q is no place in an index", after)
	case uuid != ix.uuid:
		return 0, s.invalid("list", "the index has been made anew since the listing was begun (it was %s, and is %s): copy again from the beginning, with --again", uuid, ix.uuid)
	}
	return n, nil
}

// listing is of a point in time, so that its pages are of the same copies of the shards.
type listing struct {
	s   *Store
	ix  *index
	pit string
}

var errGone = errors.New("the point in time is over")

// page lists documents behind a _seq_no, and says which the last one's is.
func (l *listing) page(ctx context.Context, behind int64, size int) (ids []string, last int64, err error) {
	for again := range 2 {
		if l.pit == "" {
			if err := l.open(ctx); err != nil {
				return nil, 0, err
			}
		}
		ids, last, err = l.ask(ctx, behind, size)
		if !errors.Is(err, errGone) || again == 1 {
			return ids, last, err
		}
		l.pit = "" // it took longer than that: the place is as good in another one
	}
	return ids, last, err
}

func (l *listing) ask(ctx context.Context, behind int64, size int) (ids []string, last int64, err error) {
	out, err := l.s.search(ctx, "list", "/_search", map[string]any{
		"size": size, "_source": false, "track_total_hits": false, "pit": map[string]string{"id": l.pit, "keep_alive": keepAlive},
		"query": map[string]any{"range": map[string]any{"_seq_no": map[string]int64{"gt": behind}}}, "sort": []map[string]string{{"_seq_no": "asc"}},
	})
	if is(err, vector.Missing) && strings.Contains(err.Error(), "search_context_missing_exception") {
		return nil, 0, errors.Join(errGone, err)
	}
	if err != nil {
		return nil, 0, err
	}
	if out.PIT != "" {
		l.pit = out.PIT
	}
	at := make([]int64, len(out.Hits.Hits))
	for i := range out.Hits.Hits {
		h := &out.Hits.Hits[i]
		if len(h.Sort) == 0 {
			return nil, 0, l.s.invalid("list", "document %q has no place in the order of _seq_no", h.ID)
		}
		if at[i], err = strconv.ParseInt(string(h.Sort[0]), 10, 64); err != nil {
			return nil, 0, l.s.invalid("list", "document %q: _seq_no is %.40q", h.ID, h.Sort[0])
		}
		ids = append(ids, h.ID)
	}
	if len(ids) == size { // others may have the last one's number
		n := len(at)
		for n > 0 && at[n-1] == at[size-1] {
			n--
		}
		if n == 0 {
			return nil, 0, l.s.invalid("list", "%d documents have the same _seq_no, more than there are shards", size)
		}
		ids, at = ids[:n], at[:n]
	}
	if len(at) > 0 {
		last = at[len(at)-1]
	}
	return ids, last, nil
}

func (l *listing) open(ctx context.Context) error {
	path := "/_search/point_in_time"
	if l.ix.elastic {
		path = "/_pit"
	}
	var out struct {
		ID  string `json:"id"`
		PIT string `json:"pit_id"`
	}
	if err := l.s.post(ctx, "open a point in time", l.s.path(path)+"?keep_alive="+keepAlive, nil, &out); err != nil {
		return err
	}
	if l.pit = out.ID + out.PIT; l.pit == "" {
		return l.s.invalid("open a point in time", "the server names none")
	}
	return nil
}

// close lets the server forget the point in time. It does so by itself a little later.
func (l *listing) close(ctx context.Context) {
	if l.pit == "" {
		return
	}
	path, body := "/_search/point_in_time", any(map[string][]string{"pit_id": {l.pit}})
	if l.ix.elastic {
		path, body = "/_pit", map[string]string{"id": l.pit}
	}
	_ = l.s.send(ctx, "close a point in time", http.MethodDelete, path, body, nil)
}

// Read reads a unit by its ids.
func (s *Store) Read(ctx context.Context, u vector.Unit) iter.Seq2[[]vector.Record, error] {
	return func(yield func([]vector.Record, error) bool) {
		if err := s.one("read", u.Namespace); err != nil {
			yield(nil, err)
			return
		}
		for rest := u.IDs; len(rest) > 0; {
			n := min(len(rest), s.batch())
			records, err := s.byID(ctx, "read", rest[:n])
			if err != nil {
				yield(nil, err)
				return
			}
			rest = rest[n:]
			if len(records) > 0 && !yield(records, nil) {
				return
			}
		}
	}
}

// batch is how many documents are read at once: a few while their size is unknown.
func (s *Store) batch() int {
	size := s.size.Load()
	if size == 0 {
		return 50
	}
	return int(max(1, min(readIDs, readBytes/size)))
}

// Fetch reads documents by their ids.
func (s *Store) Fetch(ctx context.Context, namespace string, ids []vector.ID) (out []vector.Record, err error) {
	if err := s.one("fetch", namespace); err != nil {
		return nil, err
	}
	var texts []string
	for _, id := range ids {
		if id.Kind() == vector.TextID && id.String() != "" {
			texts = append(texts, id.String())
		}
	}
	for part := range slices.Chunk(texts, s.batch()) {
		records, err := s.byID(ctx, "fetch", part)
		if err != nil {
			return nil, err
		}
		out = append(out, records...)
	}
	return out, nil
}

// byID searches for documents by their ids, in all shards: to get one, the routing by
// which it was written would have to be known.
func (s *Store) byID(ctx context.Context, doing string, ids []string) ([]vector.Record, error) {
	ix, err := s.known(ctx)
	if err != nil {
		return nil, err
	}
	body := map[string]any{"size": len(ids), "track_total_hits": true, "query": map[string]any{"ids": map[string][]string{"values": ids}}}
	if ix.hides {
		body["_source"] = map[string]bool{"exclude_vectors": false}
	}
	got, err := s.search(ctx, doing, s.path("/_search"), body)
	if err != nil {
		return nil, err
	}
	out := make([]vector.Record, 0, len(got.Hits.Hits))
	seen := make(map[string]bool, len(ids))
	size := 0
	for i := range got.Hits.Hits {
		h := &got.Hits.Hits[i]
		if seen[h.ID] || got.Hits.Total.Value > len(ids) {
			return nil, s.invalid(doing, "several documents have one id, %q or one asked for with it, each in another shard by its routing: ids must be unique", h.ID)
		}
		seen[h.ID] = true
		r, err := ix.record(h.Source)
		if err != nil {
			return nil, s.invalid(doing, "document %q: %v", h.ID, err)
		}
		if r.ID = vector.IDOf(h.ID); h.Routing != "" {
			r.Payload = r.Payload.With("_routing", vector.TextOf(h.Routing))
		}
		size += len(h.Source)
		out = append(out, r)
	}
	if len(out) > 0 {
		s.size.Store(int64(size/len(out) + 1))
	}
	return out, nil
}
