package embed

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"freehold/internal/vector"
)

// Joined are the texts of records in a file: by the records' own ids or, where the file
// was made of a store that they were copied to, by those that they have there.
type Joined struct {
	Source vector.Source
	// Index is the name of the store whose records are embedded: of it, the namespace and
	// the id, ids are made where a target has no others.
	Index string

	mu      sync.Mutex
	aliases *aliases // nil: they were not needed yet
}

// Fields of records whose ids were mapped, in the store that they were copied to: the
// id and the namespace that they had.
const (
	fieldID        = "_id"
	fieldNamespace = "_namespace"
)

// Close closes the file.
func (j *Joined) Close() error { return j.Source.Close() }

// aliases are the records of a file by the ids that those which they were made of have.
type aliases struct {
	whole  map[spot]place
	pieces map[spot][]chunk
	own    map[string]place // by their own ids, as texts
}

// spot is a record, by its namespace and its id.
type spot struct{ namespace, id string }

// chunk is where a piece of a record is, which piece it is, and of how many; of is 0
// where that is not said.
type chunk struct {
	at    place
	n, of int
}

// place is where a record is.
type place struct {
	namespace string
	id        vector.ID
}

// texts are the records that have the texts of others of one namespace, by their ids;
// why says what is the matter with some that are not there.
func (j *Joined) texts(ctx context.Context, records []vector.Record, field string) (found map[vector.ID]*vector.Record, why map[vector.ID]string, err error) {
	ids := make([]vector.ID, len(records))
	for i := range records {
		ids[i] = records[i].ID
	}
	got, err := j.Source.Fetch(ctx, records[0].Namespace, ids)
	if err != nil {
		return nil, nil, err
	}
	found, why = make(map[vector.ID]*vector.Record, len(got)), map[vector.ID]string{}
	for i := range got {
		found[got[i].ID] = &got[i]
	}
	for i := range records {
		r := &records[i]
		if found[r.ID] != nil {
			continue
		}
		a, err := j.known(ctx)
		if err != nil {
			return nil, nil, err
		}
		if found[r.ID], why[r.ID], err = j.alias(ctx, a, r, field); err != nil {
			return nil, nil, err
		}
	}
	return found, why, nil
}

// known reads the file once for what its records were made of.
func (j *Joined) known(ctx context.Context) (*aliases, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.aliases != nil {
		return j.aliases, nil
	}
	d, err := j.Source.Describe(ctx)
	if err != nil {
		return nil, err
	}
	a := &aliases{whole: map[spot]place{}, pieces: map[spot][]chunk{}, own: map[string]place{}}
	for _, ns := range d.Namespaces {
		for u, err := range j.Source.Units(ctx, ns.Name, "", 1000) {
			if err != nil {
				return nil, err
			}
			for page, err := range j.Source.Read(ctx, u) {
				if err != nil {
					return nil, err
				}
				for i := range page {
					a.add(&page[i])
				}
			}
		}
	}
	for _, all := range a.pieces {
		slices.SortFunc(all, func(x, y chunk) int { return x.n - y.n })
	}
	j.aliases = a
	return a, nil
}

// add takes a record of the file in.
func (a *aliases) add(r *vector.Record) {
	at := place{r.Namespace, r.ID}
	a.own[r.ID.String()] = at
	was := spot{r.Namespace, r.ID.String()}
	if id, ok := textOf(r, fieldID); ok {
		was.id = id
	}
	if ns, ok := textOf(r, fieldNamespace); ok {
		was.namespace = ns
	}
	id, n, ok := cutPiece(was.id)
	if !ok {
		a.whole[was] = at
		return
	}
	c := chunk{at: at, n: n}
	if of, ok := r.Payload.Get(FieldChunks); ok && of.Kind() == vector.Int {
		c.of = int(of.Int())
	}
	was.id = id
	a.pieces[was] = append(a.pieces[was], c)
}

func textOf(r *vector.Record, field string) (string, bool) {
	v, ok := r.Payload.Get(field)
	if !ok || v.Kind() != vector.Text {
		return "", false
	}
	return v.Text(), true
}

// cutPiece is the id of a record of which one is a piece, and which.
func cutPiece(id string) (of string, n int, ok bool) {
	at := piece.FindStringIndex(id)
	if at == nil || at[0] == 0 {
		return "", 0, false
	}
	n, err := strconv.Atoi(id[at[0]+len("##"):])
	return id[:at[0]], n, err == nil
}

// alias is the record that has the text of r by another id than its own.
func (j *Joined) alias(ctx context.Context, a *aliases, r *vector.Record, field string) (*vector.Record, string, error) {
	was := spot{r.Namespace, r.ID.String()}
	if at, ok := a.whole[was]; ok {
		out, err := j.fetch(ctx, at)
		return out, "", err
	}
	mapped := vector.Mapping{Index: j.Index, IDs: vector.UUIDs}
	if at, ok := a.own[mapped.ID(r.Namespace, r.ID).String()]; ok {
		out, err := j.fetch(ctx, at)
		return out, "", err
	}
	pieces := a.pieces[was]
	for n := 0; len(a.pieces[was]) == 0; n++ {
		at, ok := a.own[mapped.ID(r.Namespace, r.ID.Piece(n)).String()]
		if !ok {
			break
		}
		pieces = append(pieces, chunk{at: at, n: n})
	}
	if len(pieces) == 0 {
		return nil, "", nil
	}
	return j.join(ctx, pieces, field)
}

// join makes one record of pieces: the first of them, with the text of all.
func (j *Joined) join(ctx context.Context, pieces []chunk, field string) (*vector.Record, string, error) {
	var first *vector.Record
	var b strings.Builder
	for i, c := range pieces {
		if c.n != i || c.of > 0 && c.of != len(pieces) {
			return nil, fmt.Sprintf("the joined file does not have each piece of its text: there are %d of %s", len(pieces), atLeast(pieces)), nil
		}
		r, err := j.fetch(ctx, c.at)
		if err != nil {
			return nil, "", err
		}
		text, ok := textOf(r, field)
		if !ok {
			return r, "", nil // which is told as of any record without a text
		}
		if first == nil {
			first = r
		}
		if b.Len() > 0 && apart(b.String(), text) {
			b.WriteByte(' ')
		}
		b.WriteString(text)
	}
	out := *first
	out.Payload = out.Payload.With(field, vector.TextOf(b.String()))
	return &out, "", nil
}

// atLeast is how many pieces there should be.
func atLeast(pieces []chunk) string {
	last := pieces[len(pieces)-1]
	return strconv.Itoa(max(last.of, last.n+1))
}

// apart reports whether a space belongs between two pieces, from which the white space
// around was taken: not behind the full stop of a script that has none.
func apart(before, after string) bool {
	last, _ := utf8.DecodeLastRuneInString(before)
	next, _ := utf8.DecodeRuneInString(after)
	return !strings.ContainsRune("。！？", last) && !unicode.IsSpace(last) && !unicode.IsSpace(next)
}

func (j *Joined) fetch(ctx context.Context, at place) (*vector.Record, error) {
	got, err := j.Source.Fetch(ctx, at.namespace, []vector.ID{at.id})
	if err != nil {
		return nil, err
	}
	if len(got) == 0 {
		return nil, fmt.Errorf("the joined file has no record %s any more", at.id)
	}
	return &got[0], nil
}
