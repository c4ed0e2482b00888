package admin_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/admin"
	"freehold/internal/app/apptest"
	"freehold/internal/history"
)

const vendors = `
server: {listen: 127.0.0.1:0}
providers:
  openai: {preset: openai, api_key: "${env:VENDOR_TEST_A}", probe: {enabled: false}}
  openai-eu: {dialect: openai, hosting: api, base_url: "https://eu.api.openai.com/v1", api_key: x, probe: {enabled: false}}
  proxied: {dialect: openai, hosting: api, base_url: "https://llm.example.co.uk/v1", api_key: "${env:VENDOR_TEST_A}", probe: {enabled: false}}
  proxied-too: {dialect: openai, hosting: api, base_url: "https://example.co.uk/v1", api_key: x, probe: {enabled: false}}
  other: {preset: openai, base_url: "https://other.co.uk/v1", api_key: x, probe: {enabled: false}}
  one: {preset: openai, base_url: "http://127.0.0.1:9001/v1", api_key: x, probe: {enabled: false}}
  two: {preset: openai, base_url: "http://127.0.0.1:9002/v1", api_key: x, probe: {enabled: false}}
  one-again: {dialect: openai, hosting: api, base_url: "http://127.0.0.1:9001/other", probe: {enabled: false}}
  run: {dialect: openai, hosting: serverless, base_url: "https://a.run.app/v1", probe: {enabled: false}}
  run-too: {dialect: openai, hosting: serverless, base_url: "https://b.run.app/v1", probe: {enabled: false}}
  gpu: {dialect: openai, hosting: self, base_url: "http://gpu1.example.com:8000/v1", probe: {enabled: false}}
  gpu-too: {dialect: openai, hosting: self, base_url: "http://gpu2.example.com:8000/v1", probe: {enabled: false}}
  compose: {dialect: openai, hosting: api, base_url: "http://mock:80/v1", probe: {enabled: false}}
  compose-too: {dialect: openai, hosting: api, base_url: "http://mock/v1", probe: {enabled: false}}
models:
  m-openai: {provider: openai}
  m-other: {provider: other}
  m-one: {provider: one}
  m-run: {provider: run}
  m-gpu: {provider: gpu}
  m-compose: {provider: compose}
  m-both: {deployments: [{provider: two}, {provider: gpu}]}
workloads:
  openai: {model: m-openai}
  other: {model: m-other}
  one: {model: m-one}
  run: {model: m-run}
  gpu: {model: m-gpu}
  compose: {model: m-compose}
  both: {model: m-both}
`

// TestVendor: who operates the address is the vendor, whatever preset describes it,
// and an exit drill says whom it forbids and why.
func TestVendor(t *testing.T) {
	t.Setenv("VENDOR_TEST_A", "a-key-that-is-secret")
	s := admin.Local{Service: admin.NewService(apptest.Start(t, vendors).App), Caller: admin.Caller{Who: history.Who{Via: "os", Name: "ann"}, Local: true}}
	for _, tt := range []struct {
		workload string
		want     []string
		why      []string
	}{
		{"openai", []string{"openai", "openai-eu", "proxied", "proxied-too"}, []string{
			"openai, openai-eu: both at openai.com", "proxied: has the credentials of openai (${env:VENDOR_TEST_A})", "proxied, proxied-too: both at example.co.uk"}},
		{"other", []string{"other"}, []string{"other: at other.co.uk"}},
		{"one", []string{"one", "one-again"}, []string{"one, one-again: both at 127.0.0.1:9001"}},
		{"run", []string{"run", "run-too"}, []string{"run, run-too: both at run.app"}},
		{"gpu", []string{"gpu"}, []string{"gpu: at gpu1.example.com:8000"}},
		{"compose", []string{"compose", "compose-too"}, []string{"compose, compose-too: both at mock:80"}},
		{"both", []string{"gpu", "two"}, []string{"two: at 127.0.0.1:9002", "gpu: at gpu1.example.com:8000"}},
	} {
		d, err := admin.DrillStart.Call(t.Context(), s, admin.DrillStartIn{Kind: "exit", Workload: tt.workload, For: "1h", Share: 1})
		if err != nil {
			t.Fatalf("%s: %v", tt.workload, err)
		}
		slices.Sort(d.Providers)
		if diff := cmp.Diff([][]string{tt.want, tt.why}, [][]string{d.Providers, d.Vendor}); diff != "" {
			t.Errorf("%s: %s", tt.workload, diff)
		}
		if _, err := admin.DrillStop.Call(t.Context(), s, admin.DrillStopIn{}); err != nil {
			t.Fatal(err)
		}
	}
}
