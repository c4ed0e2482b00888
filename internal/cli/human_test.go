package cli

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"freehold/internal/admin"
)

func TestMoney(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0 USD", "0.0000001": "<0.000001 USD", "0.000123456": "0.000123 USD", "0.5": "0.5 USD", "12.345": "12.35 USD", "1234": "1234 USD",
	} {
		if got := money(decimal.RequireFromString(in), "USD"); got != want {
			t.Errorf("money(%s) = %q, want %q", in, got, want)
		}
	}
	if got := costOf(decimal.NullDecimal{}, "USD"); got != "?" {
		t.Errorf("an unknown cost is shown as %q", got)
	}
}

func TestPrice(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0", "0.0000": "0", "0.000001": "0.000001", "0.00015": "0.00015", "0.0000123456": "0.0000123", "0.0375": "0.0375", "0.12345": "0.1235", "2.5": "2.5", "1200": "1200",
	} {
		d := decimal.NewNullDecimal(decimal.RequireFromString(in))
		if got := price(&admin.Price{Input: d, Currency: "USD"}); got != want+"/? USD" {
			t.Errorf("price(%s) = %q, want %s", in, got, want)
		}
	}
}

func TestHumanUnits(t *testing.T) {
	for ms, want := range map[float64]string{0: "-", 0.004: "4 µs", 0.4: "0.4 ms", 9.96: "10.0 ms", 123.4: "123 ms", 1234: "1.23 s", 125_000: "2m5s"} {
		if got := millis(ms); got != want {
			t.Errorf("millis(%v) = %q, want %q", ms, got, want)
		}
	}
	for n, want := range map[int64]string{5: "5 B", 2048: "2.0 KiB", 98_400_000: "93.8 MiB", 5 << 30: "5.0 GiB"} {
		if got := size(n); got != want {
			t.Errorf("bytes(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestWhen(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]string{
		"24h": "2026-11-22T12:00:00Z", "7d": "2026-11-16T12:00:00Z", "2026-01-31": "2026-01-31T00:00:00Z", "2026-01-31T15:04:05Z": "2026-01-31T15:04:05Z",
	} {
		got, err := when(in, now)
		if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("when(%s) = %v %v, want %s", in, got, err, want)
		}
	}
	for in, want := range map[string]string{"30d": "2026-12-23T12:00:00Z", "24h": "2026-11-24T12:00:00Z", "2027-01-01": "2027-01-01T00:00:00Z"} {
		got, err := ahead(in, now)
		if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("ahead(%s) = %v %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "yesterday", "d", "-3d", "-3h", "2026-13-01"} {
		if got, err := when(in, now); err == nil {
			t.Errorf("when(%q) = %v", in, got)
		}
		if got, err := ahead(in, now); err == nil {
			t.Errorf("ahead(%q) = %v", in, got)
		}
	}
	for _, in := range []string{"2026-01-01", "0h"} {
		if got, err := ahead(in, now); err == nil || err.Error() != "has passed already" {
			t.Errorf("ahead(%q) = %v, %v", in, got, err)
		}
	}
}

// TestTableFits draws tables of any content: no line is wider than 80 columns
// while the columns can be cut at all, every row has its lines, and what goes
// below does so for all rows that have something there.
func TestTableFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, out := tester()
		var tab table
		n := rapid.IntRange(1, 12).Draw(t, "columns")
		below := 0
		for range n {
			c := column{head: rapid.StringMatching(`[A-Z]{1,4}`).Draw(t, "head"), right: rapid.Bool().Draw(t, "right"), keep: rapid.Bool().Draw(t, "keep")}
			if c.below = rapid.Bool().Draw(t, "below"); c.below {
				below++
			}
			tab.columns = append(tab.columns, c)
		}
		rows := rapid.IntRange(0, 5).Draw(t, "rows")
		second := 1 // lines below, with that of the heads
		for range rows {
			var cells []string
			for range n {
				cells = append(cells, rapid.StringMatching(`[a-zé…-]{0,60}`).Draw(t, "cell"))
			}
			for i, c := range tab.columns {
				if c.below && cells[i] != "" {
					second++
					break
				}
			}
			tab.row(cells...)
		}
		want := rows + 1
		if _, sum := tab.natural(); sum > 80 && below > 0 {
			want += second
		}
		p.print(&tab)
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if len(lines) != want {
			t.Fatalf("%d lines for %d rows, want %d:\n%s", len(lines), rows, want, out)
		}
		for _, l := range lines {
			if w := utf8.RuneCountInString(l); w > 80 {
				t.Fatalf("%d columns: %s", w, l)
			}
		}
	})
}

// TestTableBelow holds what a reader sees: nothing is cut where a second line
// has room for it, and what is cut keeps what tells names apart.
func TestTableBelow(t *testing.T) {
	p, out := tester()
	tab := table{columns: []column{{head: "ID", keep: true}, {head: "WHERE", below: true}, {head: "MS", right: true}}}
	long := strings.Repeat("a-long-name-", 6)
	tab.row("one", "short@here", "1")
	p.print(&tab)
	tab.row("two", long+"@there", "20")
	p.print(&tab)
	want := "ID   WHERE       MS\none  short@here   1\n" +
		"ID   MS\n  WHERE\none   1\n  short@here\ntwo  20\n  " + long + "@there\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out, want)
	}
	out.Reset()
	tab = table{columns: []column{{head: "WHERE"}, {head: "BECAUSE", whole: true}, {head: "MS", right: true, below: true}}}
	reason := strings.TrimSpace(strings.Repeat("over the SLO of 200 ms, ", 3)) + " so it is"
	tab.row("a", reason, "1")
	p.print(&tab)
	tab.row(long+"@there", "model", "20")
	p.print(&tab)
	want = "WHERE  MS\n  BECAUSE\na       1\n  " + strings.TrimSuffix(reason, " is") + "\n  is" + "\n" +
		"WHERE\n  MS\n  BECAUSE\na\n   1\n  " + strings.TrimSuffix(reason, " is") + "\n  is" + "\n" + long + "@there\n  20\n  model\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out, want)
	}
	for in, want := range map[string]string{"llama-3.1-70b@first": "llama…first", "leaked in a log": "leaked in …", "short": "short"} {
		if got := clip(in, 11); got != want {
			t.Errorf("clip(%q) = %q, want %q", in, got, want)
		}
	}
}
