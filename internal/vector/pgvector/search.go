package pgvector

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"freehold/internal/vector"
)

// Search asks for nearest neighbours by the index that there is, with settings for
// this search: a filter must not leave less than there is (pgvector looks on, from
// 0.8 on).
func (s *Store) Search(ctx context.Context, q vector.Search) ([]vector.Hit, error) {
	t, err := s.known(ctx)
	if err == nil {
		err = s.only("search", t, q.Namespace)
	}
	if err != nil {
		return nil, err
	}
	sql, a, err := t.searching(&q)
	if err != nil {
		return nil, s.invalid("search", "%v", err)
	}
	v, k := t.vector(q.Query.Name), max(q.K, 1)
	hits := []vector.Hit{}
	err = s.within(ctx, s.options.Timeout, "search", func(ctx context.Context, conn *pgconn.PgConn) error {
		// One batch is one transaction, in which the settings hold.
		var b pgconn.Batch
		for name, value := range t.settings(v, k) {
			b.ExecParams("SELECT set_config($1, $2, true)", [][]byte{[]byte(name), []byte(value)}, nil, nil, nil)
		}
		b.ExecParams(sql, a.values, a.oids, a.formats, []int16{1})
		r := conn.ExecBatch(ctx, &b)
		var wrong error
		for r.NextResult() {
			rows := r.ResultReader()
			for rows.NextRow() {
				if values := rows.Values(); len(values) == 2 && wrong == nil {
					h := vector.Hit{Score: score(v.spec.Metric, math.Float64frombits(binary.BigEndian.Uint64(values[1])))}
					h.ID, wrong = t.idOf(values[0])
					hits = append(hits, h)
				}
			}
		}
		if err := r.Close(); err != nil {
			return err
		}
		return wrong
	})
	return hits, err
}

// searching is the statement of a search.
func (t *table) searching(q *vector.Search) (sql string, a *args, err error) {
	v := t.vector(q.Query.Name)
	if v == nil {
		return "", nil, fmt.Errorf("the table has no vector %q", q.Query.Name)
	}
	if err := v.measured(); err != nil {
		return "", nil, err
	}
	if why := v.refuse(&q.Query); why != "" {
		return "", nil, errors.New(why)
	}
	a = &args{}
	cast := v.typed(t.schema)
	distance := fmt.Sprintf("%s OPERATOR(%s.%s) %s::%s", v.quoted, t.schema, operators[v.spec.Metric].sql, a.binary(v.oid, v.append(nil, &q.Query)), cast)
	by := distance
	if x := v.index(); x != nil && x.expression != "" {
		by = fmt.Sprintf("(%s) OPERATOR(%s.%s) $1::%s", x.expression, t.schema, operators[v.spec.Metric].sql, cast)
		if v.base == "vector" && v.spec.Dim > 0 { // the halves of it
			by += fmt.Sprintf("::%s.halfvec(%d)", t.schema, v.spec.Dim)
		}
	}
	where := t.spaces(q.Namespace, a)
	if q.Filter != nil {
		c, err := t.condition(q.Filter, a)
		if err != nil {
			return "", nil, err
		}
		where += " AND " + c
	}
	return fmt.Sprintf("SELECT %s, (%s)::float8 FROM %s WHERE %s IS NOT NULL AND %s ORDER BY %s LIMIT %d", t.id.quoted, distance, t.sql, v.quoted, where, by, max(q.K, 1)), a, nil
}

// index is that by which searches go; nil: none.
func (v *vectorColumn) index() *vindex {
	for i := range v.indexes {
		if x := &v.indexes[i]; !x.partial && x.metric == v.spec.Metric {
			return x
		}
	}
	return nil
}

// settings are those of a search for k by an index.
func (t *table) settings(v *vectorColumn, k int) map[string]string {
	out := map[string]string{}
	x := v.index()
	if x == nil || x.method != "hnsw" && x.method != "ivfflat" {
		return out
	}
	if x.method == "hnsw" {
		out["hnsw.ef_search"] = strconv.Itoa(min(max(100, 2*k), 1000))
	} else {
		out["ivfflat.probes"] = strconv.Itoa(max(1, int(math.Sqrt(float64(x.lists)))))
	}
	var major, minor int
	if n, _ := fmt.Sscanf(t.version, "%d.%d", &major, &minor); n == 2 && slices.Compare([]int{major, minor}, []int{0, 8}) >= 0 {
		out[x.method+".iterative_scan"] = map[string]string{"hnsw": "strict_order", "ivfflat": "relaxed_order"}[x.method]
	}
	return out
}
