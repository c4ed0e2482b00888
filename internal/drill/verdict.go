package drill

import "fmt"

// judge says what the figures prove.
func (r *Report) judge(d *Drill) {
	who := "the provider"
	if d.Plan.Kind == Exit {
		who = "the vendor"
	}
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
	default:
		r.Verdict, r.Why = Passed, fmt.Sprintf("%d of %d requests were hit, and each was answered", r.Hit, r.Requests)
	}
}
