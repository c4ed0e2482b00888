package classify

import (
	"math"
	"slices"
)

// Head is which output of a model weights belong to: a task, or complexity.
const (
	complexity = TaskCount
	columns    = TaskCount + 1
)

// Inputs is how many inputs each head has: the buckets of words, the hand-made
// features (from HandMade on), one that is always 1 (Bias), and, which only the
// complexity head sees, the chances of the tasks and what goes with them.
const (
	Inputs   = inputs
	HandMade = handBase
	Bias     = bias
)

// Vector is what the heads see of a prompt.
type Vector struct {
	Features []Feature // by index, each index once
	shape    shape
}

// WithTasks are the features of the complexity head, for chances of the tasks.
func (v *Vector) WithTasks(chances *[TaskCount]float64) []Feature {
	out := slices.Clone(v.Features)
	for t, p := range chances {
		for i, x := range v.shape {
			out = append(out, Feature{uint32(taskBase + t*shapes + i), float32(p) * x})
		}
	}
	return out
}

// Weights are those of a model as training knows them, apart for each head.
type Weights struct {
	Tasks      []float64 // Inputs times TaskCount: for each input one a task
	Complexity []float64 // Inputs
}

// NewWeights are weights of zero.
func NewWeights() Weights {
	return Weights{make([]float64, Inputs*TaskCount), make([]float64, Inputs)}
}

// Read makes the vector of a prompt.
func Read(system, user string) Vector {
	var s scratch
	s.read(system, user)
	f := s.features
	slices.SortFunc(f, func(a, b Feature) int { return int(a.Index) - int(b.Index) })
	out := f[:0]
	for _, x := range f {
		if n := len(out); n > 0 && out[n-1].Index == x.Index {
			out[n-1].Value += x.Value
		} else {
			out = append(out, x)
		}
	}
	return Vector{slices.Clip(out), s.shape}
}

// New makes a model of weights. The weights of words are rounded to 255 steps a
// head.
func New(w Weights, h Header) (*Model, error) {
	h.Format, h.Features, h.Inputs, h.Heads = formatVersion, FeatureVersion, Inputs, append(TaskNames(), "complexity")
	m := &Model{header: h, table: make([]int8, buckets*columns)}
	at := func(i, c int) float64 {
		if c == complexity {
			return w.Complexity[i]
		}
		return w.Tasks[i*TaskCount+c]
	}
	for c := range columns {
		var top float64
		for i := range buckets {
			top = max(top, math.Abs(at(i, c)))
		}
		if top == 0 {
			top = 127
		}
		m.unit[c] = float32(top / 127)
		for i := range buckets {
			m.table[i*columns+c] = int8(math.RoundToEven(at(i, c) / top * 127))
		}
		for i := range m.dense {
			m.dense[i][c] = float32(at(buckets+i, c) / (top / 127))
		}
	}
	for i := range m.tasks {
		m.tasks[i] = float32(w.Complexity[taskBase+i])
	}
	return m, m.check()
}

// Weights are the model's, as training knows them.
func (m *Model) Weights() Weights {
	w := NewWeights()
	set := func(i, c int, v float32) {
		if c == complexity {
			w.Complexity[i] = float64(v)
		} else {
			w.Tasks[i*TaskCount+c] = float64(v)
		}
	}
	for c := range columns {
		for i := range buckets {
			set(i, c, float32(m.table[i*columns+c])*m.unit[c])
		}
		for i := range m.dense {
			set(buckets+i, c, m.dense[i][c]*m.unit[c])
		}
	}
	for i, v := range m.tasks {
		w.Complexity[taskBase+i] = float64(v)
	}
	return w
}
