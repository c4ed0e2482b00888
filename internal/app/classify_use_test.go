package app_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/app/apptest"
	"freehold/internal/classify"
	"freehold/internal/classify/shelf"
	"freehold/internal/history"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// TestUseRoutingModel: which routing model is in use is on record, with who and
// why, and each decision names the one that it was made with. What changes nothing
// or is refused is no record.
func TestUseRoutingModel(t *testing.T) {
	provider := mocktest.Start(t, mock.Options{})
	s := apptest.Start(t, `
providers: {p: {dialect: openai, base_url: "`+provider.URL()+`/v1"}}
models: {m: {provider: p}}
workloads: {chat: {model: m, route: [{when: 'complexity >= 0.99', model: m}]}}
`)
	m, err := classify.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	beside := shelf.Beside(filepath.Join(s.Dir, "freehold.db"))
	for range 2 {
		if _, err := beside.Add(m); err != nil {
			t.Fatal(err)
		}
	}
	who := history.Who{Via: "os", Name: "tester"}
	use := func(name, why, want string) {
		t.Helper()
		if got, err := s.App.UseRoutingModel(t.Context(), name, who, why); err != nil || got.To != want {
			t.Errorf("%s put %q in use, %v; want %q", name, got.To, err, want)
		}
	}
	ask(t, s)
	use("v0001", "a ticket", "v0001")
	use("v0001", "again", "v0001")
	ask(t, s)
	use("v0002", "", "v0002")
	use(shelf.Previous, "back", "v0001")
	if err := os.Truncate(filepath.Join(beside.Dir(), "v0002.bin"), 1000); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"v0002", "v0009"} {
		if _, err := s.App.UseRoutingModel(t.Context(), name, who, "broken"); err == nil {
			t.Errorf("%s is in use", name)
		}
	}

	var models []string
	for _, r := range s.WaitRows(t, 2) {
		models = append(models, r.RoutingModel)
	}
	if diff := cmp.Diff([]string{"v0001", shelf.Embedded}, models); diff != "" {
		t.Errorf("routing models of the requests, newest first (-want +got):\n%s", diff)
	}
	records, err := s.App.History.List(t.Context(), history.Filter{Kinds: []history.Kind{history.KindRouteUse}})
	if err != nil {
		t.Fatal(err)
	}
	type change struct{ Subject, Before, After, Who, Why string }
	var got []change
	for _, r := range records {
		got = append(got, change{r.Subject, r.Details["before"], r.Details["after"], r.Who.String(), r.Why})
		if r.Details["digest"] != m.Digest() {
			t.Errorf("record %d does not say which model it is: %v", r.Seq, r.Details)
		}
	}
	want := []change{
		{"v0001", "v0002", "v0001", who.String(), "back"},
		{"v0002", "v0001", "v0002", who.String(), ""},
		{"v0001", shelf.Embedded, "v0001", who.String(), "a ticket"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}
