package document_test

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"freehold/internal/drill"
	"freehold/internal/drill/document"
	"freehold/internal/history"
)

var update = flag.Bool("update", false, "write the golden files anew")

var began = time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)

func exitDrill() (*drill.Drill, *drill.Facts) {
	usd := func(s string) decimal.NullDecimal {
		return decimal.NullDecimal{Decimal: decimal.RequireFromString(s), Valid: true}
	}
	d := &drill.Drill{
		ID: "01936f5e-7c1a-7000-8000-1b2c3d4e5f60", State: drill.Finished, Cause: "its time was up", Reason: "yearly test", Started: began, Until: began.Add(10 * time.Minute),
		Ended: began.Add(10 * time.Minute), By: history.Who{Via: "os", Name: "ann"}, Config: "1a2b3c",
		Plan: drill.Plan{Kind: drill.Exit, Providers: []string{"openai"}, Vendor: []string{"openai: at openai.com"}, Workload: "support-chat", For: 10 * time.Minute, Share: 1, Errors: 1},
		Report: &drill.Report{
			Requests: 240, Hit: 240, FailedOver: 240, Continued: 2, By: []drill.Answered{{Model: "llama", Deployment: "llama@cluster", Requests: 240}},
			FirstToken: drill.Compared{HitP50: 210, HitP95: 430, OthersP50: 180, OthersP95: 400}, Total: drill.Compared{HitP50: 1900, HitP95: 4100},
			Cost: drill.Costs{Hit: usd("0.00031"), Others: usd("0.0021")}, Outside: []string{},
			Quality: []drill.Quality{{From: "gpt", To: "llama", Rollout: "r-7", At: began.AddDate(0, -1, 0), Pairs: 412, Mean: -0.012, Low: -0.04, High: 0.016, Conclusion: "equivalent"}},
			Verdict: drill.Passed, Why: "240 of 240 requests were hit, and each was answered",
		},
	}
	f := &drill.Facts{
		Config:  "1a2b3c",
		Service: drill.Service{Workload: "support-chat", Aliases: []string{"gpt-4o-mini"}, Model: "gpt", Fallbacks: []string{"llama", "tiny"}, Classes: []string{"eu-only"}},
		Vendors: []drill.Place{{Provider: "openai", Preset: "openai", Hosting: "api", Jurisdiction: "US", DPA: "yes", Expires: "2027-06-30"}},
		StandIns: []drill.StandIn{
			{Place: drill.Place{Provider: "cluster", Preset: "vllm", Hosting: "kubernetes", Region: "eu-central-1", Jurisdiction: "EU", Inside: true}, Model: "llama", Deployment: "llama@cluster", Openness: "open", Class: 4, ClassName: "open weights, own cluster", Requests: 240},
			{Place: drill.Place{Provider: "elsewhere"}, Model: "tiny", Deployment: "tiny@elsewhere", Class: 1, ClassName: "pure API", Forbidden: "data class eu-only: jurisdiction unknown is not among EU | *none*"},
		},
		Residual: []drill.Residual{{What: "embeddings of workload docs: stored vectors are of model ada and must be made anew for another", Where: "workloads.docs.model", Provider: "openai"}},
		Record:   &drill.Record{Seq: 41, Time: began.Add(10 * time.Minute), Hash: "qvTGHdzF6KLavt4PO0gs2a6pQ00="},
	}
	return d, f
}

// TestGolden holds the documents as they are; -update writes them anew.
func TestGolden(t *testing.T) {
	exit, f := exitDrill()
	outage := *exit
	outage.Plan = drill.Plan{Kind: drill.Slow, Providers: []string{"openai"}, Delay: 2 * time.Second, For: time.Minute, Share: 0.05, Synthetic: true, Errors: 1}
	outage.Report = &drill.Report{Requests: 20, Hit: 12, FailedOver: 9, Errors: 1, Needed: 2, Failed: []string{"req-1"}, Outside: []string{"req-2: x@y: why"},
		Verdict: drill.NotPassed, Why: "clients saw an error at 1 of 12 requests"}
	bare := &drill.Facts{Config: "other", Vendors: []drill.Place{{Provider: "openai"}}}
	for _, tt := range []struct {
		file string
		page *document.Page
	}{
		{"exit", document.Of(exit, f, began.AddDate(1, 0, 0))},
		{"outage", document.Of(&outage, bare, began.AddDate(0, 6, 0))},
	} {
		html, err := tt.page.HTML()
		if err != nil {
			t.Fatal(err)
		}
		for ext, got := range map[string][]byte{"md": tt.page.Markdown(), "html": html} {
			file := "testdata/" + tt.file + "." + ext
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		}
	}
}

// TestNothingFromOutside: names cannot add markup to a document.
func TestNothingFromOutside(t *testing.T) {
	d, f := exitDrill()
	d.Reason, f.Service.Model = "<script>alert(1)</script>\n## a heading", "a|b\n- c"
	page := document.Of(d, f, began)
	html, err := page.HTML()
	if err != nil {
		t.Fatal(err)
	}
	md := page.Markdown()
	if bytes.Contains(html, []byte("<script")) || bytes.Contains(md, []byte("<script")) || bytes.Contains(md, []byte("\n## a heading")) || !strings.Contains(string(md), `a\|b - c`) {
		t.Errorf("%s\n%s", md, html)
	}
}

// TestUnended: a drill that is under way has a document too, which proves nothing.
func TestUnended(t *testing.T) {
	d, f := exitDrill()
	d.Report, d.Ended, f.Record = nil, time.Time{}, nil
	md := string(document.Of(d, f, began).Markdown())
	for _, want := range []string{"Result: nothing (the drill has not ended)", "still under way", "the end of the drill is not on record"} {
		if !strings.Contains(md, want) {
			t.Errorf("no %q in\n%s", want, md)
		}
	}
}
