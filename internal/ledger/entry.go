package ledger

import (
	"encoding/binary"
	"fmt"
	"time"
)

// Entry is one row on its way into a store: its encoding, what the store finds
// it by, and what it adds to its rollup (see [RollUp]) and to what was spent.
type Entry struct {
	ID   string
	Time time.Time
	Key  RollupKey
	// Record is the whole row, for [Row.UnmarshalBinary]. It is valid during
	// [Store.Apply] only.
	Record []byte

	adds addends
	cost amount
	used []used // by its attempts, for the spend (see [SpendOf])
}

// addends are what a row adds to the sums of its rollup, but for its cost.
type addends struct {
	stream            bool
	attempts, seams   int64
	tokens            Tokens
	bytesIn, bytesOut int64
	firstToken, total time.Duration
	features          []string
}

// addends returns what the row adds to the sums of its rollup.
func (r *Row) addends() addends {
	return addends{
		stream: r.Stream, attempts: int64(len(r.Attempts)), seams: int64(len(r.Seams)),
		tokens: r.Tokens, bytesIn: r.BytesIn, bytesOut: r.BytesOut,
		firstToken: r.FirstToken, total: r.Total, features: r.Features,
	}
}

// NewEntry returns the entry of the row that record encodes. It reads no more
// of the row than it needs: a row is stored as it was journaled.
func NewEntry(record []byte) (Entry, error) {
	e := Entry{Record: record}
	a := &e.adds
	// One string for all texts of the entry: they are parts of it.
	d := decoder{s: string(record)}
	for d.next() {
		switch d.field {
		case fID | fBytes:
			e.ID = d.text()
		case fTime:
			e.Time = d.time()
		case fKeyID | fBytes:
			e.Key.KeyID = d.text()
		case fTenant | fBytes:
			e.Key.Tenant = d.text()
		case fWorkload | fBytes:
			e.Key.Workload = d.text()
		case fModel | fBytes:
			e.Key.Model = d.text()
		case fProvider | fBytes:
			e.Key.Provider = d.text()
		case fOutcome | fBytes:
			e.Key.Outcome = Outcome(d.text())
		case fStream:
			a.stream = d.int != 0
		case fAttempt | fBytes:
			a.attempts++
			e.used = append(e.used, d.used())
		case fSeam | fBytes:
			a.seams++
		case fFeature | fBytes:
			a.features = append(a.features, d.text())
		case fBytesIn:
			a.bytesIn = d.int
		case fBytesOut:
			a.bytesOut = d.int
		case fFirstToken:
			a.firstToken = d.duration()
		case fTotal:
			a.total = d.duration()
		case fCost | fBytes:
			e.cost = d.amount()
		default:
			d.tokens(&a.tokens)
		}
	}
	if d.err != nil {
		return Entry{}, fmt.Errorf("ledger record: %w", d.err)
	}
	e.Key.Hour = hourOf(e.Time)
	return e, nil
}

// recordID returns the request id of an encoded row, which is its first field,
// nil if it has none.
func recordID(record []byte) []byte {
	if len(record) == 0 || record[0] != fID|fBytes {
		return nil
	}
	size, n := binary.Uvarint(record[1:])
	if n <= 0 || size > uint64(len(record)-1-n) {
		return nil
	}
	return record[1+n:][:size]
}
