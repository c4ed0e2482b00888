package classify

import (
	"math"
	"sync"
	"unsafe"
)

// Verdict is what a model makes of a prompt.
type Verdict struct {
	Task       Task    // the most probable task
	Confidence float64 // the calibrated chance that it is the right one
	Simple     float64 // the chance that the task is a simple one, see [Task.Simple]
	Complexity float64 // the calibrated chance that a cheap model's answer would be worse than a strong one's

	Tasks [TaskCount]float64 // the chance of each task
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// Classify judges a prompt: the instructions that come with it (the system
// prompt; may be empty), and the text of the last turn of the user. Any bytes
// are a text; what is not UTF-8 is passed over.
func (m *Model) Classify(system, user string) Verdict {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	return m.classify(s, system, user)
}

func (m *Model) classify(s *scratch, system, user string) Verdict {
	s.read(system, user)
	var z [columns]float32
	for _, f := range s.features {
		m.add(f, &z)
	}
	return m.judge(&z, &s.shape)
}

// ClassifyBytes is Classify without a copy of the text, which must not change
// meanwhile.
func (m *Model) ClassifyBytes(system, user []byte) Verdict {
	return m.Classify(unsafe.String(unsafe.SliceData(system), len(system)), unsafe.String(unsafe.SliceData(user), len(user)))
}

// add adds a feature's weights to the outputs.
func (m *Model) add(f Feature, z *[columns]float32) {
	if f.Index < buckets {
		v := f.Value
		w := (*[columns]int8)(m.table[int(f.Index)*columns:])
		for c, q := range w {
			z[c] += v * float32(q)
		}
		return
	}
	v := f.Value
	w := &m.dense[f.Index-buckets]
	for c := range z {
		z[c] += v * w[c]
	}
}

// judge makes calibrated chances of the outputs.
func (m *Model) judge(z *[columns]float32, shape *shape) Verdict {
	var tasks [TaskCount]float64
	for t := range tasks {
		tasks[t] = float64(z[t] * m.unit[t])
	}
	// The complexity head was trained on chances that were not calibrated yet.
	hard := float64(z[complexity] * m.unit[complexity])
	for t, p := range softmax(&tasks, 1) {
		for i, x := range shape {
			hard += p * float64(x*m.tasks[t*shapes+i])
		}
	}
	return m.Judge(&tasks, hard)
}

// Judge makes calibrated chances of the outputs for the tasks and of the one for
// complexity.
func (m *Model) Judge(tasks *[TaskCount]float64, hard float64) Verdict {
	v := Verdict{Tasks: softmax(tasks, m.header.Temperature)}
	for t, p := range v.Tasks {
		if p > v.Confidence {
			v.Task, v.Confidence = Task(t), p
		}
		if Task(t).Simple() {
			v.Simple += p
		}
	}
	v.Complexity = sigmoid(m.header.Slope*hard + m.header.Offset)
	return v
}

func softmax(z *[TaskCount]float64, temperature float64) (p [TaskCount]float64) {
	top := z[0]
	for _, v := range z {
		top = max(top, v)
	}
	var sum float64
	for t, v := range z {
		p[t] = math.Exp((v - top) / temperature)
		sum += p[t]
	}
	for t := range p {
		p[t] /= sum
	}
	return p
}

func sigmoid(z float64) float64 { return 1 / (1 + math.Exp(-z)) }
