package aside

import (
	"net/http"
	"time"

	"freehold/internal/dialect"
	"freehold/internal/fleet"
	"freehold/internal/gateway"
	"freehold/internal/judge"
)

// unbounded is how long an answer is taken to be that nothing bounds, in tokens.
const unbounded = 8192

// Bounds says what calls cost at most; a [*gateway.Gateway] does.
type Bounds interface {
	Most(c *gateway.Call, of []*fleet.Deployment, more int, otherwise int64) gateway.Most
}

// Most is the most that one answer of a model to a request of a route costs, asked as
// [Asker.Request] does. The call is left as it is.
func Most(b Bounds, f *fleet.Fleet, route *fleet.Route, m *fleet.Model, call *gateway.Call, now time.Time) gateway.Most {
	return most(b, f, route.Only(m), m, call, 0, now)
}

// MostJudge is the most that one question to a judging model costs whose texts have so
// many bytes, asked as [Asker.Judge] does.
func MostJudge(b Bounds, codec dialect.Codec, f *fleet.Fleet, route *fleet.Route, m *fleet.Model, bytes int, now time.Time) gateway.Most {
	raw, err := question(m.Name, judge.Prompt{System: "s", User: "u"})
	if err != nil {
		return gateway.Most{Why: err.Error()}
	}
	only := route.Only(m)
	plain(only)
	return most(b, f, only, m, &gateway.Call{Op: judging, Codec: codec, Raw: raw}, bytes, now)
}

// Most is the most that [Asker.Request] costs.
func (a *Asker) Most(workload, model string, call *gateway.Call) gateway.Most {
	f, route, m, gone := a.named(workload, model)
	if gone != nil {
		return gateway.Most{Why: gone.Error()}
	}
	return Most(a.Bounds, f, route, m, call, a.Clock())
}

// MostJudge is the most that [Asker.Judge] costs with texts of so many bytes.
func (a *Asker) MostJudge(workload, model string, bytes int) gateway.Most {
	f, route, m, gone := a.named(workload, model)
	if gone != nil {
		return gateway.Most{Why: gone.Error()}
	}
	return MostJudge(a.Bounds, a.Codec, f, route, m, bytes, a.Clock())
}

func most(b Bounds, f *fleet.Fleet, only *fleet.Route, m *fleet.Model, call *gateway.Call, more int, now time.Time) gateway.Most {
	of, why := permitted(f, only, m, now)
	if len(of) == 0 {
		return gateway.Most{Why: why}
	}
	c := *call
	c.Fleet, c.Received, c.Aside = f, now, &gateway.Aside{Route: only}
	if c.Header == nil {
		c.Header = http.Header{}
	}
	return b.Most(&c, of, more, unbounded)
}

// permitted are the deployments of a model to which the data of a route may go; where
// it may go to none, why says so.
func permitted(f *fleet.Fleet, route *fleet.Route, m *fleet.Model, now time.Time) (of []*fleet.Deployment, why string) {
	perimeter, err := f.Classes.For(nil, route.Classes...)
	if err != nil {
		return nil, err.Error()
	}
	why = "it has no deployment"
	for _, d := range m.Deployments {
		if _, no := perimeter.Permit(d.Provider.Place, now); no != "" {
			why = no
		} else {
			of = append(of, d)
		}
	}
	return of, why
}
