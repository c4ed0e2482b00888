package capacity

import "math"

// Efficiency is how far an engine gets to what the hardware could do.
type Efficiency struct {
	Memory  float64 `json:"memory"`         // share of the memory's bandwidth
	Compute float64 `json:"compute"`        // share of the operations of 16-bit floats
	Native8 float64 `json:"native8"`        // factor on Compute: 8-bit floats, where the GPU has them
	Widened float64 `json:"widened"`        // factor on Compute: weights of fewer bits, widened first
	Sparse  float64 `json:"sparse"`         // factor on Compute: experts
	SparseM float64 `json:"sparse_memory"`  // factor on Memory: experts
	Layer   Seconds `json:"layer_s"`        // of each layer in each step, whatever it does
	Experts Seconds `json:"expert_layer_s"` // more of that, where it has experts
	Seq     Seconds `json:"sequence_s"`     // of each sequence in each step: sampling, text, bookkeeping
	Hop     Seconds `json:"exchange_s"`     // of each exchange between GPUs, of which a layer has two
	Link    float64 `json:"link"`           // share of the link's bandwidth
}

// Server is a model on GPUs of one kind that share each layer (tensor parallel).
type Server struct {
	Model     *Model
	GPU       *GPU
	GPUs      int
	Precision Precision
	Eff       Efficiency
	// Slots is how many sequences run at once at most, Chunk how many tokens a step takes.
	Slots, Chunk int
	// Cache is how many tokens the caches hold together.
	Cache float64
}

// Work is what a step does.
type Work struct {
	Prompt    float64 // tokens of prompts that it takes in
	Sequences float64 // that get one token more
	Context   float64 // tokens that those have, together
	Before    float64 // tokens that stand before those of Prompt, summed over each of them
}

// Step is how long one step takes. Multiplying and reading weights overlap; they are put
// together as a hypotenuse, since the smaller one is never quite hidden. Attention reads
// caches, and exchanges (all-reduce moves 2(g-1)/g of what each GPU has) come on top.
func (s *Server) Step(w Work) Seconds {
	m, e, g := s.Model, &s.Eff, float64(s.GPUs)
	tokens := w.Prompt + w.Sequences
	flops, compute, memory := s.GPU.Flops, e.Compute, e.Memory
	switch {
	case s.Precision.Weight == 1 && s.GPU.Flops8 > 0:
		flops, compute = s.GPU.Flops8, compute*e.Native8
	case s.Precision.Weight < 2:
		compute *= e.Widened
	}
	if m.Sparse() {
		compute *= e.Sparse
		memory *= e.SparseM
	}
	weights := Bytes(m.read(tokens) * s.Precision.Weight).over(s.GPU.Bandwidth * BytesPerSecond(g*memory))
	// Each token meets each one before it twice in each head: as a key and as a value.
	attention := 4 * float64(m.Layers) * float64(m.Heads) * float64(m.HeadDim) * w.Before
	multiply := Seconds((2*m.active()*tokens + attention) / (float64(flops) * g * compute))
	caches := Bytes(w.Context * float64(m.KV(s.Precision))).over(s.GPU.Bandwidth * BytesPerSecond(g*e.Memory))
	t := Seconds(math.Hypot(float64(weights), float64(multiply))) + caches + Seconds(m.Layers)*e.Layer + Seconds(w.Sequences)*e.Seq
	if m.Sparse() {
		t += Seconds(m.Layers) * e.Experts
	}
	if s.GPUs > 1 {
		moved := Bytes(2 * (g - 1) / g * tokens * float64(m.Hidden) * 2)
		t += 2 * Seconds(m.Layers) * (e.Hop + moved.over(s.GPU.Link*BytesPerSecond(e.Link)))
	}
	return t
}
