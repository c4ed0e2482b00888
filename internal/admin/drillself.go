package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"freehold/internal/app"
	"freehold/internal/dialect"
	"freehold/internal/drill"
	"freehold/internal/fleet"
	"freehold/internal/history"
	"freehold/internal/leave"
	"freehold/internal/ledger"
	"freehold/internal/llm"
	"freehold/internal/upstream"
)

// KindDrillSelf is the record of a drill of freehold's own absence.
const KindDrillSelf history.Kind = "drill.self"

const (
	selfLimit = 30 * time.Second // of one direct request
	selfRows  = 200              // of a workload, whose dialect is looked at
	selfMany  = 4                // requests at a time
)

// What a direct request showed.
const (
	SelfWorks   = "works"
	SelfChanges = "changes"
	SelfFails   = "fails"
)

// DrillSelfIn asks whether applications could live without freehold.
type DrillSelfIn struct {
	Workload string `json:"workload,omitempty" doc:"absent: all"`
	Reason   string `json:"reason,omitempty" doc:"for the history"`
}

// SelfTest is what one workload needs without freehold.
type SelfTest struct {
	leave.Access
	Result  string  `json:"result" doc:"works (as it is), changes (something must be changed first), fails"`
	Detail  string  `json:"detail,omitempty" doc:"why it fails"`
	Clients string  `json:"clients,omitempty" doc:"dialect of most of the workload's latest requests; absent: there are none"`
	Total   float64 `json:"total_ms,omitempty"`
}

// DrillSelfOut is the whole test.
type DrillSelfOut struct {
	Time      time.Time  `json:"time"`
	Workloads []SelfTest `json:"workloads"`
	Record    int64      `json:"record" doc:"in the history"`
}

func (s *Service) drillSelf(ctx context.Context, c Caller, in DrillSelfIn) (DrillSelfOut, error) {
	if err := s.drillNames(in.Workload, ""); err != nil {
		return DrillSelfOut{}, err
	}
	f, cfg := s.app.Fleet(), s.app.Config()
	names := f.WorkloadNames()
	if in.Workload != "" {
		names = []string{in.Workload}
	}
	out := DrillSelfOut{Time: s.app.Clock().UTC(), Workloads: make([]SelfTest, len(names))}
	places := make(chan struct{}, selfMany)
	var asking sync.WaitGroup
	for i, name := range names {
		t := &out.Workloads[i]
		t.Access = leave.Of(cfg, name, out.Time)
		if err := s.clients(ctx, t); err != nil {
			return out, err
		}
		asking.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			s.without(ctx, f, t)
		})
	}
	asking.Wait()
	if err := ctx.Err(); err != nil {
		return out, err
	}
	evidence, err := json.Marshal(out.Workloads)
	if err != nil {
		return out, err
	}
	subject := in.Workload
	if subject == "" {
		subject = strconv.Itoa(len(names)) + " workloads"
	}
	r, err := s.app.History.Append(ctx, history.Change{Kind: KindDrillSelf, Subject: subject, Who: c.Who, Why: in.Reason, Details: map[string]string{"evidence": string(evidence)}})
	out.Record = r.Seq
	return out, err
}

// clients finds out which dialect the workload's applications speak.
func (s *Service) clients(ctx context.Context, t *SelfTest) error {
	rows, err := s.app.Ledger.Requests(ctx, ledger.Query{Workload: t.Workload, Limit: selfRows})
	if err != nil {
		return err
	}
	seen := map[string]int{}
	for _, r := range rows {
		if seen[r.Dialect]++; t.Clients == "" || seen[r.Dialect] > seen[t.Clients] {
			t.Clients = r.Dialect
		}
	}
	if t.None == "" && t.Clients != "" && t.Clients != t.Dialect {
		t.Changes = append(t.Changes, fmt.Sprintf("the application speaks %s, and the provider %s: another client", t.Clients, t.Dialect))
	}
	return nil
}

// without asks for the workload's model as its application would have to: straight
// at the provider, one tiny harmless request.
func (s *Service) without(ctx context.Context, f *fleet.Fleet, t *SelfTest) {
	t.Result = SelfFails
	if t.Detail = t.None; t.Detail != "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, selfLimit)
	defer cancel()
	start := s.app.Clock()
	if err := s.direct(ctx, f, t); err != nil {
		t.Detail = err.Error()
		return
	}
	t.Total = millis(s.app.Clock().Sub(start))
	if t.Result = SelfWorks; len(t.Changes) > 0 {
		t.Result = SelfChanges
	}
}

func (s *Service) direct(ctx context.Context, f *fleet.Fleet, t *SelfTest) error {
	route := f.Workload(t.Workload)
	m := f.Models[t.Model]
	if route == nil || m == nil {
		return fmt.Errorf("the configuration has changed meanwhile")
	}
	i := slices.IndexFunc(m.Deployments, func(d *fleet.Deployment) bool { return d.Provider.Name == t.Provider && d.ID == t.ID })
	if i < 0 || m.Deployments[i].Provider.Client == nil {
		return fmt.Errorf("%s has no way to %s", t.Model, t.Provider)
	}
	d := m.Deployments[i]
	perimeter, err := f.Classes.For(nil, route.Classes...)
	if err != nil {
		return err
	}
	permit, why := perimeter.Permit(d.Provider.Place, s.app.Clock())
	if why != "" {
		return fmt.Errorf("%s", why)
	}
	key, _, ok := d.Provider.Keys.Pick(s.app.Clock())
	if !ok {
		return fmt.Errorf("no key of %s can be used now", t.Provider)
	}
	op, out, err := tiny(d, m.Mode)
	if err != nil {
		return err
	}
	h := http.Header{"Content-Type": {"application/json"}}
	for name, v := range out.Header {
		h[name] = v
	}
	reply, err := d.Provider.Client.Send(ctx, permit, &upstream.Call{Method: http.MethodPost, Path: d.Path[op], Header: h, Key: key, Body: out.Body})
	if err != nil {
		return err
	}
	body, err := reply.ReadAll(1 << 20)
	if err != nil {
		return err
	}
	if reply.Status >= http.StatusMultipleChoices {
		said := d.Provider.Codec.DecodeError(reply.Status, reply.Header, []byte(d.Provider.Secrets.Hide(string(body))))
		return fmt.Errorf("%s answers %d: %s", t.Provider, reply.Status, said.Message)
	}
	_, err = d.Provider.Codec.DecodeReply(op, body)
	return err
}

// tiny is a small request for a deployment, in the provider's own dialect.
func tiny(d *fleet.Deployment, mode string) (llm.Operation, *dialect.Outgoing, error) {
	op, raw := llm.Chat, drill.ChatPrompt(0)
	switch mode {
	case "embedding":
		op, raw = llm.Embedding, drill.EmbeddingPrompt(0)
	case "completion":
		op, raw = llm.Completion, drill.CompletionPrompt(0)
	}
	codec := app.Codecs()["openai"]
	body, err := codec.Read(op, raw)
	if err != nil {
		return op, nil, err
	}
	target := &dialect.Target{Model: d.ID, Quirks: d.Quirks}
	if d.Provider.Codec.Name() == codec.Name() {
		out, err := codec.Forward(body, target)
		return op, out, err
	}
	r, err := codec.Decode(body)
	if err != nil {
		return op, nil, err
	}
	out, err := d.Provider.Codec.Encode(r, target)
	return op, out, err
}
