package learn

import "math"

// lbfgs minimizes a smooth function from a starting point by limited-memory
// BFGS (Nocedal 1980), in so many rounds at most.
func lbfgs(start []float64, f func(x, grad []float64) float64, rounds int) []float64 {
	const memory = 8
	n := len(start)
	x := append([]float64(nil), start...)
	g := make([]float64, n)
	value := f(x, g)
	type step struct {
		s, y []float64
		rho  float64
	}
	var past []step
	next, nextGrad, dir := make([]float64, n), make([]float64, n), make([]float64, n)
	for range rounds {
		for i := range g {
			dir[i] = -g[i]
		}
		alpha := make([]float64, len(past))
		for i := len(past) - 1; i >= 0; i-- {
			alpha[i] = past[i].rho * dot(past[i].s, dir)
			axpy(-alpha[i], past[i].y, dir)
		}
		if m := len(past); m > 0 {
			scale(1/(past[m-1].rho*dot(past[m-1].y, past[m-1].y)), dir)
		} else {
			scale(1/max(1, math.Sqrt(dot(g, g))), dir)
		}
		for i, p := range past {
			axpy(alpha[i]-p.rho*dot(p.y, dir), p.s, dir)
		}
		slope := dot(g, dir)
		if slope >= 0 {
			return x
		}
		t, found := 1.0, false
		var now float64
		for range 30 {
			for i := range next {
				next[i] = x[i] + t*dir[i]
			}
			now = f(next, nextGrad)
			if now <= value+1e-4*t*slope {
				found = true
				break
			}
			t /= 2
		}
		if !found {
			return x
		}
		var st step
		if len(past) == memory {
			st, past = past[0], past[1:]
		} else {
			st = step{make([]float64, n), make([]float64, n), 0}
		}
		for i := range x {
			st.s[i], st.y[i] = next[i]-x[i], nextGrad[i]-g[i]
		}
		if sy := dot(st.s, st.y); sy > 1e-12 {
			st.rho = 1 / sy
			past = append(past, st)
		}
		gain := value - now
		x, next = next, x
		g, nextGrad = nextGrad, g
		value = now
		if gain <= 1e-7*math.Abs(value) {
			break
		}
	}
	return x
}

func dot(a, b []float64) float64 {
	var s float64
	for i, v := range a {
		s += float64(v * b[i])
	}
	return s
}

func axpy(k float64, x, y []float64) {
	for i, v := range x {
		y[i] += float64(k * v)
	}
}

func scale(k float64, x []float64) {
	for i := range x {
		x[i] *= k
	}
}
