package classify

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	_ "embed" // the weights
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"
	"time"
)

// Model are weights that judge prompts. It never changes, and any number of
// goroutines may use it.
type Model struct {
	header Header
	table  []int8 // for each bucket one a head, in units of the head
	unit   [columns]float32
	dense  [handCount + 1][columns]float32 // hand-made features and the bias, in the same units
	tasks  [TaskCount * shapes]float32     // what the complexity head makes of the tasks
	seen   []byte                          // the rows that it was trained on, see [Model.Recall]
}

// Header is what a model says of itself.
type Header struct {
	Format   int      `json:"format"`
	Features int      `json:"features"` // version of the features, see [FeatureVersion]
	Inputs   int      `json:"inputs"`
	Heads    []string `json:"heads"`

	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Parent  string    `json:"parent,omitempty"` // digest of the model that this one was trained on from
	Data    []Data    `json:"data"`             // what it was trained on
	HeldOut []Score   `json:"held_out"`         // how well it did on rows that it had not seen

	Recalled int `json:"recalled_rows"` // how many rows that it was trained on it can tell

	Temperature float64 `json:"temperature"` // by which task outputs are divided, so that chances are right
	Slope       float64 `json:"slope"`       // of the complexity output
	Offset      float64 `json:"offset"`
}

// Data names a file that a model was trained on.
type Data struct {
	Name    string `json:"name"`
	Rows    int    `json:"rows"`
	SHA256  string `json:"sha256"`
	Source  string `json:"source,omitempty"`
	Licence string `json:"licence,omitempty"`
	Date    string `json:"date,omitempty"`
}

// Score is one measure on held-out rows.
type Score struct {
	Data    string  `json:"data"`
	Measure string  `json:"measure"`
	Value   float64 `json:"value"`
	Rows    int     `json:"rows"`
}

// Header is the model's, the caller's to change.
func (m *Model) Header() Header {
	h := m.header
	h.Heads, h.Data, h.HeldOut = slices.Clone(h.Heads), slices.Clone(h.Data), slices.Clone(h.HeldOut)
	return h
}

// With is the model with these held-out scores in its header.
func (m *Model) With(scores []Score) (*Model, error) {
	n := *m
	n.header.HeldOut = scores
	_, err := n.head() // the header has a limit
	return &n, err
}

// Digest names the model by what it is: two models with the same are the same.
func (m *Model) Digest() string {
	head, err := m.head()
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(append(head, m.numbers()...))
	return hex.EncodeToString(sum[:8])
}

// A model file is the magic, the length of the header, the header (JSON), the
// rows that it was trained on, the numbers (compressed), and the SHA-256 of all
// of it.
const (
	magic         = "freehold route\n\x00"
	formatVersion = 2
	maxHeader     = 1 << 16
	numbers       = buckets*columns + 4*(columns+(handCount+1)*columns+TaskCount*shapes)

	// MaxFile is how large a model file can be.
	MaxFile = len(magic) + 4 + maxHeader + maxRecords*recordSize + numbers + 1<<16 + sha256.Size
)

// ErrModel is a file that is no model which this program can use.
var ErrModel = errors.New("not a usable routing model")

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrModel, fmt.Errorf(format, args...))
}

// Load reads a model file. The error says what is wrong with the file.
func Load(file []byte) (*Model, error) {
	switch {
	case len(file) > MaxFile:
		return nil, bad("%d bytes, and no model has more than %d", len(file), MaxFile)
	case !bytes.HasPrefix(file, []byte(magic)):
		return nil, bad("it does not begin as a model does")
	case len(file) < len(magic)+4+sha256.Size:
		return nil, bad("it is cut off after %d bytes", len(file))
	}
	body, sum := file[:len(file)-sha256.Size], file[len(file)-sha256.Size:]
	if got := sha256.Sum256(body); !bytes.Equal(got[:], sum) {
		return nil, bad("its checksum is wrong: it is cut off or was changed")
	}
	rest := body[len(magic):]
	n := binary.LittleEndian.Uint32(rest)
	if rest = rest[4:]; n > maxHeader || int(n) > len(rest) {
		return nil, bad("its header has %d bytes, of %d left and %d allowed", n, len(rest), maxHeader)
	}
	m := &Model{}
	if err := json.Unmarshal(rest[:n], &m.header); err != nil {
		return nil, bad("header: %w", err)
	}
	if err := m.header.usable(); err != nil {
		return nil, err
	}
	rest = rest[n:]
	if rows := m.header.Recalled; rows < 0 || rows > len(rest)/recordSize {
		return nil, bad("its header speaks of %d rows, for which it is too short", rows)
	}
	m.seen, rest = bytes.Clone(rest[:m.header.Recalled*recordSize]), rest[m.header.Recalled*recordSize:]
	if !m.sound() {
		return nil, bad("the rows that it was trained on are not in order")
	}
	if err := m.read(flate.NewReader(bytes.NewReader(rest))); err != nil {
		return nil, err
	}
	return m, m.check()
}

// usable reports a header of a model that this program has the features for.
func (h *Header) usable() error {
	switch {
	case h.Format != formatVersion:
		return bad("it has format %d, and this freehold reads %d: train it again, or use the freehold that wrote it", h.Format, formatVersion)
	case h.Features != FeatureVersion || h.Inputs != Inputs:
		return bad("it was trained on version %d of the features with %d inputs, and this freehold has version %d with %d: train it again",
			h.Features, h.Inputs, FeatureVersion, Inputs)
	case !slices.Equal(h.Heads, append(TaskNames(), "complexity")):
		return bad("it knows the tasks %q, and this freehold others", h.Heads)
	}
	return nil
}

// read reads the numbers. Their count is known, so that a file cannot ask for
// more memory than a model takes.
func (m *Model) read(r io.Reader) error {
	raw := make([]byte, 4*(columns+(handCount+1)*columns+TaskCount*shapes))
	if _, err := io.ReadFull(r, raw); err != nil {
		return bad("its numbers: %w", err)
	}
	next := func() float32 {
		v := math.Float32frombits(binary.LittleEndian.Uint32(raw))
		raw = raw[4:]
		return v
	}
	for c := range m.unit {
		m.unit[c] = next()
	}
	for i := range m.dense {
		for c := range m.dense[i] {
			m.dense[i][c] = next()
		}
	}
	for t := range m.tasks {
		m.tasks[t] = next()
	}
	m.table = make([]int8, buckets*columns)
	part := make([]byte, 4096)
	// Head after head: what is alike stands together and packs better.
	for c := range columns {
		for i := 0; i < buckets; i += len(part) {
			if _, err := io.ReadFull(r, part); err != nil {
				return bad("its numbers: %w", err)
			}
			for j, q := range part {
				m.table[(i+j)*columns+c] = int8(q)
			}
		}
	}
	if n, err := r.Read(part); n > 0 || !errors.Is(err, io.EOF) {
		return bad("it has more numbers than a model has")
	}
	return nil
}

// check refuses numbers that no training gives.
func (m *Model) check() error {
	fine := func(v float64) bool { return !math.IsNaN(v) && math.Abs(v) < 1e6 }
	ok := fine(m.header.Temperature) && m.header.Temperature > 0.01 && fine(m.header.Slope) && m.header.Slope > 0 && fine(m.header.Offset)
	for _, u := range m.unit {
		ok = ok && fine(float64(u)) && u > 0
	}
	for i := range m.dense {
		for _, v := range m.dense[i] {
			ok = ok && fine(float64(v))
		}
	}
	for _, v := range m.tasks {
		ok = ok && fine(float64(v))
	}
	if !ok {
		return bad("it holds a number that is none, or out of all proportion")
	}
	return nil
}

// head is the part of a model's file before its numbers.
func (m *Model) head() ([]byte, error) {
	header, err := json.Marshal(m.header)
	if err != nil {
		return nil, err
	}
	if len(header) > maxHeader {
		return nil, bad("its header would have %d bytes, over %d: train on fewer files", len(header), maxHeader)
	}
	out := append([]byte(magic), 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(out[len(magic):], uint32(len(header)))
	return append(append(out, header...), m.seen...), nil
}

// numbers are the model's, before they are compressed.
func (m *Model) numbers() []byte {
	raw := make([]byte, 0, numbers)
	put := func(v float32) { raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v)) }
	for _, v := range m.unit {
		put(v)
	}
	for i := range m.dense {
		for _, v := range m.dense[i] {
			put(v)
		}
	}
	for _, v := range m.tasks {
		put(v)
	}
	for c := range columns {
		for i := range buckets {
			raw = append(raw, byte(m.table[i*columns+c]))
		}
	}
	return raw
}

// Bytes is the model as a file.
func (m *Model) Bytes() ([]byte, error) {
	head, err := m.head()
	if err != nil {
		return nil, err
	}
	packed := bytes.NewBuffer(head)
	w, err := flate.NewWriter(packed, flate.DefaultCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(m.numbers()); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(packed.Bytes())
	return append(packed.Bytes(), sum[:]...), nil
}

//go:embed data/weights.bin
var embedded []byte

// Embedded is the model that comes with the program. It is unpacked when it is
// first asked for.
var Embedded = sync.OnceValues(func() (*Model, error) { return Load(embedded) })
