package learn

import (
	"math"
	"slices"

	"freehold/internal/classify"
)

// sample is one row to fit: a sparse vector, and what is to come out of it. For
// a head of tasks that is one of the classes, or chances of all; for a logistic
// head a chance.
type sample struct {
	x       []classify.Feature
	class   int
	chances []float64 // instead of class
	chance  float64
	weight  float64
	fixed   []float64 // what inputs that do not move add to each class; nil: nothing
}

// head are linear weights: for each class one for each input. A logistic head
// has one class.
type head struct {
	classes int
	w       []float64 // input by input, class by class
}

// logits are the values of a vector for each class.
func (h *head) logits(x []classify.Feature) []float64 {
	out := make([]float64, h.classes)
	for _, f := range x {
		v := float64(f.Value)
		for k, w := range h.w[int(f.Index)*h.classes : (int(f.Index)+1)*h.classes] {
			out[k] += float64(v * w)
		}
	}
	return out
}

// fit finds the weights with the least loss on the samples, where being away
// from prior costs penalty/2 times the square of the distance, so that they do
// not follow each single row. There is one best answer (the problem is convex),
// and nothing is drawn at random: the same rows give the same weights.
//
// Only inputs of the samples can move away from the prior. What is replayed holds
// these where they are, and moves no others.
func fit(samples, replayed []sample, prior *head, penalty float64, rounds int) *head {
	k := prior.classes
	compact := make([]int32, classify.Inputs)
	var used, rows []int // the inputs, and in how many rows each is
	for _, s := range samples {
		for _, f := range s.x {
			if compact[f.Index] == 0 {
				used, rows = append(used, int(f.Index)), append(rows, 0)
				compact[f.Index] = int32(len(used))
			}
			rows[compact[f.Index]-1]++
		}
	}
	n := len(used) * k
	all := slices.Clone(samples)
	for _, s := range replayed {
		all = append(all, s.fix(compact, prior))
	}
	p := problem{samples: all, compact: compact, k: k, n: n, penalty: make([]float64, len(used)), prior: make([]float64, n)}
	for c, i := range used {
		copy(p.prior[c*k:(c+1)*k], prior.w[i*k:(i+1)*k])
		p.penalty[c] = penalty * share(i, rows[c])
	}
	best := lbfgs(p.prior, p.loss, rounds)
	out := &head{k, append([]float64(nil), prior.w...)}
	for c, i := range used {
		copy(out.w[i*k:(i+1)*k], best[c*k:(c+1)*k])
	}
	return out
}

// fix is the sample with the inputs that move alone; what the others add to it is
// fixed.
func (s sample) fix(compact []int32, prior *head) sample {
	var moves, stays []classify.Feature
	for _, f := range s.x {
		if compact[f.Index] == 0 {
			stays = append(stays, f)
		} else {
			moves = append(moves, f)
		}
	}
	s.x, s.fixed = moves, prior.logits(stays)
	return s
}

// share is the part of the penalty that an input pays which is in so many rows.
// The bias pays little: how frequent classes are is no habit of single rows.
// Frequent words pay more than rare ones, or those which are in every prompt would
// explain what the few words did that tell prompts apart.
func share(input, rows int) float64 {
	switch {
	case input == classify.Bias:
		return 0.01
	case input >= classify.HandMade:
		return 1
	}
	return math.Pow(float64(rows)/10, 0.3)
}

type problem struct {
	samples []sample
	compact []int32
	k, n    int
	penalty []float64 // for each input
	prior   []float64
}

// loss is the penalized negative log likelihood, and its gradient.
func (p *problem) loss(w, grad []float64) float64 {
	clear(grad)
	var sum float64
	z := make([]float64, p.k)
	for _, s := range p.samples {
		clear(z)
		copy(z, s.fixed)
		for _, f := range s.x {
			at, v := int(p.compact[f.Index]-1)*p.k, float64(f.Value)
			for c := range z {
				z[c] += float64(v * w[at+c])
			}
		}
		switch {
		case p.k == 1:
			sum += float64(s.weight * logLoss(z[0], s.chance))
			z[0] = s.weight * (sigmoid(z[0]) - s.chance)
		case s.chances != nil:
			sum += float64(s.weight * divergence(z, s.chances))
			for c, q := range s.chances {
				z[c] = s.weight * (z[c] - q)
			}
		default:
			sum += float64(s.weight * crossEntropy(z, s.class))
			z[s.class]--
			for c := range z {
				z[c] *= s.weight
			}
		}
		for _, f := range s.x {
			at, v := int(p.compact[f.Index]-1)*p.k, float64(f.Value)
			for c, d := range z {
				grad[at+c] += float64(v * d)
			}
		}
	}
	for i, v := range w {
		l := p.penalty[i/p.k]
		d := v - p.prior[i]
		sum += float64(0.5 * l * d * d)
		grad[i] += float64(l * d)
	}
	return sum
}

// logLoss is the loss of a logistic output for a chance.
func logLoss(z, chance float64) float64 {
	return max(z, 0) + math.Log1p(math.Exp(-math.Abs(z))) - chance*z
}

func sigmoid(z float64) float64 { return 1 / (1 + math.Exp(-z)) }

// divergence is the loss of outputs for chances that are to come out of them, and
// makes chances of them.
func divergence(z, chances []float64) float64 {
	var mean float64
	for c, q := range chances {
		mean += float64(q * (z[c] - z[0]))
	}
	return crossEntropy(z, 0) - mean
}

// crossEntropy is the loss of outputs for the right class, and makes chances of
// them.
func crossEntropy(z []float64, right int) float64 {
	top := z[0]
	for _, v := range z {
		top = max(top, v)
	}
	loss := top - z[right]
	var total float64
	for c, v := range z {
		z[c] = math.Exp(v - top)
		total += z[c]
	}
	for c := range z {
		z[c] /= total
	}
	return loss + math.Log(total)
}
