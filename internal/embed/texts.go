package embed

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"freehold/internal/vector"
)

// Texts say which text records have, and how long it may be. With a [Client] they are a
// [vector.Embedding].
type Texts struct {
	*Client
	Vector vector.Spec // of the target
	// Field of the payload has the text, of the records or, where it is set, of Joined.
	Field  string
	Joined *Joined
	// LeaveOut are ids of records that are left out on purpose.
	LeaveOut []string
	// MaxTokens is how long a text may be, as Count counts; 0: nobody minds but the
	// model. Chunked: a longer one becomes several records, else it is refused.
	MaxTokens int64
	Count     Counter
	Chunked   bool
}

var _ vector.Embedding = (*Texts)(nil)

// Fields of records that are pieces of another one: its id, the place of the piece from
// 0 on, and how many there are.
const (
	FieldOf     = "_chunk_of"
	FieldChunk  = "_chunk"
	FieldChunks = "_chunks"
)

// LeftOut is why a record is not there that was left out on purpose.
const LeftOut = "it is left out, as the plan says"

// piece is how ids of pieces end, see [vector.ID.Piece].
var piece = regexp.MustCompile(`##[0-9]+$`)

// Spec implements [vector.Embedding].
func (t *Texts) Spec() vector.Spec { return t.Vector }

// Parts implements [vector.Embedding].
func (t *Texts) Parts(ctx context.Context, records []vector.Record) ([]vector.Part, error) {
	var joined map[vector.ID]*vector.Record
	var lacking map[vector.ID]string
	if t.Joined != nil && len(records) > 0 {
		var err error
		if joined, lacking, err = t.Joined.texts(ctx, records, t.Field); err != nil {
			return nil, err
		}
	}
	out := make([]vector.Part, 0, len(records))
	for i := range records {
		r := &records[i]
		from := r
		if t.Joined != nil {
			from = joined[r.ID]
		}
		text, why := t.text(r, from)
		if from == nil && lacking[r.ID] != "" && why != LeftOut {
			why = lacking[r.ID]
		}
		if why != "" {
			out = append(out, vector.Part{Of: r.ID, Record: *r, Why: why})
			continue
		}
		out = append(out, t.pieces(r, text)...)
	}
	return out, nil
}

// text is the text of a record, which stands in another one or in itself.
func (t *Texts) text(r, from *vector.Record) (text, why string) {
	if slices.Contains(t.LeaveOut, r.ID.String()) {
		return "", LeftOut
	}
	if t.Chunked && piece.MatchString(r.ID.String()) {
		return "", "its id is such as pieces of other records get (ID##0): it could take the place of one"
	}
	if from == nil {
		return "", "the joined file has no text of it"
	}
	v, ok := from.Payload.Get(t.Field)
	switch {
	case !ok || v.Kind() == vector.Null:
		return "", fmt.Sprintf("it has no text: there is no field %s", t.Field)
	case v.Kind() != vector.Text:
		return "", fmt.Sprintf("it has no text: the field %s has the type %s", t.Field, v.Kind())
	case blank(v.Text()):
		return "", fmt.Sprintf("it has no text: the field %s is empty", t.Field)
	}
	return v.Text(), ""
}

// pieces are the records that are made of one.
func (t *Texts) pieces(r *vector.Record, text string) []vector.Part {
	if t.MaxTokens <= 0 || int64(len(text)) <= t.MaxTokens { // no token is shorter than a byte
		return []vector.Part{{Of: r.ID, Record: *r, Text: text}}
	}
	if !t.Chunked {
		if n := t.Count(text); n > t.MaxTokens {
			return []vector.Part{{Of: r.ID, Record: *r, Why: fmt.Sprintf("its text has about %d tokens, and %d is the most", n, t.MaxTokens)}}
		}
		return []vector.Part{{Of: r.ID, Record: *r, Text: text}}
	}
	texts := slices.DeleteFunc(Chunk(text, t.MaxTokens, t.Count), blank)
	if len(texts) == 1 {
		return []vector.Part{{Of: r.ID, Record: *r, Text: text}}
	}
	out := make([]vector.Part, len(texts))
	for i, text := range texts {
		text = strings.TrimSpace(text)
		p := r.Payload.With(FieldOf, vector.TextOf(r.ID.String())).With(FieldChunk, vector.IntOf(int64(i))).With(FieldChunks, vector.IntOf(int64(len(texts))))
		if t.Joined == nil {
			p = p.With(t.Field, vector.TextOf(text))
		}
		out[i] = vector.Part{Of: r.ID, Text: text, Record: vector.Record{
			ID: r.ID.Piece(i), Namespace: r.Namespace, Vectors: r.Vectors, Payload: p,
		}}
	}
	return out
}
