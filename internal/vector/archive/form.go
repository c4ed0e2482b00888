package archive

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"freehold/internal/vector"
)

// form is how records are kept while an archive is written, as near as can be to what
// it has of them in the end, and how it is put together of that.
type form interface {
	// room is about how many bytes a record takes.
	room(r *vector.Record) int
	append(b []byte, d *vector.Description, r *vector.Record) ([]byte, error)
	record(d *vector.Description, namespace, key string, b []byte) (vector.Record, error)
	// write makes the archive of records that are sorted by namespace and key.
	write(w io.Writer, d *vector.Description, records iter.Seq2[kept, error]) error
}

// kept is a record as its form keeps it.
type kept struct {
	namespace, key string
	bytes          []byte
}

// header is what an archive of ours says of itself: in its first line, or its metadata.
type header struct {
	Archive int                `json:"archive"`
	Vectors []vector.Spec      `json:"vectors"`
	Fields  []vector.FieldSpec `json:"fields,omitempty"`
	// Namespaces are in the order of the records; a file of lines does not say them.
	Namespaces []vector.Namespace `json:"namespaces,omitempty"`
}

const version = 1

// Keys are ids as archives sort them: numbers by size, then UUIDs, then texts.
const (
	integerKey = "0"
	uuidKey    = "1"
	textKey    = "2"
)

func key(id vector.ID) string {
	switch id.Kind() {
	case vector.IntegerID:
		return fmt.Sprintf(integerKey+"%020d", id.Integer())
	case vector.UUIDID:
		return uuidKey + id.String()
	}
	return textKey + id.String()
}

// idOfKey is the id whose key it is.
func idOfKey(key string) (vector.ID, error) {
	if rest, ok := strings.CutPrefix(key, textKey); ok {
		return vector.IDOf(rest), nil
	}
	if rest, ok := strings.CutPrefix(key, integerKey); ok {
		n, err := strconv.ParseUint(rest, 10, 64)
		return vector.IntegerIDOf(n), err
	}
	u, err := uuid.Parse(strings.TrimPrefix(key, uuidKey))
	return vector.UUIDOf(u), err
}

// lineForm keeps the lines themselves.
type lineForm struct{}

func (lineForm) room(r *vector.Record) int {
	const digits = 3 // bytes that a number takes more than its four
	n := r.Size() + 64
	for i := range r.Vectors {
		v := &r.Vectors[i]
		n += digits * 2 * (len(v.Dense) + len(v.Values) + len(v.Indices))
	}
	return n
}

func (lineForm) append(b []byte, _ *vector.Description, r *vector.Record) ([]byte, error) {
	b, err := r.AppendJSON(b)
	return append(b, '\n'), err
}

func (lineForm) record(_ *vector.Description, _, _ string, b []byte) (vector.Record, error) {
	return vector.ParseRecord(b)
}

// write writes records one a line. The first line says what the vectors are.
func (lineForm) write(w io.Writer, d *vector.Description, records iter.Seq2[kept, error]) error {
	head, err := json.Marshal(header{Archive: version, Vectors: d.Vectors, Fields: d.Fields})
	if err != nil {
		return err
	}
	if _, err := w.Write(append(head, '\n')); err != nil {
		return err
	}
	for k, err := range records {
		if err != nil {
			return err
		}
		if _, err := w.Write(k.bytes); err != nil {
			return err
		}
	}
	return nil
}

// rowForm keeps what becomes a row of a table: the payload as JSON behind its length,
// and the vectors, each behind the number of its spec, in the bits that they have.
type rowForm struct{}

func (rowForm) room(r *vector.Record) int { return r.Size() + 32 }

func (rowForm) append(b []byte, d *vector.Description, r *vector.Record) ([]byte, error) {
	if err := r.Check(); err != nil {
		return b, err
	}
	begin := len(b)
	b = append(b, 0, 0, 0, 0)
	b, err := r.Payload.AppendJSON(b)
	if err != nil {
		return b, err
	}
	binary.LittleEndian.PutUint32(b[begin:], uint32(len(b)-begin-4))
	for i := range d.Vectors {
		if v := r.Vector(d.Vectors[i].Name); v != nil {
			b = appendVector(binary.AppendUvarint(b, uint64(i)), d.Vectors[i].Form, v)
		}
	}
	return b, nil
}

func (rowForm) record(d *vector.Description, namespace, key string, b []byte) (vector.Record, error) {
	out := vector.Record{Namespace: namespace}
	var err error
	if out.ID, err = idOfKey(key); err != nil {
		return out, err
	}
	r := row{b: b}
	if out.Payload, err = vector.ParsePayload(r.payload()); err != nil {
		return out, err
	}
	for i, ok := r.next(d); ok; i, ok = r.next(d) {
		x := r.vector(d.Vectors[i].Form)
		v := vector.Vector{Name: d.Vectors[i].Name}
		switch d.Vectors[i].Form {
		case vector.Sparse:
			v.Indices, v.Values = make([]uint32, x.n), floats(x.numbers)
			for j := range v.Indices {
				v.Indices[j] = binary.LittleEndian.Uint32(x.indices[4*j:])
			}
		case vector.Binary:
			v.Bits = bytes.Clone(x.numbers)
		default:
			v.Dense, v.Rows = floats(x.numbers), x.rows
		}
		out.Vectors = append(out.Vectors, v)
	}
	return out, r.err
}

func floats(b []byte) []float32 {
	out := make([]float32, len(b)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out
}

func appendFloats(b []byte, of []float32) []byte {
	at := len(b)
	b = append(b, make([]byte, 4*len(of))...)
	for i, x := range of {
		binary.LittleEndian.PutUint32(b[at+4*i:], math.Float32bits(x))
	}
	return b
}

func appendVector(b []byte, f vector.Form, v *vector.Vector) []byte {
	switch f {
	case vector.Sparse:
		b = binary.AppendUvarint(b, uint64(len(v.Indices)))
		for _, i := range v.Indices {
			b = binary.LittleEndian.AppendUint32(b, i)
		}
		return appendFloats(b, v.Values)
	case vector.Binary:
		return append(binary.AppendUvarint(b, uint64(len(v.Bits))), v.Bits...)
	case vector.Multi:
		b = binary.AppendUvarint(b, uint64(v.Rows))
	}
	return appendFloats(binary.AppendUvarint(b, uint64(len(v.Dense))), v.Dense)
}

// row takes apart what rowForm keeps.
type row struct {
	b   []byte
	err error
}

// numbers are a vector in a row.
type numbers struct {
	n, rows          int // numbers, and rows of several
	indices, numbers []byte
}

var errSpool = errors.New("what was kept of it is broken")

func (r *row) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.err, r.b = errSpool, nil
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *row) number() uint64 {
	x, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.err, r.b = errSpool, nil
		return 0
	}
	r.b = r.b[n:]
	return x
}

// payload comes first.
func (r *row) payload() []byte {
	n := r.take(4)
	if n == nil {
		return nil
	}
	return r.take(uint64(binary.LittleEndian.Uint32(n)))
}

// next is of which spec the next vector is; false: there is none.
func (r *row) next(d *vector.Description) (spec int, ok bool) {
	if len(r.b) == 0 {
		return 0, false
	}
	i := r.number()
	if i >= uint64(len(d.Vectors)) {
		r.err, r.b = errSpool, nil
	}
	return int(i), r.err == nil
}

func (r *row) vector(f vector.Form) (out numbers) {
	if f == vector.Multi {
		out.rows = int(r.number())
	}
	n := r.number()
	if n > uint64(len(r.b)) {
		r.err, r.b = errSpool, nil
		return numbers{}
	}
	switch out.n = int(n); f {
	case vector.Sparse:
		out.indices, out.numbers = r.take(4*n), r.take(4*n)
	case vector.Binary:
		out.numbers = r.take(n)
	default:
		out.numbers = r.take(4 * n)
	}
	if r.err != nil {
		return numbers{}
	}
	return out
}
