package capacity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"

	"gonum.org/v1/gonum/mat"
)

// Measured is one row of a measurement: requests that arrive independently of each other
// (Poisson) at a rate, all alike.
type Measured struct {
	Engine    string
	Model     *Model
	GPU       *GPU
	GPUs      int
	Precision Precision

	Rate          float64 // requests a second that were offered
	Requests      int     // how many, then it ended
	Input, Output int     // tokens of each

	Served     float64 // requests a second, answered
	Throughput float64 // tokens of output a second
	TTFT       Seconds // mean
	TPOT       Seconds // median
}

// Knee reports whether the server did not keep up with what it was offered: it carried
// less than 90 % of it.
func (r *Measured) Knee() bool { return r.Served < 0.9*r.Rate }

// Calibration is what was fitted: the efficiencies of engines.
type Calibration map[string]Efficiency

// Of is that of an engine, or of vLLM where it was not measured.
func (c Calibration) Of(engine string) Efficiency {
	if e, ok := c[engine]; ok {
		return e
	}
	return c["vllm"]
}

// Serve is a model on so many GPUs as an engine runs it. Its error is a *[TooBig] where it
// does not fit with room for a sequence of context tokens.
func (c Calibration) Serve(engine string, m *Model, g *GPU, p Precision, gpus, context int) (*Server, error) {
	memory, err := g.Plan(m, p, gpus, Utilisation, context)
	if err != nil {
		return nil, err
	}
	slots, chunk := Defaults(engine, g)
	s := &Server{Model: m, GPU: g, GPUs: gpus, Precision: p, Eff: c.Of(engine), Slots: slots, Chunk: chunk, Cache: memory.Tokens}
	return s, s.Check()
}

// Predict is what a calibration says of a row.
func (r *Measured) Predict(c Calibration) (Outcome, error) {
	s, err := c.Serve(r.Engine, r.Model, r.GPU, r.Precision, r.GPUs, r.Input+r.Output)
	if err != nil {
		return Outcome{}, err
	}
	return Simulate(s, Poisson(r.Rate, r.Requests, r.Input, r.Output, 1)), nil
}

// Poisson are n requests that come independently of each other, the same for the same
// seed, drawn out so that the last one comes when n have come at exactly that rate: chance
// of one draw is no property of a server, and benchmarks of servers do so, too.
func Poisson(rate float64, n, input, output int, seed uint64) []Request {
	r := rand.New(rand.NewPCG(seed, 0))
	out, at := make([]Request, n), Seconds(0)
	for i := range out {
		at += Seconds(r.ExpFloat64())
		out[i] = Request{At: at, Input: input, Output: output}
	}
	scale := Seconds(float64(n)/rate) / at
	for i := range out {
		out[i].At *= scale
	}
	return out
}

// plausible is where the search begins.
var plausible = Efficiency{Memory: 0.75, Compute: 0.6, Native8: 0.7, Widened: 0.6, Sparse: 0.5, SparseM: 0.8, Layer: 20e-6, Experts: 30e-6, Seq: 50e-6, Hop: 10e-6, Link: 0.5}

// unknown is a factor on a plausible number. Its logarithm is looked for around 0; how far
// it may be from there, as a standard deviation, keeps what the rows say nothing of where
// it is plausible.
type unknown struct {
	width float64
	scale func(e *Efficiency, by float64)
}

// unknowns of the engine with the most rows.
var unknowns = []unknown{
	{0.15, func(e *Efficiency, by float64) { e.Memory *= by }},
	{0.3, func(e *Efficiency, by float64) { e.Compute *= by }},
	{0.4, func(e *Efficiency, by float64) { e.Native8 *= by }},
	{0.4, func(e *Efficiency, by float64) { e.Widened *= by }},
	{0.5, func(e *Efficiency, by float64) { e.Sparse *= by }},
	{0.4, func(e *Efficiency, by float64) { e.SparseM *= by }},
	{1, func(e *Efficiency, by float64) { e.Layer *= Seconds(by) }},
	{1, func(e *Efficiency, by float64) { e.Experts *= Seconds(by) }},
	{1, func(e *Efficiency, by float64) { e.Seq *= Seconds(by) }},
	{1, func(e *Efficiency, by float64) { e.Hop *= Seconds(by) }},
	{0.7, func(e *Efficiency, by float64) { e.Link *= by }},
}

// factors of each other engine on what was found for the first one. Hardware is the same
// for all.
var factors = []unknown{
	{0.4, func(e *Efficiency, by float64) { e.Memory *= by }},
	{0.6, func(e *Efficiency, by float64) { e.Compute *= by }},
	{0.6, func(e *Efficiency, by float64) { e.Sparse *= by }},
	{1, func(e *Efficiency, by float64) { e.Layer *= Seconds(by) }},
	{1, func(e *Efficiency, by float64) { e.Experts *= Seconds(by) }},
	{1, func(e *Efficiency, by float64) { e.Seq *= Seconds(by) }},
}

// fitting are the rows of a fit, and what is looked for.
type fitting struct {
	rows    []Measured
	engines []string // the first has the unknowns, each other one has factors
}

func (f *fitting) size() int { return len(unknowns) + (len(f.engines)-1)*len(factors) }

func (f *fitting) width(i int) float64 {
	if i < len(unknowns) {
		return unknowns[i].width
	}
	return factors[(i-len(unknowns))%len(factors)].width
}

// calibration is that of a point: logarithms of factors.
func (f *fitting) calibration(point []float64) Calibration {
	base := plausible
	for i, u := range unknowns {
		u.scale(&base, math.Exp(point[i]))
	}
	out := Calibration{f.engines[0]: base}
	for n, engine := range f.engines[1:] {
		e := base
		for i, u := range factors {
			u.scale(&e, math.Exp(point[len(unknowns)+n*len(factors)+i]))
		}
		out[engine] = e
	}
	return out
}

// Weights of what is fitted: throughput where a server does not keep up says the most,
// elsewhere it is what was offered; first tokens under overload depend on where queues
// stand when a measurement ends.
const (
	weighKnee, weighEasy, weighTPOT, weighTTFT, weighStart = 1, 0.3, 0.3, 0.05, 0.3
	// soft is the residual from which on one counts linearly, not by its square.
	soft = 0.1
)

// residuals are logarithms of ratios, so that halves and doubles weigh the same.
func (f *fitting) residuals(ctx context.Context, point []float64) ([]float64, error) {
	c := f.calibration(point)
	out := make([]float64, 3*len(f.rows)+len(point))
	err := parallel(ctx, len(f.rows), func(i int) error {
		r := &f.rows[i]
		got, err := r.Predict(c)
		if err != nil {
			return err
		}
		weight := weighEasy
		if r.Knee() {
			weight = weighKnee
		}
		ratio := func(at int, weight, got, was float64) {
			if got > 0 && was > 0 {
				out[3*i+at] = weight * math.Log(got/was)
			}
		}
		ratio(0, weight, got.Throughput, r.Throughput)
		ratio(1, weighTPOT, float64(got.TPOT.P50), float64(r.TPOT))
		ratio(2, weighTTFT, float64(got.TTFT.Mean), float64(r.TTFT))
		return nil
	})
	for i, x := range point {
		out[3*len(f.rows)+i] = weighStart * x / f.width(i)
	}
	return out, err
}

// loss is that of a pseudo-Huber function: the square for small residuals, linear beyond.
func loss(residuals []float64) (sum float64) {
	for _, x := range residuals {
		sum += 2 * soft * soft * (math.Sqrt(1+x*x/(soft*soft)) - 1)
	}
	return sum
}

// Fit finds the efficiencies that say best what was measured, by Levenberg and Marquardt's
// method on robustly weighted residuals.
func Fit(ctx context.Context, rows []Measured) (Calibration, error) {
	if len(rows) == 0 {
		return nil, errors.New("no rows to calibrate with")
	}
	f := &fitting{rows: rows}
	count := map[string]int{}
	for i := range rows {
		count[rows[i].Engine]++
	}
	for engine := range count {
		f.engines = append(f.engines, engine)
	}
	slices.SortFunc(f.engines, func(a, b string) int {
		if count[a] != count[b] {
			return count[b] - count[a]
		}
		return cmp.Compare(a, b)
	})
	point := make([]float64, f.size())
	at, err := f.residuals(ctx, point)
	if err != nil {
		return nil, err
	}
	const rounds, enough = 10, 1e-3
	damp := 0.01
	for range rounds {
		slopes, err := f.slopes(ctx, point, at)
		if err != nil {
			return nil, err
		}
		better := 0.0
		for range 6 {
			step, err := direction(slopes, at, damp)
			if err != nil {
				return nil, err
			}
			next := slices.Clone(point)
			for i := range next {
				next[i] += max(-1, min(1, step[i]))
			}
			there, err := f.residuals(ctx, next)
			if err != nil {
				return nil, err
			}
			if better = loss(at) - loss(there); better > 0 {
				point, at, damp = next, there, max(damp/5, 1e-4)
				break
			}
			damp *= 5
		}
		if better < enough*loss(at) {
			break
		}
	}
	return f.calibration(point), nil
}

// slopes are how each residual changes with each unknown.
func (f *fitting) slopes(ctx context.Context, point, at []float64) (*mat.Dense, error) {
	const by = 0.02
	out := mat.NewDense(len(at), len(point), nil)
	for j := range point {
		next := slices.Clone(point)
		next[j] += by
		there, err := f.residuals(ctx, next)
		if err != nil {
			return nil, err
		}
		for i := range at {
			out.Set(i, j, (there[i]-at[i])/by)
		}
	}
	return out, nil
}

// direction is where to go from residuals with slopes: the solution of the damped normal
// equations, each residual weighed by how far it is.
func direction(slopes *mat.Dense, residuals []float64, damp float64) ([]float64, error) {
	rows, n := slopes.Dims()
	weighed := mat.NewDense(rows, n, nil)
	for i := range rows {
		w := 1 / math.Sqrt(1+residuals[i]*residuals[i]/(soft*soft))
		for j := range n {
			weighed.Set(i, j, w*slopes.At(i, j))
		}
	}
	var normal mat.Dense
	normal.Mul(weighed.T(), slopes)
	for j := range n {
		normal.Set(j, j, normal.At(j, j)*(1+damp))
	}
	var right, step mat.VecDense
	right.MulVec(weighed.T(), mat.NewVecDense(rows, residuals))
	right.ScaleVec(-1, &right)
	if err := step.SolveVec(&normal, &right); err != nil {
		return nil, fmt.Errorf("the rows do not say enough to calibrate with: %w", err)
	}
	return step.RawVector().Data, nil
}

// parallel does n things on all processors, and returns the first error.
func parallel(ctx context.Context, n int, do func(i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var wait sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wait.Go(func() {
			for i := range next {
				if err := do(i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wait.Wait()
	return context.Cause(ctx)
}
