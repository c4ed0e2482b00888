package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"freehold/internal/admin"
	"freehold/internal/drill"
)

// stopLimit is how long the end of a drill may take that a person stops.
const stopLimit = 30 * time.Second

// follow shows a drill until it has ended. When ctx ends first, the drill is
// stopped.
func (p *program) follow(ctx context.Context, s *admin.Client, d admin.Drill) (admin.DrillOut, error) {
	view := p.watchDrill(&d)
	defer view.close()
	in := admin.DrillIn{ID: d.ID, WaitSeconds: 1}
	for {
		out, err := admin.DrillShow.Call(ctx, s, in)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return out, fmt.Errorf("the drill goes on without being watched, until %s UTC: %w", at(d.Until), err)
		}
		if view.show(&out); out.State != string(drill.Running) {
			return out, nil
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer cancel()
	fmt.Fprintln(p.err, "stopping the drill")
	var refused *admin.Error
	_, err := admin.DrillStop.Call(ctx, s, admin.DrillStopIn{Reason: "interrupted by whoever started it"})
	if err != nil && !(errors.As(err, &refused) && refused.Code == admin.CodeConflict) { // it has ended by itself
		return admin.DrillOut{}, fmt.Errorf("the drill could not be stopped, and goes on until %s UTC: %w", at(d.Until), err)
	}
	in.WaitSeconds = 0
	return admin.DrillShow.Call(ctx, s, in)
}

// drillView shows how far a drill has come: a bar on a terminal, lines elsewhere.
type drillView struct {
	p     *program
	d     *admin.Drill
	bars  *mpb.Progress // nil: lines
	bar   *mpb.Bar
	so    admin.DrillNow
	said  admin.DrillNow
	since time.Time // of the last line
}

func (p *program) watchDrill(d *admin.Drill) *drillView {
	v := &drillView{p: p, d: d, since: p.clock()}
	for _, why := range d.Vendor {
		fmt.Fprintln(p.err, "vendor", tame(why))
	}
	fmt.Fprintf(p.err, "drill %s until %s UTC, or Ctrl-C\n", d.ID, at(d.Until))
	if terminal(p.err) {
		v.bars = mpb.New(mpb.WithOutput(p.err), mpb.WithWidth(24))
		v.bar = v.bars.AddBar(int64(d.ForSeconds*1000), mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return progressOf(v.so) })))
	}
	return v
}

func progressOf(n admin.DrillNow) string {
	return fmt.Sprintf("%s hit, %s failed over, %s", plural(int(n.Hit), "request"), count(n.FailedOver), plural(int(n.Errors), "error"))
}

func (v *drillView) show(d *admin.DrillOut) {
	if d.Now != nil {
		v.so = *d.Now
	}
	if v.bar != nil {
		v.bar.SetCurrent(v.p.clock().Sub(v.d.Started).Milliseconds())
		return
	}
	if now := v.p.clock(); v.so != v.said && now.Sub(v.since) >= 5*time.Second {
		v.said, v.since = v.so, now
		fmt.Fprintln(v.p.err, progressOf(v.so))
	}
}

func (v *drillView) close() {
	if v.bars != nil {
		v.bar.Abort(false)
		v.bars.Wait()
	}
}
