package admin_test

import (
	"testing"
	"time"

	"freehold/internal/admin"
)

// TestPortability: what a workload's requests used is held against another model,
// from the ledger alone.
func TestPortability(t *testing.T) {
	w := start(t)
	w.ask(t, "chat")
	w.ask(t, "chat")
	w.ask(t, "private")
	check(t, w.app.Ledger.Sync(t.Context()))
	to := w.app.Fleet().ModelNames()[0]
	out := call(t, w.socket, admin.Portability, admin.PortabilityIn{Workload: "chat", To: to})
	if out.Workload != "chat" || out.To != to || out.Requests != 2 || out.Broken != 0 || out.Cut || out.Oldest == nil || out.Newest.Before(*out.Oldest) {
		t.Errorf("%+v", out)
	}
	found := false
	for _, f := range out.Findings {
		found = found || f.Kind == "operation" && f.Name == "chat" && f.Requests == 2 && f.Severity == "fine"
	}
	if !found {
		t.Errorf("findings: %+v", out.Findings)
	}
	fitsDocument(t, admin.Portability.Operation, out)
	if out := call(t, w.socket, admin.Portability, admin.PortabilityIn{Workload: "chat", To: to, Since: time.Now().Add(time.Hour)}); out.Requests != 0 || out.Oldest != nil {
		t.Errorf("after the last: %+v", out)
	}
	for _, in := range []admin.PortabilityIn{{}, {Workload: "cht", To: to}, {Workload: "chat", To: to + "x"}, {Workload: "chat", To: to, Since: time.Now(), Until: time.Now().Add(-time.Hour)}} {
		fails(t, w.socket, admin.Portability, in, admin.CodeInvalid)
	}
}
