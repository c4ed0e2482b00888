package ledger

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"
)

var rowsEqual = cmp.Options{
	cmp.Comparer(func(a, b decimal.Decimal) bool { return a.Equal(b) }),
	cmpopts.EquateEmpty(),
}

func drawMoney(t *rapid.T) decimal.NullDecimal {
	if rapid.Bool().Draw(t, "unknown") {
		return decimal.NullDecimal{}
	}
	return decimal.NewNullDecimal(decimal.New(rapid.Int64().Draw(t, "money"), -12))
}

func drawTokens(t *rapid.T) (k Tokens) {
	for _, n := range []*int64{&k.In, &k.Out, &k.Cached, &k.CacheWrite, &k.Reasoning} {
		*n = rapid.Int64().Draw(t, "tokens")
	}
	k.Estimated = rapid.Bool().Draw(t, "estimated")
	return k
}

func drawDuration(t *rapid.T) time.Duration {
	return time.Duration(rapid.Int64Range(0, 1<<40).Draw(t, "µs")) * time.Microsecond
}

func drawTime(t *rapid.T) time.Time {
	return time.UnixMicro(rapid.Int64Range(1, 1<<52).Draw(t, "time")).UTC()
}

// drawRow draws a row in which every field varies.
func drawRow(t *rapid.T) *Row {
	text := func(name string) string { return rapid.StringN(0, 20, 60).Draw(t, name) }
	texts := func(name string) []string { return rapid.SliceOfN(rapid.StringN(0, 5, 20), 0, 3).Draw(t, name) }
	r := &Row{
		ID: text("id"), ClientID: text("client"), Time: drawTime(t), KeyID: text("key"), KeyName: text("name"), Tenant: text("tenant"),
		Workload: text("workload"), Asked: text("asked"), Model: text("model"), Deployment: text("deployment"),
		Provider: text("provider"), ProviderModel: text("provider model"), Dialect: text("dialect"),
		Operation: text("operation"), Stream: rapid.Bool().Draw(t, "stream"), Status: rapid.IntRange(0, 599).Draw(t, "status"),
		Outcome: Outcome(text("outcome")), ErrorCode: text("code"), Tokens: drawTokens(t), Cost: drawMoney(t),
		PriceSource: text("source"), PriceDate: text("date"), FirstToken: drawDuration(t), Total: drawDuration(t),
		Route: text("route"), Plan: text("plan"), DataClasses: texts("classes"), Features: texts("features"), Parameters: texts("parameters"), Language: text("language"), Finish: text("finish"), Dropped: texts("dropped"),
		Conversation: text("conversation"), BytesIn: rapid.Int64().Draw(t, "in"), BytesOut: rapid.Int64().Draw(t, "out"),
		ConfigVersion: text("config"), RoutingModel: text("routing model"), Tags: texts("tags"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "seams") {
		r.Seams = append(r.Seams, Seam{rapid.Int64().Draw(t, "offset"), text("from"), text("to"), text("method"), text("cause")})
	}
	for range rapid.IntRange(0, 3).Draw(t, "detections") {
		r.Detected = append(r.Detected, Detection{text("detector"), text("kind"), rapid.Int64().Draw(t, "count"), text("action")})
	}
	for range rapid.IntRange(0, 3).Draw(t, "attempts") {
		r.Attempts = append(r.Attempts, Attempt{
			N: rapid.Int().Draw(t, "n"), Deployment: text("deployment"), Provider: text("provider"),
			ProviderModel: text("model"), Variant: text("variant"), Cause: text("cause"), Start: drawTime(t), FirstByte: drawDuration(t),
			Total: drawDuration(t), Outcome: Outcome(text("outcome")), Fault: text("fault"), Detail: text("detail"),
			Status: rapid.IntRange(0, 599).Draw(t, "status"), RequestID: text("id"), Played: rapid.Bool().Draw(t, "played"), Sent: rapid.Int64().Draw(t, "sent"),
			Place: Place{text("region"), text("jurisdiction"), rapid.Bool().Draw(t, "inside")}, Tokens: drawTokens(t), Cost: drawMoney(t),
			Estimate: Estimate{
				rapid.Int64().Draw(t, "in"), rapid.Int64().Draw(t, "out"),
				text("price in"), text("price out"), text("source"), text("date"),
			},
		})
	}
	return r
}

func TestRowComesBackFromItsEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawRow(t)
		data, err := want.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		// A later version's fields, of both types, are passed over.
		data = append(data, 0x7e, 42, 0xfe, 2, 'h', 'i')
		got := new(Row)
		if err := got.UnmarshalBinary(data); err != nil {
			t.Fatal(err)
		}
		for i := range want.Attempts {
			if a := &want.Attempts[i]; a.Outcome != "" {
				a.Estimate = Estimate{}
			}
		}
		if diff := cmp.Diff(want, got, rowsEqual); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestEntryIsTheRow holds that the short reading of a row says what the row
// says, however much money it is about.
func TestEntryIsTheRow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var entries []Entry
		want := make(map[RollupKey]*Sums)
		for range rapid.IntRange(1, 4).Draw(t, "rows") {
			r := drawRow(t)
			r.Tokens, r.BytesIn, r.BytesOut = Tokens{In: 1, Out: 2, Estimated: r.Stream}, 3, 4 // sums that fit
			r.Workload, r.Model, r.Provider, r.KeyID, r.Outcome = "", "", rapid.SampledFrom([]string{"", "p"}).Draw(t, "provider"), "", OK
			r.Tenant = rapid.SampledFrom([]string{"", "acme"}).Draw(t, "tenant")
			r.Time = time.UnixMicro(rapid.Int64Range(1, 1<<33).Draw(t, "time")).UTC()
			if r.Cost.Valid {
				r.Cost.Decimal = rapid.Custom(drawDecimal).Draw(t, "cost")
			}
			record, err := r.AppendBinary(nil)
			if err != nil {
				t.Fatal(err)
			}
			e, err := NewEntry(record)
			if err != nil {
				t.Fatal(err)
			}
			if e.ID != r.ID || !e.Time.Equal(r.Time) || e.Key != r.Key() || string(recordID(record)) != r.ID {
				t.Fatalf("entry %+v of row %+v", e, r)
			}
			entries = append(entries, e)
			if want[r.Key()] == nil {
				want[r.Key()] = new(Sums)
			}
			want[r.Key()].Add(r)
		}
		opts := cmp.Options{rowsEqual, cmp.AllowUnexported(Histogram{})}
		if diff := cmp.Diff(want, RollUp(entries), opts); diff != "" {
			t.Errorf("rollups (-of the rows +of the entries):\n%s", diff)
		}
	})
}

// drawDecimal draws any number of digits.
func drawDecimal(t *rapid.T) decimal.Decimal {
	digits := rapid.StringMatching(`-?[0-9]{1,30}`).Draw(t, "digits")
	return decimal.RequireFromString(digits).Shift(rapid.Int32Range(-20, 5).Draw(t, "exponent"))
}

func TestRowComesBackFromJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawRow(t)
		want.Tokens.Out %= 1 << 50
		data, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got := new(Row)
		if err := json.Unmarshal(data, got); err != nil {
			t.Fatal(err)
		}
		for i := range want.Attempts {
			want.Attempts[i].Estimate = Estimate{}
		}
		// JSON holds valid UTF-8 only; so do all texts here.
		if diff := cmp.Diff(want, got, rowsEqual); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestLongTextsAreCutBetweenCharacters(t *testing.T) {
	for pad := range 4 {
		r := Row{ID: strings.Repeat("x", pad) + strings.Repeat("€", MaxText)}
		data, err := r.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		got := new(Row)
		if err := got.UnmarshalBinary(data); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(r.ID, got.ID) || len(got.ID) > MaxText || len(got.ID) < MaxText-2 || strings.ContainsRune(got.ID, '\ufffd') {
			t.Errorf("pad %d: cut to %d bytes, ends in %q", pad, len(got.ID), got.ID[len(got.ID)-4:])
		}
	}
}

// FuzzUnmarshal holds that no bytes make the decoder panic or read itself into
// something that it could not write.
func FuzzUnmarshal(f *testing.F) {
	r := Row{
		ID: "id", Time: time.Unix(1, 0), Cost: decimal.NewNullDecimal(decimal.New(1, -9)), Tags: []string{"a"},
		Seams: []Seam{{Offset: 1, From: "a"}}, Attempts: []Attempt{{N: 1, Deployment: "d", Start: time.Unix(2, 0)}},
	}
	data, err := r.AppendBinary(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:len(data)-1])
	f.Fuzz(func(t *testing.T, data []byte) {
		first := new(Row)
		if first.UnmarshalBinary(data) != nil {
			return
		}
		if e, err := NewEntry(data); err != nil || e.ID != first.ID || e.Key != first.Key() {
			t.Fatalf("entry %+v, %v of row %+v", e, err, first)
		}
		again, err := first.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		second := new(Row)
		if err := second.UnmarshalBinary(again); err != nil {
			t.Fatalf("%v of %x, written as %x", err, data, again)
		}
	})
}

func TestHistogram(t *testing.T) {
	t.Run("a quantile is exact to 3.2%", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			us := rapid.Int64Range(0, 1<<39).Draw(t, "µs")
			var h Histogram
			h.Add(time.Duration(us) * time.Microsecond)
			got := h.Quantile(0.5).Microseconds()
			if diff := max(got-us, us-got); float64(diff) > 0.032*float64(us) {
				t.Errorf("quantile of %d alone is %d", us, got)
			}
		})
	})
	t.Run("merging and encoding keep every count", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			var a, b, both Histogram
			for i, us := range rapid.SliceOf(rapid.Int64Range(0, 1<<45)).Draw(t, "µs") {
				d := time.Duration(us) * time.Microsecond
				both.Add(d)
				[]*Histogram{&a, &b}[i%2].Add(d)
			}
			a.Merge(&b)
			data, err := a.AppendBinary(nil)
			if err != nil {
				t.Fatal(err)
			}
			var got Histogram
			if err := got.UnmarshalBinary(data); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(both.counts, got.counts, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	})
	t.Run("p50 and p95 of 1 to 100 ms", func(t *testing.T) {
		var h Histogram
		if h.Quantile(0.5) != 0 {
			t.Error("an empty histogram has a median")
		}
		for ms := range 100 {
			h.Add(time.Duration(ms+1) * time.Millisecond)
		}
		for q, want := range map[float64]time.Duration{0: 1, 0.5: 51, 0.95: 96, 1: 100} {
			got := h.Quantile(q)
			if diff := (got - want*time.Millisecond).Abs(); diff > want*time.Millisecond*32/1000 {
				t.Errorf("quantile %v = %v, want %d ms", q, got, want)
			}
		}
	})
	t.Run("what no histogram encodes is refused", func(t *testing.T) {
		for _, data := range []string{"\x01", "\x80", "\xff\xff\x7f\x01", "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"} {
			if err := new(Histogram).UnmarshalBinary([]byte(data)); err == nil {
				t.Errorf("%x was read", data)
			}
		}
	})
}
