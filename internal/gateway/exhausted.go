package gateway

import (
	"time"

	"freehold/internal/fault"
	"freehold/internal/fleet"
)

// exhausted is the fault of a request of which every candidate failed.
func (x *exchange) exhausted() error {
	f := &fault.Error{Kind: fault.Exhausted, Message: "every deployment that may answer has failed"}
	var worst *fault.Error
	count := map[fault.Kind]int{}
	total := 0
	for _, c := range x.candidates() {
		e := x.faults[c.Name]
		if e == nil {
			continue
		}
		total++
		count[groupOf(e.Kind)]++
		worst = e
		what := string(e.Kind)
		if redirect(e.ProviderStatus) {
			what = "a redirect, which is not followed"
		}
		f.Hint += sep(f.Hint) + c.Name + ": " + what
	}
	f.Cause, f.RetryAfter = worst, x.soonest()
	switch total {
	case 0:
		return f
	case count[fault.Unsupported], count[fault.Quota]:
		return worst
	case count[fault.FirstTokenTime]:
		f.Status, f.Code = 504, "upstream_timeout"
		f.Message = "no deployment answered in time"
	case count[fault.Credentials]:
		f.Status, f.Code = 502, "upstream_credentials"
		f.Message = "the providers refuse this gateway's credentials or do not have the model: this is not your key"
		f.NoRetry, f.RetryAfter = true, 0
	case count[fault.Shed]:
		if worst.Code == fullCode {
			return worst
		}
		f.Kind = fault.Shed
		f.Message = "no deployment has room for another request now"
	case count[fault.ContentFilter], count[fault.PolicyDenied]:
		return worst
	}
	return f
}

func sep(s string) string {
	if s == "" {
		return ""
	}
	return "; "
}

// groupOf joins kinds of one meaning for the client.
func groupOf(k fault.Kind) fault.Kind {
	switch k {
	case fault.ConnectTimeout, fault.FirstTokenTime, fault.IdleTimeout:
		return fault.FirstTokenTime
	case fault.Credentials, fault.Billing, fault.ModelMissing:
		return fault.Credentials
	}
	return k
}

// soonest is the wait, a second at least, until one of the deployments that may
// answer the request may do so: those that failed, and those that were not
// worth asking.
func (x *exchange) soonest() time.Duration {
	now := x.g.Clock()
	soonest := time.Duration(-1)
	note := func(wait time.Duration) {
		if soonest < 0 || wait < soonest {
			soonest = wait
		}
	}
	for _, c := range x.candidates() {
		if e := x.faults[c.Name]; e != nil && fault.BlameOf(e.Kind) == fault.Provider {
			note(waitAfter(c.Deployment, e, now))
		}
	}
	for i := range x.plan.Excluded {
		if e := &x.plan.Excluded[i]; e.Down {
			if v := e.Deployment.Health.Check(now); v.OK || v.Until.After(now) {
				note(max(0, v.Until.Sub(now)))
			}
		}
	}
	return max(soonest, time.Second)
}

// waitAfter is when a deployment may answer after it failed with e. A breaker
// counts only if it is open for the same cause: one that an earlier trouble
// opened did not keep the deployment from being asked just now.
func waitAfter(d *fleet.Deployment, e *fault.Error, now time.Time) time.Duration {
	wait := e.RetryAfter
	if ring := d.Provider.Keys; e.Kind == fault.ProviderLimit && ring.Len() > 1 {
		_, at, ok := ring.Pick(now)
		if wait = 0; !ok {
			wait = at.Sub(now)
		}
	}
	if v := d.Health.Check(now); !v.OK && v.Cause == string(e.Kind) && v.Until.After(now) {
		wait = max(wait, v.Until.Sub(now))
	}
	return wait
}
