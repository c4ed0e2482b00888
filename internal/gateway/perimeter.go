package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"freehold/internal/detect"
	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/ledger"
	"freehold/internal/llm"
	"freehold/internal/policy"
	"freehold/internal/upstream"
)

// bound decides to which places the request's bytes may go: by the data classes
// of workload, key and header, by its tenant, and by what detectors find in it.
// All of them only narrow.
func (x *exchange) bound(ctx context.Context) error {
	c := x.call
	tenant, err := c.Fleet.Tenants.Find(c.Caller.KeyID, c.Caller.KeyName, c.Header)
	if err != nil {
		var t *fleet.TenantError
		errors.As(err, &t)
		return &fault.Error{Kind: fault.PolicyDenied, Code: t.Code, Message: t.Message, NoRetry: true, Cause: err}
	}
	var classes []string
	detectors := c.Fleet.Detectors
	if x.route != nil {
		classes, detectors = x.route.Classes, x.route.Detectors
		if x.route.Tenant && tenant == nil {
			return &fault.Error{Kind: fault.PolicyDenied, Code: "tenant_required", NoRetry: true,
				Message: "the workload " + x.route.Workload + " serves tenants, and the request is no tenant's"}
		}
	}
	if tenant != nil {
		x.row.Tenant = tenant.Name
	}
	classes = slices.Concat(classes, c.Caller.Classes, c.Classes)
	if err := x.govern(tenant, classes); err != nil || detectors == nil {
		return err
	}
	more, err := x.detect(ctx, detectors)
	if err != nil || len(more) == 0 {
		return err
	}
	return x.govern(tenant, append(classes, more...))
}

// govern makes the perimeter.
func (x *exchange) govern(tenant *policy.Tenant, classes []string) error {
	perimeter, err := x.call.Fleet.Classes.For(tenant, classes...)
	if err != nil {
		return &fault.Error{Kind: fault.PolicyDenied, Code: "unknown_data_class", Message: err.Error(),
			Hint: "define the class under data_classes, or send a class that is defined", NoRetry: true}
	}
	x.perimeter = perimeter
	x.row.DataClasses = perimeter.Names()
	return nil
}

// detect looks at the request's text and returns the data classes that what it
// finds adds. What was found goes on record by its kind and number. An external
// detector that gives no answer counts as one that has found something.
func (x *exchange) detect(ctx context.Context, d *fleet.Detectors) (classes []string, err error) {
	hits := x.hits(d)
	hits, silent, err := x.external(ctx, d, hits)
	if err != nil {
		return nil, err
	}
	counts := x.count(d, hits)
	for i := range d.List {
		one := &d.List[i]
		if silent>>i&1 != 0 {
			counts[i] = map[string]int64{unavailable: 1}
			if one.Action != fleet.Tighten && err == nil {
				err = &fault.Error{Kind: fault.PolicyDenied, Code: "detector_unavailable", Status: http.StatusServiceUnavailable, RetryAfter: time.Second,
					Message: "detector " + one.Name + " gave no answer, and the request does not leave without one"}
			}
		}
		if counts[i] == nil {
			continue
		}
		kinds := make([]string, 0, len(counts[i]))
		for kind, n := range counts[i] {
			kinds = append(kinds, kind)
			x.row.Detected = append(x.row.Detected, ledger.Detection{Detector: one.Name, Kind: kind, Count: n, Action: string(one.Action)})
		}
		slices.Sort(kinds)
		switch {
		case one.Action == fleet.Tighten:
			classes = append(classes, one.Classes...)
		case one.Action == fleet.Block && err == nil:
			err = &fault.Error{Kind: fault.PolicyDenied, Code: "detector", NoRetry: true,
				Message: "detector " + one.Name + " blocks the request: it holds " + strings.Join(kinds, ", ")}
		}
	}
	slices.SortFunc(x.row.Detected, func(a, b ledger.Detection) int {
		return strings.Compare(a.Detector+" "+a.Kind, b.Detector+" "+b.Kind)
	})
	if err == nil {
		err = x.redact(d, hits)
	}
	return classes, err
}

// unavailable is the kind on record for an external detector that gave no answer.
const unavailable = "unavailable"

// external adds to hits what external detectors find. silent are those that gave
// no answer, one bit each. An error is of the request itself: its client has left.
func (x *exchange) external(ctx context.Context, d *fleet.Detectors, hits []detect.Hit) (_ []detect.Hit, silent uint64, _ error) {
	if !slices.ContainsFunc(d.List, func(one fleet.Detector) bool { return one.Remote != nil }) {
		return hits, 0, nil
	}
	if x.dry {
		for i := range d.List {
			if d.List[i].Remote != nil {
				x.unasked = append(x.unasked, &d.List[i])
			}
		}
		return hits, 0, nil
	}
	more, silent := x.askAll(ctx, d)
	if ctx.Err() != nil {
		return nil, 0, context.Cause(ctx)
	}
	if len(more) > 0 {
		hits = append(hits, more...)
		detect.Sort(hits)
	}
	return hits, silent, nil
}

// askAll asks all external detectors at once.
func (x *exchange) askAll(ctx context.Context, d *fleet.Detectors) (hits []detect.Hit, silent uint64) {
	var asked sync.WaitGroup
	var mu sync.Mutex
	for i := range d.List {
		one := &d.List[i]
		if one.Remote == nil {
			continue
		}
		asked.Go(func() {
			found, err := x.ask(ctx, one)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				if silent |= 1 << i; ctx.Err() != nil {
					return // the client has left
				}
				x.g.Log.Warn("a detector gave no answer", "request_id", x.call.ID, "detector", one.Name, "action", one.Action, "error", err)
				return
			}
			for _, h := range found {
				h.Rules = 1 << i
				hits = append(hits, h)
			}
		})
	}
	asked.Wait()
	return hits, silent
}

// ask asks one external detector.
func (x *exchange) ask(ctx context.Context, d *fleet.Detector) ([]detect.Hit, error) {
	if x.body == nil { // of a raw path
		return d.Remote.Text(ctx, x.call.Raw, x.way...)
	}
	return d.Remote.JSON(ctx, x.call.Raw)
}

// found says which detectors narrowed the perimeter, for who is refused by it.
func (x *exchange) found() string {
	var b strings.Builder
	for i := range x.row.Detected {
		if d := &x.row.Detected[i]; d.Action == string(fleet.Tighten) {
			if d.Kind == unavailable {
				b.WriteString("; detector " + d.Detector + " gave no answer")
				continue
			}
			b.WriteString("; detector " + d.Detector + " found " + d.Kind)
		}
	}
	return b.String()
}

// hits are what is found in the request's text.
func (x *exchange) hits(d *fleet.Detectors) []detect.Hit {
	if x.body == nil { // of a raw path
		hits := d.Set.Text(x.call.Raw)
		for _, way := range x.way {
			for _, h := range d.Set.Text([]byte(way)) {
				h.Start, h.End = 0, 0 // it is no place in the body
				hits = append(hits, h)
			}
		}
		return hits
	}
	return d.Set.JSON(x.call.Raw)
}

// count counts what each detector finds, by kind; nil for one that finds nothing.
func (x *exchange) count(d *fleet.Detectors, hits []detect.Hit) []map[string]int64 {
	counts := make([]map[string]int64, len(d.List))
	count := func(i int, kind string) {
		if counts[i] == nil {
			counts[i] = map[string]int64{}
		}
		counts[i][kind]++
	}
	for _, h := range hits {
		for i := range d.List {
			if h.Rules>>i&1 != 0 {
				count(i, h.Kind)
			}
		}
	}
	if x.opaque() {
		for i := range d.List {
			if d.List[i].Opaque {
				count(i, "opaque")
			}
		}
	}
	return counts
}

// opaque reports a request of which a part cannot be read: media, token ids, or
// all of it.
func (x *exchange) opaque() bool {
	if x.body == nil {
		return len(x.call.Raw) > 0
	}
	f := &x.body.Facts
	return f.Features&(llm.FeatureImages|llm.FeatureAudio|llm.FeatureDocuments) != 0 || f.Tokens
}

// permitFor asks the perimeter anew for each attempt: the plan only says who
// is worth asking.
func (x *exchange) permitFor(d *fleet.Deployment) (policy.Permit, string) {
	return x.perimeter.Permit(d.Provider.Place, x.g.Clock())
}

// relayPermit asks for a raw path's one provider.
func (x *exchange) relayPermit(ctx context.Context, req *http.Request, p *fleet.Provider) (policy.Permit, error) {
	x.way = wayOf(req.URL)
	if err := x.bound(ctx); err != nil {
		return policy.Permit{}, err
	}
	permit, why := x.perimeter.Permit(p.Place, x.g.Clock())
	if why != "" {
		return policy.Permit{}, &fault.Error{Kind: fault.PolicyDenied, Code: "perimeter", Message: why, NoRetry: true}
	}
	return permit, nil
}

// wayOf is what a raw path's URL says.
func wayOf(u *url.URL) []string {
	query, err := url.QueryUnescape(u.RawQuery)
	if err != nil {
		query = u.RawQuery // it is sent as it is
	}
	return []string{u.Path, query}
}

// placeOf is the provider's place, for the record.
func placeOf(p *fleet.Provider) ledger.Place {
	return ledger.Place{Region: p.Place.Region, Jurisdiction: p.Place.Jurisdiction, Inside: p.Place.Inside}
}

// nothingSent reports an end of an attempt that came before a byte could leave.
func nothingSent(err error) bool {
	if err == nil {
		return false
	}
	var u *upstream.Error
	return errors.As(err, &u) && !u.Sent || fault.Is(err, fault.EngineUnready)
}
