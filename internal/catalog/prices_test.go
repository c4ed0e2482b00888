package catalog

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"freehold/internal/meter"
)

func usd(s string) decimal.NullDecimal { return decimal.NewNullDecimal(decimal.RequireFromString(s)) }

func one(t *testing.T, c *Catalog, preset, id string) (Listing, bool) {
	t.Helper()
	ref := Ref{preset, id}
	got, err := c.Prices([]Ref{ref})
	if err != nil {
		t.Fatal(err)
	}
	l, ok := got[ref]
	return l, ok
}

func TestPriceLookup(t *testing.T) {
	c := load(t, Options{})
	cases := []struct {
		preset, id, row   string
		input, output     string // per token; empty: unknown
		undated, unpriced bool
	}{
		{"openai", "gpt-4o", "gpt-4o", "0.0000025", "0.00001", false, false},
		{"openai", "GPT-4o", "gpt-4o", "0.0000025", "0.00001", false, false},
		{"openai", "gpt-4o-2024-05-13", "gpt-4o-2024-05-13", "0.000005", "0.000015", false, false},
		{"openai", "gpt-4o-2031-01-01", "gpt-4o", "0.0000025", "0.00001", true, false},
		{"openai", "ft:gpt-4o-mini-2024-07-18:acme::abc", "ft:gpt-4o-mini-2024-07-18", "0.0000003", "0.0000012", true, false},
		{"openai", "text-embedding-3-small", "text-embedding-3-small", "0.00000002", "", false, false},
		{"azure-openai", "gpt-4o", "azure/gpt-4o", "0.0000025", "0.00001", false, false},
		{"anthropic", "claude-opus-4-6", "claude-opus-4-6", "0.000005", "0.000025", false, false},
		{"anthropic", "claude-3-5-sonnet-20241022", "claude-3-5-sonnet-20241022", "0.000003", "0.000015", false, false},
		{"mistral", "mistral-large-2407", "mistral/mistral-large-2407", "0.000002", "0.000006", false, false},
		{"together", "meta-llama/Meta-Llama-3.1-70B-Instruct-Turbo", "together_ai/meta-llama/Meta-Llama-3.1-70B-Instruct-Turbo", "0.00000088", "0.00000088", false, false},
		{"fireworks", "accounts/fireworks/models/deepseek-v3", "fireworks_ai/accounts/fireworks/models/deepseek-v3", "0.0000009", "0.0000009", false, false},
		{"groq", "openai/gpt-oss-120b", "groq/openai/gpt-oss-120b", "0.00000015", "0.0000006", false, false},
		{"scaleway", "llama-3.3-70b-instruct", "scaleway/meta/llama-3.3-70b-instruct", "0.0000009", "0.0000009", false, false},
		{"ovhcloud", "Meta-Llama-3_1-70B-Instruct", "ovhcloud/Meta-Llama-3_1-70B-Instruct", "0.00000067", "0.00000067", false, false},
		{"coreweave", "meta-llama/Llama-3.1-8B-Instruct", "wandb/meta-llama/Llama-3.1-8B-Instruct", "0.00000022", "0.00000022", false, false},
		// A zero at a hosted provider says nothing; so it is not a price.
		{"mistral", "labs-leanstral-1-5", "mistral/labs-leanstral-1-5", "", "", false, true},
		{"together", "Prism-ML/Ternary-Bonsai-27B", "together_ai/Prism-ML/Ternary-Bonsai-27B", "", "", false, true},
		// Half a zero neither: output of this row is not free.
		{"azure-openai", "model-router", "azure/model-router", "0.00000014", "", false, false},
	}
	refs := []Ref{
		{"openai", "deepseek-chat"}, // a row of another provider
		{"openai", "no-such-model"},
		{"vllm", "meta-llama/Llama-3.1-8B-Instruct"}, // self-hosted: no list knows
		{"llama.cpp", "gpt-4o"},
		{"ollama", "llama3.1"},
		{"openrouter", "openai/gpt-4o"},
		{"nobody", "gpt-4o"},
		{"mistral", "mistral-large"}, // undated: may move between snapshots
	}
	unlisted := len(refs)
	for _, tc := range cases {
		refs = append(refs, Ref{tc.preset, tc.id})
	}
	found, err := c.Prices(refs)
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range refs[:unlisted] {
		if l, ok := found[ref]; ok {
			t.Errorf("%v has the price of %s", ref, l.Row)
		}
	}
	for _, tc := range cases {
		l, ok := found[Ref{tc.preset, tc.id}]
		if !ok || l.Row != tc.row || l.Undated != tc.undated || (l.Unpriced != "") != tc.unpriced {
			t.Errorf("%s %s: %+v, %v", tc.preset, tc.id, l, ok)
			continue
		}
		want := meter.Price{}
		if tc.input != "" {
			want.Input = usd(tc.input)
		}
		if tc.output != "" {
			want.Output = usd(tc.output)
		}
		if got := l.Price; fmt.Sprint(got.Input, got.Output) != fmt.Sprint(want.Input, want.Output) {
			t.Errorf("%s %s: %v %v, want %v %v", tc.preset, tc.id, got.Input, got.Output, want.Input, want.Output)
		}
		if l.Price.Known() && (l.Price.Source == "" || l.Price.AsOf == "") {
			t.Errorf("%s %s: a price without source or date", tc.preset, tc.id)
		}
	}
}

func TestListingFacts(t *testing.T) {
	c := load(t, Options{})
	l, _ := one(t, c, "openai", "gpt-4o-2024-08-06")
	want := Listing{
		Ref: Ref{"openai", "gpt-4o-2024-08-06"}, Row: "gpt-4o-2024-08-06", Mode: "chat",
		MaxInput: 128000, MaxOutput: 16384, Deprecated: "2027-01-14",
		Features: []string{"images", "json_schema", "prompt_caching", "tools"},
		Price: meter.Price{
			Rates:  meter.Rates{Input: usd("0.0000025"), Output: usd("0.00001"), CachedInput: usd("0.00000125")},
			Source: "litellm 1.109.1", AsOf: "2026-11",
		},
	}
	if d := cmp.Diff(want, l); d != "" {
		t.Error(d)
	}
}

// The digits of the list are kept, also where its authors let a float print
// them.
func TestAmountsAreTheTextOfTheList(t *testing.T) {
	for text, want := range map[string]string{
		"1e-06":                  "0.000001",
		"1.0000000000000001e-07": "0.00000010000000000000001",
		"0.000168":               "0.000168",
		"3E-8":                   "0.00000003",
	} {
		r, err := decodeRow([]byte(`{"input_cost_per_token": ` + text + `}`))
		if err != nil || r.rates.Input.Decimal.String() != want {
			t.Errorf("%s: %v, %v; want %s", text, r.rates.Input.Decimal, err, want)
		}
	}
}

func TestPriceFileOverlay(t *testing.T) {
	const text = `{
		"sample_spec": {"max_input_tokens": "max input tokens, if the provider says so", "input_cost_per_token": 0.0, "mode": "one of: chat, ..."},
		"gpt-4o": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6,
			"input_cost_per_token_above_200k_tokens": 4e-6, "input_cost_per_token_above_200k_tokens_priority": 9,
			"cache_creation_input_token_cost_above_1hr": 8, "output_cost_per_reasoning_token": 5e-6, "input_cost_per_image": 3},
		"openrouter/openai/gpt-4o": {"litellm_provider": "openrouter", "mode": "chat", "input_cost_per_token": 7e-6, "output_cost_per_token": 8e-6},
		"dall-e-3": {"litellm_provider": "openai", "mode": "image_generation", "input_cost_per_token": 7e-6}
	}`
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"plain.json": text, "packed.json.gz": z.String()} {
		file := write(t, t.TempDir(), name, content)
		c := load(t, Options{PricesFile: file, PricesAsOf: "2026-12-01"})
		// What was checked at Load is what is read later.
		if err := os.WriteFile(file, []byte("rubbish"), 0o600); err != nil {
			t.Fatal(err)
		}
		l, _ := one(t, c, "openai", "gpt-4o")
		want := meter.Price{
			Rates:  meter.Rates{Input: usd("1e-6"), Output: usd("2e-6"), Reasoning: usd("5e-6")},
			Tiers:  []meter.Tier{{Above: 200_000, Rates: meter.Rates{Input: usd("4e-6")}}},
			Source: name, AsOf: "2026-12-01",
		}
		if d := cmp.Diff(want, l.Price); d != "" {
			t.Error(d)
		}
		if l, ok := one(t, c, "openrouter", "openai/gpt-4o"); !ok || !l.Price.Known() {
			t.Errorf("a new row is not found: %+v", l)
		}
		if l, _ := one(t, c, "openai", "dall-e-3"); l.Unpriced == "" || l.Price.Known() {
			t.Errorf("an image model is priced by the token: %+v", l)
		}
		if l, _ := one(t, c, "openai", "gpt-4o-mini"); l.Price.Source != pricesSource {
			t.Errorf("the embedded list is gone: %+v", l)
		}
	}
}

func TestPriceBook(t *testing.T) {
	c := load(t, Options{})
	b := c.PriceBook([]Ref{{"openai", "gpt-4o"}})
	if b.rows != nil {
		t.Fatal("the lists were read at once")
	}
	if err := b.Warm(); err != nil {
		t.Fatal(err)
	}
	if len(b.rows) != 1 || len(b.names) < 3692 {
		t.Fatalf("%d rows, %d names", len(b.rows), len(b.names))
	}
	refs := []Ref{{"openai", "gpt-4o"}, {"openai", "gpt-4.1"}, {"anthropic", "claude-opus-4-6"}, {"openai", "invented"}, {"vllm", "x"}}
	want, err := c.Prices(refs)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, ref := range refs {
				l, ok, err := b.Listing(ref)
				w, wok := want[ref]
				if d := cmp.Diff(w, l); d != "" || ok != wok || err != nil {
					t.Errorf("%v: %v %v %s", ref, ok, err, d)
				}
			}
		})
	}
	wg.Wait()
	for i := range 1000 {
		if _, ok, _ := b.Listing(Ref{"openai", fmt.Sprintf("invented-%d", i)}); ok {
			t.Fatal("an invented name has a price")
		}
	}
	if len(b.rows) != 3 {
		t.Errorf("the book grew to %d rows", len(b.rows))
	}
}

// Every row of the embedded lists can be read, and those of our presets' own
// providers are found by the id that is left without the prefix.
func TestEmbeddedListIsWhole(t *testing.T) {
	c := load(t, Options{})
	rows, err := c.rows(func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) < 3692 {
		t.Errorf("%d rows", len(rows))
	}
}

func FuzzDecodeRow(f *testing.F) {
	f.Add([]byte(`{"input_cost_per_token": 1e-6, "output_cost_per_token_above_128k_tokens": 2}`))
	f.Add([]byte(`{"input_cost_per_token": null, "mode": 3}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := decodeRow(raw)
		if err != nil {
			return
		}
		for _, d := range []decimal.NullDecimal{r.rates.Input, r.rates.Output, r.rates.CachedInput} {
			if d.Valid && !d.Decimal.IsPositive() {
				t.Fatalf("%s: price %v", raw, d)
			}
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		load(b, Options{})
	}
}

func BenchmarkPriceBook(b *testing.B) {
	c := load(b, Options{})
	refs := []Ref{{"openai", "gpt-4o"}, {"anthropic", "claude-opus-4-6"}, {"together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"}}
	b.ReportAllocs()
	for b.Loop() {
		if err := c.PriceBook(refs).Warm(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnlisted(b *testing.B) {
	book := load(b, Options{}).PriceBook(nil)
	if err := book.Warm(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok, _ := book.Listing(Ref{"openai", "invented-name"}); ok {
			b.Fatal("found")
		}
	}
}

// What stays in memory of a catalog and a price book is small: the lists stay
// compressed.
func TestMemory(t *testing.T) {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	c := load(t, Options{})
	b := c.PriceBook([]Ref{{"openai", "gpt-4o"}, {"anthropic", "claude-opus-4-6"}})
	if err := b.Warm(); err != nil {
		t.Fatal(err)
	}
	kept := int64(heap()) - int64(before)
	t.Logf("%d KiB kept", kept>>10)
	if kept > 1<<20 {
		t.Errorf("%d KiB are kept", kept>>10)
	}
	runtime.KeepAlive(c)
	runtime.KeepAlive(b)
}
