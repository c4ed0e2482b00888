package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"freehold/internal/admin"
	"freehold/internal/cascade"
	"freehold/internal/config"
	"freehold/internal/regular"
	"freehold/internal/suggest"
)

// calibrated is the whole answer of route train --cascade.
type calibrated struct {
	Workload string   `json:"workload"`
	Rows     int      `json:"rows"`
	Target   float64  `json:"target"`
	Margin   *float64 `json:"margin"`
	Reason   string   `json:"reason,omitempty"`
	HeldOut  *keptAt  `json:"held_out,omitempty"`
	Chosen   *keptAt  `json:"chosen,omitempty"`
	Curve    []keptAt `json:"curve"`
}

// keptAt is what a margin keeps, and how good that is.
type keptAt struct {
	Margin     float64     `json:"margin"`
	Kept       int         `json:"kept"`
	Share      float64     `json:"share"`
	Accuracy   *float64    `json:"accuracy"`
	Accuracy95 *[2]float64 `json:"accuracy_95"`
}

func keptOf(p cascade.Point) keptAt {
	k := keptAt{Margin: p.Margin, Kept: p.Kept, Share: round4(p.Share)}
	if p.Kept > 0 {
		accuracy := round4(p.Accuracy)
		k.Accuracy, k.Accuracy95 = &accuracy, &[2]float64{round4(p.Low), round4(p.High)}
	}
	return k
}

// routeTrainCascade finds the margin of a workload's cascade.
func (p *program) routeTrainCascade(ctx context.Context, f trainFlags) error {
	switch {
	case f.weak+f.strong+f.from+f.name+f.out+f.traffic.Workload != "" || f.use || f.force:
		return usagef("--cascade takes --data, --since and --target only: it finds a number for config.yaml, and trains no model")
	case len(f.data) > 0 && !f.traffic.Since.IsZero():
		return usagef("--since is about answers of this server, and --data about others: give one of them")
	case f.target <= 0 || f.target >= 1:
		return usagef("--target is %v: give a share between 0 and 1", f.target)
	}
	if err := p.hasCascade(f.cascade); err != nil {
		return err
	}
	samples, err := p.cascadeSamples(ctx, f)
	if err != nil {
		return err
	}
	c, err := cascade.Calibrate(samples, f.target)
	var none *cascade.NoMarginError
	if err != nil && !errors.As(err, &none) {
		return err
	}
	out := calibrated{Workload: f.cascade, Rows: c.Samples, Target: c.Target, Curve: []keptAt{}}
	for _, point := range c.Curve {
		out.Curve = append(out.Curve, keptOf(point))
	}
	if c.HeldOut.Kept > 0 {
		held := keptOf(c.HeldOut)
		out.HeldOut = &held
	}
	if none != nil {
		out.Reason = none.Reason
	} else {
		chosen := keptOf(c.Chosen)
		out.Margin, out.Chosen = &c.Margin, &chosen
	}
	if p.json {
		err = printJSON(p.out, out)
	} else {
		p.printCalibrated(&out)
		err = nil
	}
	if err == nil && none != nil {
		err = errNo
	}
	return err
}

// cascadeSamples are the answers of the files, or, without any, those that this
// server has on record with what callers said of them.
func (p *program) cascadeSamples(ctx context.Context, f trainFlags) ([]cascade.Sample, error) {
	var samples []cascade.Sample
	for _, name := range f.data {
		file, _, err := regular.Open(name)
		if err != nil {
			return nil, err
		}
		rows, err := cascade.ReadSamples(name, file)
		if err = errors.Join(err, file.Close()); err != nil {
			return nil, err
		}
		samples = append(samples, rows...)
	}
	if len(f.data) > 0 {
		return samples, nil
	}
	since := f.traffic.Since
	if since.IsZero() {
		since = p.clock().AddDate(0, 0, -30)
	}
	out, err := call(ctx, p, admin.Cascaded, admin.CascadedIn{Workload: f.cascade, Since: since})
	for _, a := range out.Answers {
		samples = append(samples, cascade.Sample{Margin: a.Margin, Score: a.Score})
	}
	return samples, err
}

// hasCascade refuses a workload that is not there, or whose cascade has no use
// for a margin. Without a configuration any name will do.
func (p *program) hasCascade(name string) error {
	if _, _, err := p.shelf(); err != nil {
		return err
	}
	cfg := p.glance()
	if cfg == nil {
		return nil
	}
	w := cfg.Workloads[name]
	if w == nil {
		return hintedf(suggest.Hint(name, slices.Sorted(maps.Keys(cfg.Workloads))), "there is no workload %q in %s", name, p.configPath())
	}
	if w.Cascade == nil || w.Cascade.By != config.ByLogprobs {
		return hintedf("a margin is for workloads."+name+".cascade: {model: ..., by: logprobs}", "the workload %s has no cascade by logprobs", name)
	}
	return nil
}

func (p *program) printCalibrated(c *calibrated) {
	if len(c.Curve) > 0 {
		t := table{columns: []column{{head: "MARGIN", right: true, keep: true}, {head: "KEPT", right: true, keep: true}, {head: "SHARE", right: true, keep: true}, {head: "GOOD (95 %)", keep: true}}}
		row := func(name string, k *keptAt) {
			t.row(name, strconv.Itoa(k.Kept), fmt.Sprintf("%.0f %%", 100*k.Share), within(k.Accuracy, k.Accuracy95, 1))
		}
		for i := range c.Curve {
			row(fmt.Sprintf("%.2f", c.Curve[i].Margin), &c.Curve[i])
		}
		if c.Chosen != nil {
			row(fmt.Sprintf("-> %.3g", c.Chosen.Margin), c.Chosen)
		}
		if c.HeldOut != nil {
			row("held out", c.HeldOut)
		}
		p.print(&t)
	}
	if c.Margin == nil {
		fmt.Fprintln(p.err, tame(c.Reason))
		return
	}
	fmt.Fprintf(p.out, "\n%s answers; for answers of which %.3g are good, put into config.yaml:\n\n  workloads.%s.cascade.margin: %s\n",
		count(int64(c.Rows)), c.Target, tame(c.Workload), strconv.FormatFloat(*c.Margin, 'g', -1, 64))
}
