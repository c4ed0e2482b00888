package archive

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/parquet-go/parquet-go"

	"freehold/internal/vector"
)

const (
	// groupBytes is about what a row group has, which is kept in memory until it is
	// written.
	groupBytes = 16 << 20
	pageSize   = 128 << 10
)

// written is a column of vectors that is written: its leaves, which follow each other.
type written struct {
	spec *vector.Spec
	leaf int
}

// writeTable writes records, sorted by namespace, as a Parquet file.
func writeTable(w io.Writer, d *vector.Description, lines iter.Seq2[[]byte, error]) error {
	head, err := json.Marshal(header{Archive: version, Vectors: d.Vectors, Fields: d.Fields, Namespaces: d.Namespaces})
	if err != nil {
		return err
	}
	text := parquet.Compressed(parquet.String(), &parquet.Snappy)
	few := parquet.Encoded(text, &parquet.RLEDictionary)
	group := parquet.Group{columnID: text, columnKind: few, columnNamespace: few, columnPayload: parquet.Compressed(parquet.JSON(), &parquet.Snappy)}
	for i := range d.Vectors {
		group[vectorColumn(d.Vectors[i].Name)] = nodeOf(d.Vectors[i].Form)
	}
	schema := parquet.NewSchema("record", group)
	out := parquet.NewWriter(w, schema, parquet.PageBufferSize(pageSize), parquet.KeyValueMetadata(headerKey, string(head)), parquet.CreatedBy("freehold", "", ""))
	columns := make([]written, len(d.Vectors))
	for i := range d.Vectors {
		spec := &d.Vectors[i]
		columns[i] = written{spec, firstLeaf(schema, vectorColumn(spec.Name))}
	}
	slices.SortFunc(columns, func(a, b written) int { return cmp.Compare(a.leaf, b.leaf) })
	var row parquet.Row
	size := 0
	for line, err := range lines {
		if err != nil {
			return err
		}
		r, err := vector.ReadRecord(jsontext.NewDecoder(bytes.NewReader(line)))
		if err != nil {
			return err
		}
		if row, err = rowOf(row[:0], columns, &r); err != nil {
			return fmt.Errorf("record %s: %w", r.ID, err)
		}
		if _, err := out.WriteRows([]parquet.Row{row}); err != nil {
			return err
		}
		if size += r.Size(); size >= groupBytes {
			if err := out.Flush(); err != nil {
				return err
			}
			size = 0
		}
	}
	return out.Close()
}

// nodeOf is the column of a vector. Numbers of vectors do not get smaller.
func nodeOf(f vector.Form) parquet.Node {
	float := parquet.Leaf(parquet.FloatType)
	switch f {
	case vector.Sparse:
		return parquet.Optional(parquet.Group{"indices": parquet.List(parquet.Uint(32)), "values": parquet.List(float)})
	case vector.Multi:
		return parquet.Optional(parquet.List(parquet.List(float)))
	case vector.Binary:
		return parquet.Optional(parquet.Leaf(parquet.ByteArrayType))
	}
	return parquet.Optional(parquet.List(float))
}

// firstLeaf is the number of a column's first leaf.
func firstLeaf(s *parquet.Schema, name string) int {
	return slices.IndexFunc(s.Columns(), func(path []string) bool { return path[0] == name })
}

// The columns that each record has come first, as names are sorted.
const (
	leafID = iota
	leafKind
	leafNamespace
	leafPayload
)

// rowOf appends the values of a record. Levels say where a list begins (0), goes on (1,
// of a list within a list 2), and whether it is there at all.
func rowOf(row parquet.Row, columns []written, r *vector.Record) (parquet.Row, error) {
	payload, err := r.Payload.AppendJSON(nil)
	if err != nil {
		return row, err
	}
	text := func(leaf int, s string) { row = append(row, parquet.ByteArrayValue([]byte(s)).Level(0, 0, leaf)) }
	text(leafID, r.ID.String())
	text(leafKind, r.ID.Kind().String())
	text(leafNamespace, r.Namespace)
	row = append(row, parquet.ByteArrayValue(payload).Level(0, 0, leafPayload))
	for _, c := range columns {
		v := r.Vector(c.spec.Name)
		if v == nil {
			row = append(row, parquet.Value{}.Level(0, 0, c.leaf))
			if c.spec.Form == vector.Sparse {
				row = append(row, parquet.Value{}.Level(0, 0, c.leaf+1))
			}
			continue
		}
		switch c.spec.Form {
		case vector.Sparse:
			row = list(row, c.leaf, len(v.Indices), func(i int) parquet.Value { return parquet.Int32Value(int32(v.Indices[i])) })
			row = list(row, c.leaf+1, len(v.Values), func(i int) parquet.Value { return parquet.FloatValue(v.Values[i]) })
		case vector.Multi:
			n := len(v.Dense) / max(1, v.Rows)
			for i, x := range v.Dense {
				again := 2
				switch {
				case i == 0:
					again = 0
				case i%n == 0:
					again = 1
				}
				row = append(row, parquet.FloatValue(x).Level(again, 3, c.leaf))
			}
			if len(v.Dense) == 0 {
				row = append(row, parquet.Value{}.Level(0, 1, c.leaf))
			}
		case vector.Binary:
			row = append(row, parquet.ByteArrayValue(v.Bits).Level(0, 1, c.leaf))
		default:
			row = list(row, c.leaf, len(v.Dense), func(i int) parquet.Value { return parquet.FloatValue(v.Dense[i]) })
		}
	}
	return row, nil
}

// list appends a list that is there.
func list(row parquet.Row, leaf, n int, at func(i int) parquet.Value) parquet.Row {
	if n == 0 {
		return append(row, parquet.Value{}.Level(0, 1, leaf))
	}
	for i := range n {
		row = append(row, at(i).Level(min(i, 1), 2, leaf))
	}
	return row
}
