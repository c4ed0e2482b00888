package capacity

import (
	"errors"
	"fmt"
	"math"
)

// SLO is what 95 of 100 requests are to keep; 0: any time will do.
type SLO struct{ TTFT, TPOT Seconds }

// Check says what about a server cannot be.
func (s *Server) Check() error {
	if err := s.Model.Check(); err != nil {
		return err
	}
	switch {
	case s.GPUs < 1 || s.GPUs > s.GPU.Most:
		return fmt.Errorf("%d x %s: a server has 1 to %d", s.GPUs, s.GPU.Name, s.GPU.Most)
	case s.Slots < 1 || s.Chunk < 1:
		return fmt.Errorf("a server runs %d sequences and takes %d tokens a step; both must be at least 1", s.Slots, s.Chunk)
	}
	return nil
}

// TooSlow says that a server does not keep an SLO even for one request at a time.
type TooSlow struct {
	Server     string
	TTFT, TPOT Seconds
	SLO        SLO
}

func (e *TooSlow) Error() string {
	return fmt.Sprintf("%s takes %.0f ms to the first token and %.1f ms between tokens where one request runs at a time; the limits are %.0f and %.1f", e.Server, e.TTFT*1000, e.TPOT*1000, e.SLO.TTFT*1000, e.SLO.TPOT*1000)
}

// Name of a server: 2 x H100 SXM, fp8.
func (s *Server) Name() string {
	return fmt.Sprintf("%d x %s, %s", s.GPUs, s.GPU.Name, s.Precision.Name)
}

// keeps reports whether an outcome keeps an SLO.
func (slo SLO) keeps(o Outcome) bool {
	return (slo.TTFT <= 0 || o.TTFT.P95 <= slo.TTFT) && (slo.TPOT <= 0 || o.TPOT.P95 <= slo.TPOT)
}

// probe is how many requests a rate is tried with.
const probe = 600

// Most is the highest rate, in requests a second, at which a server keeps an SLO and does
// not fall behind, to about 2 %, and what it is like there.
func (s *Server) Most(input, output int, slo SLO) (float64, Outcome, error) {
	if input < 0 || output < 1 {
		return 0, Outcome{}, errors.New("a request has at least one token of output")
	}
	alone := Simulate(s, []Request{{Input: input, Output: output}})
	if !slo.keeps(alone) {
		return 0, alone, &TooSlow{s.Name(), alone.TTFT.P50, alone.TPOT.P50, slo}
	}
	var best Outcome
	carries := func(rate float64) bool {
		o := Simulate(s, Poisson(rate, probe, input, output, 1))
		// Whoever keeps up ends one answer after the last arrival; one that is loaded takes longer.
		due := Seconds(probe/rate) + 4*alone.Took
		ok := o.Took <= due*1.05 && slo.keeps(o)
		if ok {
			best = o
		}
		return ok
	}
	low, high := 0.0, 1/float64(alone.Took)
	for carries(high) && high < 1e6 {
		low, high = high, 2*high
	}
	for range 60 {
		if low > 0 && high < low*1.02 {
			break
		}
		mid := (low + high) / 2
		if carries(mid) {
			low = mid
		} else {
			high = mid
		}
		if high < 1e-9 {
			break
		}
	}
	return low, best, nil
}

// Hour is an hour of traffic: requests, and tokens of one on average.
type Hour struct{ Requests, Input, Output float64 }

// Need is how many servers traffic needs.
type Need struct {
	Server  *Server
	Servers int     // at the peak
	Hours   []int   // in each hour, where they can be had by the hour
	Most    float64 // requests a second that one of them carries at the peak's mix
	Peak    float64 // requests a second, at the peak, headroom included
	// Utilisation is how much of the peak's servers is used, over all hours; of what could be had by the hour it is Elastic.
	Utilisation, Elastic float64
}

// MostHours bounds traffic: ten years.
const MostHours = 10 * 366 * 24

// ErrNoTraffic says that nothing was asked.
var ErrNoTraffic = errors.New("there is no traffic: nothing was asked in any hour")

// Needs says how many servers traffic needs, with so much headroom (0.2: a fifth) over
// each hour's rate. Hours with another mix of input and output are measured by what a
// server carries of that mix.
func (s *Server) Needs(hours []Hour, slo SLO, headroom float64) (*Need, error) {
	if len(hours) > MostHours {
		return nil, fmt.Errorf("%d hours are more than ten years", len(hours))
	}
	if !(headroom >= 0 && headroom <= 10) {
		return nil, fmt.Errorf("a headroom of %v is none: 0.2 is a fifth", headroom)
	}
	type mix struct{ in, out int }
	carried := map[mix]float64{}
	out := &Need{Server: s, Hours: make([]int, len(hours)), Servers: 1}
	share, asked, peak := 0.0, false, 0.0
	loads := make([]float64, len(hours)) // servers' worth of work
	for i, h := range hours {
		if !(h.Requests >= 0 && h.Input >= 0 && h.Output >= 0) || math.IsInf(h.Requests+h.Input+h.Output, 0) {
			return nil, fmt.Errorf("hour %d: %v requests of %v and %v tokens cannot be", i, h.Requests, h.Input, h.Output)
		}
		if h.Requests == 0 {
			continue
		}
		asked = true
		m := mix{round(h.Input, 0), round(h.Output, 1)}
		most, ok := carried[m]
		if !ok {
			var err error
			if most, _, err = s.Most(m.in, m.out, slo); err != nil {
				return nil, err
			}
			carried[m] = most
		}
		rate := h.Requests / 3600
		loads[i] = rate / most
		out.Hours[i] = max(1, int(math.Ceil(loads[i]*(1+headroom)-1e-9)))
		if loads[i] > peak {
			peak, out.Most, out.Peak = loads[i], most, rate*(1+headroom)
		}
		out.Servers = max(out.Servers, out.Hours[i])
	}
	if !asked {
		return nil, ErrNoTraffic
	}
	had := 0
	for i := range hours {
		share += loads[i]
		had += out.Hours[i]
	}
	out.Utilisation = share / float64(out.Servers*len(hours))
	out.Elastic = share / float64(had)
	return out, nil
}

// round is a number of tokens in steps of a quarter, so that hours that hardly differ are
// tried once.
func round(tokens float64, least int) int {
	if tokens < 1 {
		return least
	}
	return max(least, int(math.Round(math.Pow(1.25, math.Round(math.Log(tokens)/math.Log(1.25))))))
}
