package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"freehold/internal/policy"
)

// Perimeter is whether the records may go to the target, by the rules that requests go
// by, and what is known of both ends.
type Perimeter struct {
	Verdict string   `json:"verdict"`
	Why     string   `json:"why,omitempty"`
	Classes []string `json:"classes,omitempty"` // whose rules were asked
	Source  string   `json:"source"`
	Target  string   `json:"target"`
}

// The verdicts.
const (
	Allowed   = "allowed"
	Forbidden = "forbidden"
	NoRules   = "no rules" // there are no data classes, so that nothing is forbidden
)

// End is an end of a copy as policy knows it. Known is false where nobody has said
// anything of it.
type End struct {
	Place policy.Place
	Known bool
}

// Rules are what [Rules.Judge] goes by.
type Rules struct {
	Classes policy.Classes
	// Data are the classes of the records. None: all there are, so that the strictest
	// holds.
	Data           []string
	Source, Target End
	Now            time.Time
}

// Judge asks policy whether the records may go to the target. A class that there is
// not is an error.
func (r *Rules) Judge() (Perimeter, error) {
	out := Perimeter{Source: r.Source.String(), Target: r.Target.String()}
	names := r.Data
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(r.Classes))
	}
	rule, err := r.Classes.Perimeter(names...)
	if err != nil {
		return out, err
	}
	out.Classes = rule.Names()
	permit, why := rule.Permit(r.Target.Place, r.Now)
	switch {
	case !permit.Allows(r.Target.Place.Provider):
		out.Verdict, out.Why = Forbidden, why
		if !r.Target.Known {
			out.Why += "; nothing is known of it, since it is not under stores: in config.yaml"
		}
	case len(r.Classes) == 0:
		out.Verdict, out.Why = NoRules, "there are no data classes in config.yaml"
	default:
		out.Verdict = Allowed
	}
	if len(r.Data) == 0 && out.Verdict == Forbidden {
		out.Why += "; the records have no data class of their own, so all of them hold"
	}
	return out, nil
}

// String says what is known of a place.
func (e *End) String() string {
	p := &e.Place
	if !e.Known {
		return p.Provider + ": unknown"
	}
	inside := "outside"
	if p.Inside {
		inside = "inside"
	}
	fact := func(what, v string) string {
		if v == "" {
			return what + " unknown"
		}
		return what + " " + v
	}
	return fmt.Sprintf("%s: %s", p.Provider, strings.Join([]string{inside, fact("jurisdiction", p.Jurisdiction), fact("region", p.Region)}, ", "))
}

// Check refuses what the perimeter forbids and the plan does not allow in spite of it.
func (p *Plan) Check(now *Perimeter) error {
	if now.Verdict != Forbidden || p.AllowForbidden {
		return nil
	}
	return fmt.Errorf("the records may not go there: %s. Say under stores: in config.yaml what is known of the target; "+
		"or name the data class that they have with --data; or set allow_forbidden: true in the plan, if it is to be so", now.Why)
}
