package gateway_test

import (
	"testing"

	"freehold/internal/ledger"
	"freehold/internal/mock/mocktest"
)

// A request that nobody answered is found by who was asked last, and names no
// deployment that answered.
func TestFailedRequestBelongsToAModel(t *testing.T) {
	p := newPair(t, "vllm", "anthropic", ", continue: off")
	c := client{url: p.URL}
	find := func(model, provider string, want int) []*ledger.Row {
		t.Helper()
		p.WaitRows(t, want)
		rows, err := p.App.Ledger.Requests(t.Context(), ledger.Query{Model: model, Provider: provider, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	mocktest.Fail(t, p.first, "503")
	mocktest.Fail(t, p.second, "500")
	if got := c.ask(t, "w", "tell me", false, ""); got.Status != 503 {
		t.Fatalf("%v", got)
	}
	rows := find("two", "second", 1)
	if len(rows) != 1 || rows[0].Deployment != "" || rows[0].ProviderModel != "" || rows[0].Answerer() != "" {
		t.Fatalf("rows of the model that was asked last: %+v", rows)
	}
	// Cut in mid-answer: it stays with who began it.
	mocktest.Fail(t, p.first, "cut:5e")
	if got := c.ask(t, "w", "tell me", true, ""); got.Err == "" {
		t.Fatalf("%v", got)
	}
	if rows := find("one", "first", 2); len(rows) != 1 || rows[0].Answerer() != "one" || rows[0].Outcome != ledger.Partial {
		t.Errorf("rows of the model that began: %+v", rows)
	}
	// Nobody was asked: the plan's first choice.
	if got := c.ask(t, "two", "tell me", false, `,"logit_bias":{"1":1}`); got.Status != 400 {
		t.Fatalf("%v", got)
	}
	rows = find("two", "second", 3)
	if len(rows) != 2 || len(rows[0].Attempts) != 0 || rows[0].Deployment != "" {
		t.Errorf("rows of the only choice: %+v", rows)
	}
}
