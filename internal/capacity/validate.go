package capacity

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// Scored is a row and what was said of it by a calibration without all rows of its
// hardware and model.
type Scored struct {
	Row      Measured
	Said     Outcome
	Excluded string // the hardware and model that were left out
	By       Calibration
}

// Error is that of throughput, as a share.
func (s *Scored) Error() float64 { return off(s.Said.Throughput, s.Row.Throughput) }

// TPOT is the error of the time between tokens.
func (s *Scored) TPOT() float64 { return off(float64(s.Said.TPOT.P50), float64(s.Row.TPOT)) }

// TTFT is the error of the time to the first token.
func (s *Scored) TTFT() float64 { return off(float64(s.Said.TTFT.Mean), float64(s.Row.TTFT)) }

func off(said, was float64) float64 { return math.Abs(said/was - 1) }

// Validate says of each row what a calibration on all others says, whereby all rows of one
// hardware and model are left out together. Progress is told how many of how many are
// done; nil: nobody is.
func Validate(ctx context.Context, rows []Measured, progress func(done, of int)) ([]Scored, error) {
	var groups []string
	name := func(r *Measured) string { return r.GPU.Name + ", " + r.Model.Name }
	for i := range rows {
		if g := name(&rows[i]); !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	if len(groups) < 2 {
		return nil, fmt.Errorf("all rows are of %s: there is nothing to calibrate with when those are left out", groups)
	}
	out := make([]Scored, len(rows))
	for n, group := range groups {
		if progress != nil {
			progress(n, len(groups))
		}
		var others []Measured
		for i := range rows {
			if name(&rows[i]) != group {
				others = append(others, rows[i])
			}
		}
		c, err := Fit(ctx, others)
		if err != nil {
			return nil, fmt.Errorf("without %s: %w", group, err)
		}
		for i := range rows {
			if name(&rows[i]) != group {
				continue
			}
			said, err := rows[i].Predict(c)
			if err != nil {
				return nil, err
			}
			out[i] = Scored{Row: rows[i], Said: said, Excluded: group, By: c}
		}
	}
	if progress != nil {
		progress(len(groups), len(groups))
	}
	return out, nil
}

// Median of an error over rows; NaN of none.
func Median(all []Scored, errorOf func(*Scored) float64) float64 {
	if len(all) == 0 {
		return math.NaN()
	}
	var errs []float64
	for i := range all {
		errs = append(errs, errorOf(&all[i]))
	}
	slices.Sort(errs)
	n := len(errs)
	return (errs[(n-1)/2] + errs[n/2]) / 2
}
