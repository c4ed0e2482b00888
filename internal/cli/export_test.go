package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/admin"
)

// TestCSVIsInert: no text that an application chose is a formula in a spreadsheet, and
// numbers stay as they are.
func TestCSVIsInert(t *testing.T) {
	r := &admin.Request{ID: "id", Time: time.Unix(0, 0), Cost: decimal.NewNullDecimal(decimal.New(-5, -1))}
	for _, evil := range []string{`=HYPERLINK("http://x")`, "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1"} {
		r.Asked, r.Key, r.Tenant, r.ClientID, r.Tags, r.ProviderModel, r.Workload, r.Model = evil, evil, evil, evil, []string{evil, "b"}, evil, evil, evil
		row := csvRow(r)
		if len(row) != len(csvHead) {
			t.Fatalf("%d columns below %d heads", len(row), len(csvHead))
		}
		for i, cell := range row {
			switch csvHead[i] {
			case "asked", "key", "tenant", "client_request_id", "provider_model", "workload", "model":
				if cell != "'"+evil {
					t.Errorf("%s: %q", csvHead[i], cell)
				}
			case "tags":
				if cell != "'"+evil+",b" {
					t.Errorf("tags: %q", cell)
				}
			case "cost":
				if cell != "-0.5" {
					t.Errorf("cost: %q", cell)
				}
			default:
				if strings.ContainsAny(cell, "=+@\t\r\n") {
					t.Errorf("%s: %q", csvHead[i], cell)
				}
			}
		}
	}
	r.Asked = "gpt-4o=x"
	if got := csvRow(r)[3]; got != r.Asked {
		t.Errorf("a usual name: %q", got)
	}
}
