package drill

import (
	"fmt"
	"slices"
	"time"
)

// judge says what the figures prove. unjudged are requests that a slow provider
// answered, later, and of which no SLO says whether that is soon enough.
func (r *Report) judge(d *Drill, unjudged int) {
	who := "the provider"
	if d.Plan.Kind == Exit {
		who = "the vendor"
	}
	late := slices.IndexFunc(r.Promises, func(p Promise) bool { return !p.Kept })
	switch {
	case len(r.Outside) > 0:
		r.Verdict, r.Why = NotPassed, fmt.Sprintf("bytes of %d attempts went where the data may not go", len(r.Outside))
	case r.Errors > 0:
		r.Verdict, r.Why = NotPassed, fmt.Sprintf("clients saw an error at %d of %d requests", r.Errors, r.Hit)
	case r.Needed > 0:
		r.Verdict, r.Why = NotPassed, fmt.Sprintf("%d of %d requests could be answered by %s only", r.Needed, r.Hit, who)
	case r.Hit == 0:
		r.Verdict, r.Why = Nothing, "no request was hit: nothing is proven"
	case d.State == Interrupted:
		r.Verdict, r.Why = Nothing, fmt.Sprintf("freehold ended before the drill did; until then %d requests got on without %s", r.Hit, who)
	case late >= 0:
		r.Verdict, r.Why = NotPassed, fmt.Sprintf("too slow: %s%s", r.Promises[late], r.stayed(d))
	case unjudged > 0:
		r.Verdict, r.Why = Nothing, fmt.Sprintf("nothing is proven%s; no timeout or hedge was shorter, and no SLO (workloads.W.slo) says how slow is too slow", r.stayed(d))
	case len(r.Promises) > 0:
		r.Verdict, r.Why = Passed, fmt.Sprintf("%d of %d requests were hit, and the SLO was kept: %s%s", r.Hit, r.Requests, r.Promises[0], r.stayed(d))
	default:
		r.Verdict, r.Why = Passed, fmt.Sprintf("%d of %d requests were hit, and each was answered", r.Hit, r.Requests)
	}
}

// stayed says how many requests a slow provider kept.
func (r *Report) stayed(d *Drill) string {
	if r.Stayed == 0 {
		return ""
	}
	return fmt.Sprintf("; not failed over: %d of %d requests were slower by %v", r.Stayed, r.Hit, d.Plan.Delay)
}

// String says it for people.
func (p Promise) String() string {
	return fmt.Sprintf("%s: p%g of the %s is %s, the SLO is %s", p.Workload, p.Percentile, p.What, shortly(p.Seen), shortly(p.Limit))
}

func shortly(ms float64) time.Duration {
	return time.Duration(ms * float64(time.Millisecond)).Round(time.Millisecond)
}
