package pgvector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"freehold/internal/vector"
)

// Create makes the table: namespace, id, a column of each vector, and the payload as
// jsonb. One that is there stays; its vectors are compared.
func (s *Store) Create(ctx context.Context, d *vector.Description) error {
	t, err := s.look(ctx)
	var is *vector.Error
	if errors.As(err, &is) && (is.Trouble == vector.Missing || is.Message == noExtension) {
		if err := s.create(ctx, d); err != nil {
			return err
		}
		t, err = s.look(ctx)
	}
	if err != nil {
		return err
	}
	have, err := t.describe(s.options.Table)
	if err == nil {
		err = s.dimensions(ctx, t, have)
	}
	if err != nil {
		return s.invalid("create", "the table is there, and %v", err)
	}
	if t.readOnly != "" {
		return s.invalid("create", "the table is there, and %s", t.readOnly)
	}
	want := *d
	want.Vectors = slices.Clone(d.Vectors)
	for i := range want.Vectors {
		if v := have.Vector(want.Vectors[i].Name); v != nil && v.Dim == 0 { // it takes any
			want.Vectors[i].Dim = 0
		}
	}
	if why := have.Holds(&want); why != "" {
		return s.invalid("create", "the table is there, and %s", why)
	}
	return nil
}

const noExtension = "the database has no extension vector, and so no vectors"

// create makes a table that there is not.
func (s *Store) create(ctx context.Context, d *vector.Description) error {
	if len(d.Vectors) == 0 {
		return s.invalid("create", "no vectors are to be in it")
	}
	return s.within(ctx, s.options.Timeout, "create", func(ctx context.Context, conn *pgconn.PgConn) error {
		if _, err := conn.Exec(ctx, "CREATE EXTENSION IF NOT EXISTS vector").ReadAll(); err != nil {
			return fmt.Errorf("the extension vector: %w", err)
		}
		var extension string
		err := run(ctx, conn, "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'", &args{}, func(v [][]byte) error {
			extension = quote(string(v[0]))
			return nil
		})
		if err != nil {
			return err
		}
		sql, err := s.creation(d, extension, conn.EscapeString)
		if err != nil {
			return s.invalid("create", "%v", err)
		}
		_, err = conn.Exec(ctx, sql).ReadAll()
		return err
	})
}

// creation are the statements that make the table, in one transaction.
func (s *Store) creation(d *vector.Description, extension string, escape func(string) (string, error)) (string, error) {
	table := s.regclass()
	id := `text COLLATE "C"`
	if len(d.IDs) == 1 {
		id = map[vector.IDKind]string{vector.TextID: id, vector.IntegerID: "bigint", vector.UUIDID: "uuid"}[d.IDs[0]]
	}
	columns := []string{`"namespace" text COLLATE "C" NOT NULL DEFAULT ''`, `"id" ` + id + ` NOT NULL`}
	comments := map[string]string{"namespace": markStart + "namespace", "payload": markPayload}
	if !s.options.Typed && slices.ContainsFunc(d.Fields, func(f vector.FieldSpec) bool { return f.Indexed }) {
		comments["payload"] = markPayloadIndexed
	}
	taken := map[string]bool{"namespace": true, "id": true, "payload": true}
	for i := range d.Vectors {
		v, err := made(&d.Vectors[i], d.Facts[FactIndex+d.Vectors[i].Name])
		if err != nil {
			return "", err
		}
		v.name = columnName(v.spec.Name, taken)
		columns = append(columns, quote(v.name)+" "+v.typed(extension))
		text, err := json.Marshal(v.made)
		if err != nil {
			return "", err
		}
		comments[v.name] = markStart + string(text)
	}
	var indexed []string
	if s.options.Typed {
		fields, by, err := fieldColumns(d, taken)
		if err != nil {
			return "", err
		}
		columns, indexed = append(columns, fields...), by
	}
	columns = append(columns, `"payload" jsonb NOT NULL DEFAULT '{}'`, `PRIMARY KEY ("namespace", "id")`)
	var out strings.Builder
	fmt.Fprintf(&out, "CREATE TABLE %s (%s)", table, strings.Join(columns, ", "))
	for _, name := range indexed {
		fmt.Fprintf(&out, "; CREATE INDEX ON %s (%s)", table, name)
	}
	for name, comment := range comments {
		text, err := escape(comment)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&out, "; COMMENT ON COLUMN %s.%s IS '%s'", table, quote(name), text)
	}
	return out.String(), nil
}

// made is the column of a vector in a table that is made here.
func made(spec *vector.Spec, index string) (*vectorColumn, error) {
	v := &vectorColumn{spec: *spec, made: &mark{Vector: spec.Name, Metric: spec.Metric}}
	switch spec.Form {
	case vector.Dense:
		if v.base = "vector"; spec.Element == "float16" {
			v.base = "halfvec"
		}
		if spec.Dim < 1 || spec.Dim > maxDim {
			return nil, fmt.Errorf("vector %q has %d numbers, and pgvector has 1 to %d", spec.Name, spec.Dim, maxDim)
		}
	case vector.Sparse:
		v.base = "sparsevec"
	case vector.Binary:
		v.base = "bit"
	default:
		return nil, fmt.Errorf("vector %q: pgvector has no %s vectors", spec.Name, spec.Form)
	}
	op, ok := operators[spec.Metric]
	if bits := op.class == "hamming" || op.class == "jaccard"; !ok || bits != (v.base == "bit") {
		return nil, fmt.Errorf("vector %q: %s is no distance of pgvector's for %s vectors", spec.Name, spec.Metric, spec.Form)
	}
	method, _, _ := strings.Cut(index, " ")
	switch method {
	case "hnsw", "ivfflat":
	case "none":
		index = ""
	default: // none is asked for, or it is a description of another store's
		index = "hnsw"
	}
	if v.indexed("") == "" {
		index = ""
	}
	v.made.Index = index
	return v, nil
}

// indexed is what an index of the column is of, "" where there can be none.
func (v *vectorColumn) indexed(extension string) string {
	op := operators[v.spec.Metric].class
	switch dim := v.spec.Dim; {
	case v.base == "vector" && dim <= maxIndexed, v.base == "halfvec" && dim <= maxHalfIndexed, v.base == "bit" && dim <= maxBitIndexed:
		return fmt.Sprintf("%s %s.%s", v.quoted, extension, quote(v.base+"_"+op+"_ops"))
	case v.base == "vector" && dim <= maxHalfIndexed:
		// The halves are near enough to find neighbours by.
		return fmt.Sprintf("(%s::%s.halfvec(%d)) %s.%s", v.quoted, extension, dim, extension, quote("halfvec_"+op+"_ops"))
	case v.base == "sparsevec":
		return fmt.Sprintf("%s %s.%s", v.quoted, extension, quote("sparsevec_"+op+"_ops"))
	}
	return ""
}

// Finish makes the indexes of a table that was made here: at the end, when that is
// faster and they are better than if they had grown.
func (s *Store) Finish(ctx context.Context) error {
	t, err := s.look(ctx)
	if err != nil {
		return err
	}
	for i := range t.vectors {
		if v := &t.vectors[i]; v.made != nil && v.made.Index != "" && len(v.indexes) == 0 {
			if err := s.index(ctx, t, v); err != nil {
				return err
			}
		}
	}
	if t.payload != nil && t.payload.comment == markPayloadIndexed && !t.gin {
		if err := s.run(ctx, "index", t, fmt.Sprintf("CREATE INDEX ON %s USING gin (%s jsonb_path_ops)", t.sql, t.payload.quoted), func(now *table) bool { return now.gin }); err != nil {
			return err
		}
	}
	if t.payload != nil && t.payload.comment != "" {
		err = s.within(ctx, 0, "analyze", func(ctx context.Context, conn *pgconn.PgConn) error {
			_, err := conn.Exec(ctx, "ANALYZE "+t.sql).ReadAll()
			return err
		})
	}
	if err == nil {
		_, err = s.look(ctx)
	}
	return err
}

// index makes the index of a vector.
func (s *Store) index(ctx context.Context, t *table, v *vectorColumn) error {
	method, options, _ := strings.Cut(v.made.Index, " ")
	if method != "hnsw" && method != "ivfflat" {
		return s.invalid("index", "the comment of column %q asks for an index %q: hnsw, ivfflat and none are known", v.name, method)
	}
	var with []string
	for _, option := range strings.Fields(options) {
		name, value, _ := strings.Cut(option, "=")
		if !slices.Contains([]string{"m", "ef_construction", "lists"}, name) || strings.Trim(value, "0123456789") != "" || value == "" {
			return s.invalid("index", "the comment of column %q asks for an index with %q: m=N and ef_construction=N of hnsw, and lists=N of ivfflat are known", v.name, option)
		}
		with = append(with, name+" = "+value)
	}
	sql := fmt.Sprintf("CREATE INDEX ON %s USING %s (%s)", t.sql, method, v.indexed(t.schema))
	if len(with) > 0 {
		sql += " WITH (" + strings.Join(with, ", ") + ")"
	}
	err := s.run(ctx, "index", t, sql, func(now *table) bool {
		made := now.vector(v.spec.Name)
		return made == nil || len(made.indexes) > 0
	})
	var is *sqlError
	if v.base == "sparsevec" && errors.As(err, &is) && is.Code == "54000" {
		return nil // an index has no sparse vectors of more than 1,000 numbers: they are searched without
	}
	return err
}

// run makes an index, unless it is there when it is its turn: of a run before this one
// that was killed, the server may know that only when it is done.
func (s *Store) run(ctx context.Context, doing string, t *table, sql string, there func(now *table) bool) error {
	return s.within(ctx, 0, doing, func(ctx context.Context, conn *pgconn.PgConn) (err error) {
		if _, err = conn.Exec(ctx, fmt.Sprintf("BEGIN; SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock(%d)", lockOf(t))).ReadAll(); err != nil {
			return err
		}
		defer func() {
			end := "COMMIT"
			if err != nil {
				end = "ROLLBACK"
			}
			_, failed := conn.Exec(context.WithoutCancel(ctx), end).ReadAll()
			if err == nil {
				err = failed
			}
		}()
		now, err := s.read(ctx, conn)
		if err != nil || there(now) {
			return err
		}
		_, err = conn.Exec(ctx, sql).ReadAll()
		return err
	})
}

// lockOf is a number of freehold's for a table.
func lockOf(t *table) int64 { return 0x66726565<<32 | int64(t.oid) }
