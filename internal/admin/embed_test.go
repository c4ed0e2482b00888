package admin_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"freehold/internal/admin"
	"freehold/internal/app/apptest"
	"freehold/internal/budget"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// Texts that commands embed count in the budgets of the workload that they name, by
// whatever name, and still do when the server begins anew.
func TestEmbedCountsInBudgets(t *testing.T) {
	p := mocktest.Start(t, mock.Options{})
	path := filepath.Join(t.TempDir(), "config.yaml")
	check(t, os.WriteFile(path, fmt.Appendf(nil, `
server: {listen: 127.0.0.1:0}
providers: {p: {preset: openai-compatible, base_url: "%s/v1", probe: {enabled: false}}}
models: {e: {provider: p, id: x, mode: embedding, price: {input: "1"}}}
workloads: {search: {model: e, aliases: [text-embedding-3-small]}}
budgets:
  - {per: workload, name: search, every: month, limit: 40 tokens}
  - {per: model, name: e, every: month, limit: 1000 tokens}
`, p.URL()), 0o600))
	s := apptest.Serve(t, path)
	spent := func(s *apptest.Server) map[string]int64 {
		t.Helper()
		list, err := s.App.Budgets.Status(t.Context(), s.App.Clock())
		check(t, err)
		out := map[string]int64{}
		for i := range list {
			for _, scope := range list[i].Scopes {
				if list[i].Unit == budget.Tokens {
					out[list[i].Meter.String()+"="+scope.Scope] = scope.Spent
				}
			}
		}
		return out
	}
	ask := func(s *apptest.Server, alias string) admin.EmbedAskOut {
		t.Helper()
		return call(t, admin.Local{Service: admin.NewService(s.App)}, admin.EmbedAsk, admin.EmbedAskIn{Alias: alias, Model: "e", Input: []string{"one two three four five six seven"}})
	}
	var of [3]int64
	for i, alias := range []string{"search", "text-embedding-3-small", "e"} {
		of[i] = ask(s, alias).TokensIn
	}
	labels := map[string]int{}
	for _, r := range s.WaitRows(t, 3) {
		labels[r.Workload]++
	}
	if labels["embed:search"] != 2 || labels["embed:e"] != 1 {
		t.Errorf("on record under %v", labels)
	}
	want := fmt.Sprint(map[string]int64{"workload:search:month=search": of[0] + of[1], "model:e:month=e": of[0] + of[1] + of[2]})
	if got := fmt.Sprint(spent(s)); got != want || of[0] == 0 {
		t.Errorf("spent %s, want %s", got, want)
	}
	for spent(s)["workload:search:month=search"] < 40 {
		ask(s, "search")
	}
	e := fails(t, admin.Local{Service: admin.NewService(s.App)}, admin.EmbedAsk, admin.EmbedAskIn{Alias: "search", Model: "e", Input: []string{"one"}}, "insufficient_quota")
	if !strings.Contains(e.Message, "the budget of 40 tokens for workload search this month is used up") {
		t.Errorf("over the budget: %v", e)
	}
	if out := ask(s, "e"); out.TokensIn == 0 {
		t.Errorf("a model by its own name is no workload's: %+v", out)
	}
	was := fmt.Sprint(spent(s))
	s.Stop(t)
	again := apptest.Serve(t, path)
	defer again.Stop(t)
	if got := fmt.Sprint(spent(again)); got != was {
		t.Errorf("after a restart %s, before it %s", got, was)
	}
}
