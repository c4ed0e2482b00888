package archive

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"freehold/internal/vector"
)

// A Parquet file is written here, and not by the library that reads it, since that takes
// a value of 24 bytes for each number of a vector: most of what a copy had to do.

const (
	// groupBytes is about what a row group has, which is kept in memory until it is
	// written.
	groupBytes = 8 << 20
	pageSize   = 128 << 10
	magic      = "PAR1"
)

// write writes records as a Parquet file.
func (rowForm) write(w io.Writer, d *vector.Description, records iter.Seq2[kept, error]) error {
	t, err := newTableWriter(w, d)
	if err != nil {
		return err
	}
	for k, err := range records {
		if err == nil {
			err = t.add(&k)
		}
		if err != nil {
			return err
		}
	}
	return t.close()
}

// frame is a table without rows, of which all is taken that is not of them: the schema
// above all.
func frame(d *vector.Description) (*format.FileMetaData, *parquet.Schema, error) {
	head, err := json.Marshal(header{Archive: version, Vectors: d.Vectors, Fields: d.Fields, Namespaces: d.Namespaces})
	if err != nil {
		return nil, nil, err
	}
	text := parquet.Compressed(parquet.String(), &parquet.Snappy)
	group := parquet.Group{columnID: text, columnKind: text, columnNamespace: text, columnPayload: parquet.Compressed(parquet.JSON(), &parquet.Snappy)}
	for i := range d.Vectors {
		group[vectorColumn(d.Vectors[i].Name)] = nodeOf(d.Vectors[i].Form)
	}
	schema := parquet.NewSchema("record", group)
	var b bytes.Buffer
	err = parquet.NewWriter(&b, schema, parquet.KeyValueMetadata(headerKey, string(head)), parquet.CreatedBy("freehold", "", "")).Close()
	if err != nil {
		return nil, nil, err
	}
	f, err := parquet.OpenFile(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		return nil, nil, err
	}
	return f.Metadata(), schema, nil
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

// The columns that each record has come first, as names are sorted.
const (
	leafID = iota
	leafKind
	leafNamespace
	leafPayload
)

// tableWriter writes rows. What a row group has of each leaf stands together, and is
// kept until the group is full.
type tableWriter struct {
	w       io.Writer
	at      int64 // bytes that are written
	d       *vector.Description
	meta    *format.FileMetaData
	indexes []format.OffsetIndex // of each group's leaves
	leaves  []*leafWriter
	first   []int // leaf of each vector

	rows  int64 // of the group
	there []bool
}

func newTableWriter(w io.Writer, d *vector.Description) (*tableWriter, error) {
	meta, schema, err := frame(d)
	if err != nil {
		return nil, err
	}
	t := &tableWriter{w: w, d: d, meta: meta, first: make([]int, len(d.Vectors)), there: make([]bool, len(d.Vectors))}
	for _, path := range schema.Columns() {
		leaf, _ := schema.Lookup(path...)
		t.leaves = append(t.leaves, &leafWriter{
			path: path, kind: format.Type(leaf.Node.Type().Kind()), packed: path[0] == columnID || path[0] == columnKind || path[0] == columnNamespace || path[0] == columnPayload,
			repeats: leaf.MaxRepetitionLevel > 0, full: byte(leaf.MaxDefinitionLevel),
		})
	}
	for i := range d.Vectors {
		t.first[i] = slices.IndexFunc(t.leaves, func(l *leafWriter) bool { return l.path[0] == vectorColumn(d.Vectors[i].Name) })
	}
	return t, t.write([]byte(magic))
}

func (t *tableWriter) write(b []byte) error {
	n, err := t.w.Write(b)
	t.at += int64(n)
	return err
}

// add adds the row of a record.
func (t *tableWriter) add(k *kept) error {
	id, err := idOfKey(k.key)
	if err != nil {
		return fmt.Errorf("record %s: %w", k.key, err)
	}
	r := row{b: k.bytes}
	t.leaves[leafPayload].bytes(r.payload())
	t.leaves[leafID].text(id.String())
	t.leaves[leafKind].text(id.Kind().String())
	t.leaves[leafNamespace].text(k.namespace)
	clear(t.there)
	for i, ok := r.next(t.d); ok; i, ok = r.next(t.d) {
		t.there[i] = true
		v := r.vector(t.d.Vectors[i].Form)
		t.vector(t.d.Vectors[i].Form, t.leaves[t.first[i]:], &v)
	}
	if r.err != nil {
		return fmt.Errorf("record %s: %w", k.key, r.err)
	}
	for i, there := range t.there {
		if !there {
			t.leaves[t.first[i]].null(0)
			if t.d.Vectors[i].Form == vector.Sparse {
				t.leaves[t.first[i]+1].null(0)
			}
		}
	}
	t.rows++
	size := 0
	for _, l := range t.leaves {
		l.rows++
		if len(l.data) >= pageSize {
			if err := l.page(); err != nil {
				return err
			}
		}
		size += int(l.unpacked) + len(l.data)
	}
	if size < groupBytes {
		return nil
	}
	return t.group()
}

// vector adds a vector that is there. Levels say where a list begins (0), goes on (1, of
// a list within a list 2), and how much of it is there.
func (t *tableWriter) vector(f vector.Form, leaves []*leafWriter, v *numbers) {
	switch f {
	case vector.Sparse:
		leaves[0].list(v.n, v.indices)
		leaves[1].list(v.n, v.numbers)
	case vector.Binary:
		leaves[0].definition.add(1, 1)
		leaves[0].bytes(v.numbers)
	case vector.Multi:
		l := leaves[0]
		if v.n == 0 {
			l.null(1)
			return
		}
		rows := max(1, v.rows)
		for i := range rows {
			l.repetition.add(byte(min(i, 1)), 1)
			l.repetition.add(2, v.n/rows-1)
		}
		l.definition.add(3, v.n)
		l.data = append(l.data, v.numbers...)
		l.values += v.n
	default:
		leaves[0].list(v.n, v.numbers)
	}
}

// group writes the row group.
func (t *tableWriter) group() error {
	if t.rows == 0 {
		return nil
	}
	g := format.RowGroup{NumRows: t.rows, FileOffset: t.at, Ordinal: int16(len(t.meta.RowGroups))}
	for _, l := range t.leaves {
		if err := l.page(); err != nil {
			return err
		}
		codec := format.Uncompressed
		if l.packed {
			codec = format.Snappy
		}
		c := format.ColumnChunk{MetaData: format.ColumnMetaData{
			Type: l.kind, Encoding: []format.Encoding{format.Plain, format.RLE}, PathInSchema: l.path, Codec: codec, NumValues: l.all, TotalUncompressedSize: l.unpacked,
			TotalCompressedSize: int64(len(l.body)), DataPageOffset: t.at, Statistics: format.Statistics{NullCount: l.nulls},
		}}
		for i := range l.pages {
			l.pages[i].Offset += t.at
		}
		t.indexes = append(t.indexes, format.OffsetIndex{PageLocations: slices.Clone(l.pages)})
		g.Columns = append(g.Columns, c)
		g.TotalByteSize += l.unpacked
		g.TotalCompressedSize += int64(len(l.body))
		if err := t.write(l.body); err != nil {
			return err
		}
		l.body, l.pages, l.all, l.nulls, l.unpacked, l.before = l.body[:0], l.pages[:0], 0, 0, 0, 0
	}
	t.meta.RowGroups = append(t.meta.RowGroups, g)
	t.meta.NumRows += t.rows
	t.rows = 0
	return nil
}

var protocol thrift.CompactProtocol

// close writes the last group, where the pages are, and the footer.
func (t *tableWriter) close() error {
	if err := t.group(); err != nil {
		return err
	}
	for i := range t.indexes {
		b, err := thrift.Marshal(&protocol, &t.indexes[i])
		if err != nil {
			return err
		}
		c := &t.meta.RowGroups[i/len(t.leaves)].Columns[i%len(t.leaves)]
		c.OffsetIndexOffset, c.OffsetIndexLength = t.at, int32(len(b))
		if err := t.write(b); err != nil {
			return err
		}
	}
	b, err := thrift.Marshal(&protocol, t.meta)
	if err != nil {
		return err
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(b)))
	return t.write(append(b, magic...))
}

// leafWriter is what a row group has of a leaf.
type leafWriter struct {
	path    []string
	kind    format.Type
	packed  bool // by Snappy; numbers of vectors do not get smaller
	repeats bool
	full    byte // definition level of a value that is there

	body     []byte // pages that are full
	pages    []format.PageLocation
	all      int64 // values of the group, with nulls
	nulls    int64
	before   int64 // rows before the present page
	unpacked int64 // bytes of the body without packing

	data                   []byte // of the present page
	repetition, definition levels
	values, none, rows     int
	buffer                 []byte
}

func (l *leafWriter) bytes(b []byte) {
	l.data = append(binary.LittleEndian.AppendUint32(l.data, uint32(len(b))), b...)
	l.values++
}

func (l *leafWriter) text(s string) {
	l.data = append(binary.LittleEndian.AppendUint32(l.data, uint32(len(s))), s...)
	l.values++
}

// null is what is not there, by its definition level: an empty list is there by 1.
func (l *leafWriter) null(definition byte) {
	if l.repeats {
		l.repetition.add(0, 1)
	}
	l.definition.add(definition, 1)
	l.values++
	l.none++
}

// list adds a list of n numbers of four bytes.
func (l *leafWriter) list(n int, numbers []byte) {
	if n == 0 {
		l.null(1)
		return
	}
	l.repetition.add(0, 1)
	l.repetition.add(1, n-1)
	l.definition.add(l.full, n)
	l.data = append(l.data, numbers...)
	l.values += n
}

// page ends the present page.
func (l *leafWriter) page() error {
	if l.rows == 0 {
		return nil
	}
	repetition, definition := l.repetition.end(), l.definition.end()
	data := l.data
	if l.packed {
		var err error
		if l.buffer, err = parquet.Snappy.Encode(l.buffer[:cap(l.buffer)], data); err != nil {
			return err
		}
		data = l.buffer
	}
	levels := len(repetition) + len(definition)
	head, err := thrift.Marshal(&protocol, &format.PageHeader{
		Type: format.DataPageV2, UncompressedPageSize: int32(levels + len(l.data)), CompressedPageSize: int32(levels + len(data)),
		CRC: int32(crc32.Update(crc32.Update(crc32.ChecksumIEEE(repetition), crc32.IEEETable, definition), crc32.IEEETable, data)),
		DataPageHeaderV2: thrift.New(format.DataPageHeaderV2{
			NumValues: int32(l.values), NumNulls: int32(l.none), NumRows: int32(l.rows), Encoding: format.Plain, RepetitionLevelsByteLength: int32(len(repetition)),
			DefinitionLevelsByteLength: int32(len(definition)), IsCompressed: thrift.New(l.packed), Statistics: format.Statistics{NullCount: int64(l.none)},
		}),
	})
	if err != nil {
		return err
	}
	l.pages = append(l.pages, format.PageLocation{Offset: int64(len(l.body)), CompressedPageSize: int32(len(head) + levels + len(data)), FirstRowIndex: l.before})
	l.body = append(append(append(append(l.body, head...), repetition...), definition...), data...)
	l.unpacked += int64(len(head) + levels + len(l.data))
	l.all, l.nulls, l.before = l.all+int64(l.values), l.nulls+int64(l.none), l.before+int64(l.rows)
	l.data, l.values, l.none, l.rows = l.data[:0], 0, 0, 0
	return nil
}

// levels are levels of a page, as runs of equal ones.
type levels struct {
	b    []byte
	last byte
	n    int
}

func (l *levels) add(level byte, n int) {
	if level != l.last {
		l.run()
		l.last = level
	}
	l.n += n
}

func (l *levels) run() {
	if l.n > 0 {
		l.b = append(binary.AppendUvarint(l.b, uint64(l.n)<<1), l.last)
		l.n = 0
	}
}

// end is what there is, until the next one is added.
func (l *levels) end() []byte {
	l.run()
	out := l.b
	l.b = l.b[:0]
	return out
}
