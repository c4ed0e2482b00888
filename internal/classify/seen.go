package classify

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"math"
	"slices"
	"strings"
)

// RowID names a row that models are trained on. Two rows in four thousand million
// have the same; among a million rows, that is one unseen row in four thousand
// which is taken for a seen one.
type RowID uint32

// ID is that of a prompt. Space around it makes no other row of it.
func ID(system, user string) RowID {
	h := fnv.New64a()
	for _, text := range [...]string{system, user} {
		_, _ = h.Write([]byte(strings.TrimSpace(text))) // never fails
		_, _ = h.Write([]byte{0xff})                    // is in no UTF-8
	}
	return RowID(mix(h.Sum64()) >> 32)
}

// Recalled is a row that a model was trained on, and what was made of it by
// models that were not: the verdict when it was held out.
type Recalled struct {
	HasTask       bool // its task was learnt from
	HasComplexity bool // its scores were
	Task          Task
	Simple        float64
	Complexity    float64
}

// A model file holds the rows one after another, by their ids: four bytes of id,
// one with the task and what was learnt, and two for each chance.
const (
	recordSize = 9
	maxRecords = 1 << 20

	taskBits      = 0x0f
	learnt        = 0x40
	learntAsGrade = 0x80
)

// Recall looks up a row that the model was trained on.
func (m *Model) Recall(id RowID) (Recalled, bool) {
	at := func(i int) []byte { return m.seen[i*recordSize:] }
	low, high := 0, len(m.seen)/recordSize
	for low < high {
		switch mid := (low + high) / 2; cmp.Compare(RowID(binary.LittleEndian.Uint32(at(mid))), id) {
		case 0:
			return unpack(at(mid)), true
		case -1:
			low = mid + 1
		default:
			high = mid
		}
	}
	return Recalled{}, false
}

func unpack(b []byte) Recalled {
	chance := func(i int) float64 { return float64(binary.LittleEndian.Uint16(b[i:])) / math.MaxUint16 }
	return Recalled{
		HasTask: b[4]&learnt != 0, HasComplexity: b[4]&learntAsGrade != 0,
		Task: Task(b[4] & taskBits), Simple: chance(5), Complexity: chance(7),
	}
}

// recalled are all rows, by their ids.
func (m *Model) recalled() map[RowID]Recalled {
	out := make(map[RowID]Recalled, len(m.seen)/recordSize)
	for b := range slices.Chunk(m.seen, recordSize) {
		out[RowID(binary.LittleEndian.Uint32(b))] = unpack(b)
	}
	return out
}

// Remember is the model with these rows beside those that it remembers already.
// What one of both says of a row's task or complexity is kept.
func (m *Model) Remember(from *Model, rows map[RowID]Recalled) (*Model, error) {
	all := map[RowID]Recalled{}
	if from != nil {
		all = from.recalled()
	}
	for id, r := range rows {
		before := all[id]
		if !r.HasTask {
			r.HasTask, r.Task, r.Simple = before.HasTask, before.Task, before.Simple
		}
		if !r.HasComplexity {
			r.HasComplexity, r.Complexity = before.HasComplexity, before.Complexity
		}
		all[id] = r
	}
	if len(all) > maxRecords {
		return nil, bad("it would have been trained on %d rows, over %d: train on fewer", len(all), maxRecords)
	}
	ids := make([]RowID, 0, len(all))
	for id := range all {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	n := *m
	n.seen = make([]byte, 0, len(ids)*recordSize)
	for _, id := range ids {
		r := all[id]
		b := byte(r.Task) & taskBits
		if r.HasTask {
			b |= learnt
		}
		if r.HasComplexity {
			b |= learntAsGrade
		}
		n.seen = append(binary.LittleEndian.AppendUint32(n.seen, uint32(id)), b)
		for _, p := range [...]float64{r.Simple, r.Complexity} {
			n.seen = binary.LittleEndian.AppendUint16(n.seen, uint16(math.Round(min(max(p, 0), 1)*math.MaxUint16)))
		}
	}
	n.header.Recalled = len(ids)
	return &n, nil
}

// sound reports rows that are in order and name tasks that there are.
func (m *Model) sound() bool {
	before := int64(-1)
	for b := range slices.Chunk(m.seen, recordSize) {
		id := int64(binary.LittleEndian.Uint32(b))
		if id <= before || b[4]&taskBits >= TaskCount {
			return false
		}
		before = id
	}
	return true
}
