package milvus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"freehold/internal/vector"
	"freehold/internal/vector/milvus/wire"
)

// Keys of units are primary keys: a number in digits, a text behind an equals sign,
// so that an empty text is not the beginning.

func keyOf(id vector.ID) string {
	if id.Kind() == vector.IntegerID {
		return strconv.FormatInt(int64(id.Integer()), 10)
	}
	return "=" + id.String()
}

func idOf(key string) (vector.ID, error) {
	if text, ok := strings.CutPrefix(key, "="); ok {
		return vector.IDOf(text), nil
	}
	n, err := strconv.ParseInt(key, 10, 64)
	return vector.IntegerIDOf(uint64(n)), err
}

// literal is an id as expressions have it.
func (p *space) literal(id vector.ID) (string, error) {
	if id.Kind() != p.ids() {
		return "", fmt.Errorf("the collection's ids are of kind %s", p.ids())
	}
	if id.Kind() == vector.IntegerID {
		return p.integer(int64(id.Integer())), nil
	}
	return p.quote(id.String())
}

// between is the expression of the keys above after up to upto; empty ones bound
// nothing.
func (p *space) between(after, upto string) (string, error) {
	of := []string{}
	if p.only != "" {
		of = append(of, p.only)
	}
	for _, bound := range [][2]string{{" > ", after}, {" <= ", upto}} {
		if bound[1] == "" {
			continue
		}
		id, err := idOf(bound[1])
		if err != nil {
			return "", err
		}
		x, err := p.literal(id)
		if err != nil {
			return "", err
		}
		of = append(of, p.key.name+bound[0]+x)
	}
	return strings.Join(of, " and "), nil
}

// query asks for records, with a limit in the order of their keys, as they were at a
// time that [Store.now] gave or later; 0: with all that was acknowledged.
func (s *Store) query(ctx context.Context, p *space, expr string, fields []string, limit int, at uint64) (*wire.QueryResponse, error) {
	r := &wire.QueryRequest{Database: s.options.Database, Collection: p.name, Expr: expr, Fields: fields, Partitions: p.names(), Guarantee: at, Consistency: consistency(at)}
	if limit > 0 {
		r.Params = []*wire.Pair{
			{Key: "limit", Value: strconv.Itoa(limit)},
			// In the order of keys, as iterators of Milvus' own client ask for them. Such a
			// page may be short though there are more: only an empty one is the last.
			{Key: "iterator", Value: "True"},
		}
	}
	var answer wire.QueryResponse
	return &answer, s.ask(ctx, p, wire.Query, r, &answer)
}

// ask asks about a loaded collection. A milvus-lite that was started again meanwhile
// has to load it once more.
func (s *Store) ask(ctx context.Context, p *space, method string, request any, answer interface {
	wire.Answer
	proto.Message
}) error {
	err := s.call(ctx, method, request, answer)
	if !p.lite || answer.GetStatus().GetCode() != notLoaded {
		return err
	}
	if err := s.load(ctx, p.name); err != nil {
		return err
	}
	proto.Reset(answer)
	return s.call(ctx, method, request, answer)
}

// Units lists keys, and nothing but them, page by page. Pages follow keys, never an
// offset, so that what is written or deleted meanwhile moves no other record.
func (s *Store) Units(ctx context.Context, namespace, after string, size int) iter.Seq2[vector.Unit, error] {
	return func(yield func(vector.Unit, error) bool) {
		p, err := s.space(ctx, "list", namespace)
		if err != nil {
			yield(vector.Unit{}, err)
			return
		}
		if !p.there {
			return
		}
		for {
			ids, err := s.keys(ctx, p, after)
			if err != nil {
				yield(vector.Unit{}, err)
				return
			}
			if len(ids) == 0 {
				return
			}
			for part := range slices.Chunk(ids, max(size, 1)) {
				last := keyOf(part[len(part)-1])
				if !yield(vector.Unit{Namespace: namespace, After: after, Upto: last, Next: last, Count: len(part)}, nil) {
					return
				}
				after = last
			}
		}
	}
}

// keys is a page of keys: a large one, since each waits (see now).
func (s *Store) keys(ctx context.Context, p *space, after string) ([]vector.ID, error) {
	expr, err := p.between(after, "")
	if err != nil {
		return nil, s.invalid("list", "from behind %q: %v", after, err)
	}
	answer, err := s.query(ctx, p, expr, []string{p.key.name}, maxPage, 0)
	if err != nil {
		return nil, err
	}
	records, err := p.records(answer.GetFields())
	if err != nil {
		return nil, s.wrong("query", err)
	}
	ids := make([]vector.ID, len(records))
	for i := range records {
		ids[i] = records[i].ID
	}
	return ids, s.rising(ids, after)
}

// rising holds the server to the order that paging relies on.
func (s *Store) rising(ids []vector.ID, after string) error {
	before, err := idOf(after)
	for i := range ids {
		if (i > 0 || err == nil) && compare(before, ids[i]) >= 0 {
			return &vector.Error{Store: s.at, Doing: "query", Trouble: vector.Invalid, Message: "the answer is not in the order of keys, without which records would be missed"}
		}
		before = ids[i]
	}
	return nil
}

// compare orders ids as Milvus does: numbers with their sign, texts by their bytes.
func compare(a, b vector.ID) int {
	if a.Kind() == vector.IntegerID {
		return cmp.Compare(int64(a.Integer()), int64(b.Integer()))
	}
	return cmp.Compare(a.String(), b.String())
}

func (s *Store) wrong(doing string, err error) error {
	return &vector.Error{Store: s.at, Doing: doing, Trouble: vector.Invalid, Message: "the answer is not what Milvus' protocol says", Cause: err}
}

// fields are those that are read of a record.
func (p *space) fields() []string {
	out := []string{p.key.name}
	for i := range p.vectors {
		out = append(out, p.vectors[i].field)
	}
	for i := range p.columns {
		out = append(out, p.columns[i].name)
	}
	if p.dynamic {
		out = append(out, meta)
	}
	return out
}

// Read reads a unit in pages of about pageBytes, each as it is then.
func (s *Store) Read(ctx context.Context, u vector.Unit) iter.Seq2[[]vector.Record, error] {
	return func(yield func([]vector.Record, error) bool) {
		p, err := s.space(ctx, "query", u.Namespace)
		if err != nil {
			yield(nil, err)
			return
		}
		if u.Upto == "" {
			yield(nil, s.invalid("query", "a unit without an end"))
			return
		}
		for after := u.After; p.there; {
			records, err := s.readPage(ctx, p, after, u.Upto)
			if err != nil {
				yield(nil, err)
				return
			}
			if len(records) == 0 || !yield(records, nil) {
				return
			}
			if after = keyOf(records[len(records)-1].ID); after == u.Upto {
				return
			}
		}
	}
}

// readPage reads records with keys above after up to upto. It asks for less where an
// answer is too large.
func (s *Store) readPage(ctx context.Context, p *space, after, upto string) ([]vector.Record, error) {
	expr, err := p.between(after, upto)
	if err != nil {
		return nil, s.invalid("query", "a unit from behind %q up to %q: %v", after, upto, err)
	}
	for limit := s.pageSize(); ; limit /= 2 {
		answer, err := s.query(ctx, p, expr, p.fields(), limit, 0)
		if errors.Is(err, errTooLarge) && limit > 1 {
			continue
		}
		if err != nil {
			return nil, err
		}
		records, err := p.records(answer.GetFields())
		if err != nil {
			return nil, s.wrong("query", err)
		}
		s.measure(len(records), proto.Size(answer))
		ids := make([]vector.ID, len(records))
		for i := range records {
			ids[i] = records[i].ID
		}
		return records, s.rising(ids, after)
	}
}

func (s *Store) pageSize() int { return int(s.page.Load()) }

func (s *Store) measure(records, bytes int) {
	if records > 0 {
		s.page.Store(int64(min(max(pageBytes*records/max(bytes, 1), 1), maxPage)))
	}
}

// Fetch queries records by their keys. What it sees is not older than what this store
// has counted or written.
func (s *Store) Fetch(ctx context.Context, namespace string, ids []vector.ID) ([]vector.Record, error) {
	p, err := s.space(ctx, "query", namespace)
	if err != nil || !p.there {
		return nil, err
	}
	at, err := s.since(ctx)
	if err != nil {
		return nil, err
	}
	var out []vector.Record
	for limit := s.pageSize(); len(ids) > 0; {
		n := min(limit, len(ids))
		expr, any, err := p.among(ids[:n])
		if err != nil {
			return nil, s.invalid("query", "%v", err)
		}
		if !any {
			ids = ids[n:]
			continue
		}
		answer, err := s.query(ctx, p, expr, p.fields(), 0, at)
		if errors.Is(err, errTooLarge) && n > 1 {
			limit = n / 2
			continue
		}
		if err != nil {
			return nil, err
		}
		records, err := p.records(answer.GetFields())
		if err != nil {
			return nil, s.wrong("query", err)
		}
		s.measure(len(records), proto.Size(answer))
		limit = s.pageSize()
		out, ids = append(out, records...), ids[n:]
	}
	return out, nil
}

// among is the expression of records with these ids. There are none with ids of
// another kind; any is false if all are.
func (p *space) among(ids []vector.ID) (expr string, any bool, err error) {
	var b strings.Builder
	b.WriteString(p.key.name + " in [")
	for _, id := range ids {
		if id.Kind() != p.ids() {
			continue
		}
		x, err := p.literal(id)
		if err != nil {
			return "", false, err
		}
		if any {
			b.WriteString(", ")
		}
		any = true
		b.WriteString(x)
	}
	b.WriteByte(']')
	if p.only != "" {
		b.WriteString(" and " + p.only)
	}
	return b.String(), any, nil
}

// Count has the server count: what it says in its statistics counts what was
// replaced or deleted, too.
func (s *Store) Count(ctx context.Context, namespace string) (int64, error) {
	p, err := s.space(ctx, "count", namespace)
	if err != nil || !p.there {
		return 0, err
	}
	return s.count(ctx, p)
}

func (s *Store) count(ctx context.Context, p *space) (int64, error) {
	expr := p.only
	if p.lite && expr == "" { // without one it counts all partitions
		expr = p.key.name + ` >= ""`
		if p.ids() == vector.IntegerID {
			expr = p.key.name + " >= " + p.integer(math.MinInt64)
		}
	}
	at, err := s.now(ctx)
	if err != nil {
		return 0, err
	}
	answer, err := s.query(ctx, p, expr, []string{"count(*)"}, 0, at)
	if err != nil {
		return 0, err
	}
	for _, f := range answer.GetFields() {
		if n := f.GetScalars().GetLongs().GetData(); len(n) == 1 {
			return n[0], nil
		}
	}
	return 0, s.wrong("count", errors.New("there is no number in it"))
}
