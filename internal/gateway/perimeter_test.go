package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// perimeterConfig has a provider outside, asked first, and one inside. REST is
// what the test adds.
const perimeterConfig = `
server: {listen: 127.0.0.1:0, jurisdiction: EU}
retries: {max: 0}
providers:
  cloud: {preset: vllm, base_url: "%s/v1", jurisdiction: US, region: us-east-1, probe: {enabled: false}, relay: [files]}
  cluster: {preset: vllm, base_url: "%s/v1", inside: true, jurisdiction: EU, region: eu-central-1, probe: {enabled: false}}
models:
  large: {provider: cloud, id: m}
  small: {provider: cluster, id: m}
data_classes:
  restricted: {inside: true}
  eu-only: {jurisdictions: [EU]}
workloads:
  w: {model: large, fallbacks: [small]}
  only: {model: large}
`

func TestDetectors(t *testing.T) {
	cloud, cluster := vllm(t, mock.Options{}), vllm(t, mock.Options{})
	s := serve(t, perimeterConfig+`
detectors:
  personal: {kinds: [email, card, opaque], patterns: {case: 'AZ-\d{6}'}, on_hit: tighten, class: restricted}
  keys: {kinds: [secret], on_hit: block}
  only: {kinds: [iban], on_hit: block, workloads: [only]}
`, cloud, cluster)
	const image = `,"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}]`
	for _, c := range []struct {
		name, workload, prompt, extra string
		provider                      string // that is asked; empty: none
		detected, code                string
	}{
		{"nothing", "w", "hello", "", "cloud", "", ""},
		{"email", "w", "mail bob@x.de and anna@x.de", "", "cluster", "personal/email=2 tighten", ""},
		{"zero width", "w", "card 4111\u200b1111\u200b11111111", "", "cluster", "personal/card=1 tighten", ""},
		{"full width", "w", "card ４１１１１１１１１１１１１１１１", "", "cluster", "personal/card=1 tighten", ""},
		{"pattern", "w", "about AZ-123456", "", "cluster", "personal/case=1 tighten", ""},
		{"tool description", "w", "hi", `,"tools":[{"type":"function","function":{"name":"f","description":"ask bob@x.de"}}]`, "cluster", "personal/email=1 tighten", ""},
		{"image", "w", "", image, "cluster", "personal/opaque=1 tighten", ""},
		{"secret", "w", "key AKIAIOSFODNN7EXAMPLE", "", "", "keys/aws-key=1 block", "detector"},
		{"nobody left", "only", "mail bob@x.de", "", "", "personal/email=1 tighten", "perimeter"},
		{"of one workload", "only", "DE89370400440532013000", "", "", "only/iban=1 block", "detector"},
		{"of another workload", "w", "DE89370400440532013000", "", "cloud", "", ""},
		{"a model by its name", "large", "mail bob@x.de", "", "", "personal/email=1 tighten", "perimeter"},
	} {
		for _, claude := range []bool{false, true} {
			if claude && c.extra != "" {
				continue // written in OpenAI's dialect
			}
			cloud.Reset()
			cluster.Reset()
			got := client{url: s.URL, claude: claude}.ask(t, c.workload, c.prompt, false, c.extra)
			row := s.Rows(t)[0]
			var detected []string
			for _, d := range row.Detected {
				detected = append(detected, fmt.Sprintf("%s/%s=%d %s", d.Detector, d.Kind, d.Count, d.Action))
			}
			if all := strings.Join(detected, ", "); all != c.detected {
				t.Errorf("%s: detected %q, want %q", c.name, all, c.detected)
			}
			asked := ""
			if cloud.Stats().Requests > 0 {
				asked = "cloud"
			}
			if cluster.Stats().Requests > 0 {
				asked += "cluster"
			}
			if asked != c.provider || row.ErrorCode != c.code || (got.Status == 403) != (c.provider == "") {
				t.Errorf("%s: asked %q, want %q; %d %s", c.name, asked, c.provider, got.Status, got.Body)
			}
			if c.provider == "" && (strings.Contains(got.Body, "bob@x.de") || strings.Contains(got.Body, "AKIA")) {
				t.Errorf("%s: the error repeats what was found: %s", c.name, got.Body)
			}
		}
	}
}

// Tenants narrow: one may use what another forbids, and nobody gets more than
// without a tenant.
func TestTenants(t *testing.T) {
	cloud, cluster := vllm(t, mock.Options{}), vllm(t, mock.Options{})
	s := serve(t, perimeterConfig+`
  tenanted: {model: large, fallbacks: [small], tenant: required}
tenants:
  acme: {header: {name: x-tenant, value: acme}, providers: {deny: [cloud]}}
  umbrella: {header: {name: x-tenant, value: umbrella}}
  initech: {header: {name: x-customer, value: initech}, classes: [eu-only]}
  hooli: {header: {name: x-customer, value: hooli}, providers: {allow: [cloud]}}
`, cloud, cluster)
	for _, c := range []struct {
		workload         string
		header           http.Header
		tenant, provider string
		code             string
	}{
		{"w", nil, "", "cloud", ""},
		{"w", http.Header{"X-Tenant": {"acme"}}, "acme", "cluster", ""},
		{"only", http.Header{"X-Tenant": {"acme"}}, "acme", "", "perimeter"},
		{"w", http.Header{"X-Tenant": {"umbrella"}}, "umbrella", "cloud", ""},
		{"w", http.Header{"X-Customer": {"initech"}}, "initech", "cluster", ""},
		{"w", http.Header{"X-Customer": {"hooli"}}, "hooli", "cloud", ""},
		{"w", http.Header{"X-Customer": {"hooli"}, "X-Freehold-Data-Class": {"restricted"}}, "hooli", "", "perimeter"},
		{"w", http.Header{"X-Tenant": {"nobody"}}, "", "", "unknown_tenant"},
		{"w", http.Header{"X-Tenant": {"acme", "umbrella"}}, "", "", "tenant_mismatch"},
		{"w", http.Header{"X-Tenant": {"acme"}, "X-Customer": {"hooli"}}, "", "", "tenant_mismatch"},
		{"w", http.Header{"X-Freehold-Data-Class": {"public"}}, "", "", "unknown_data_class"},
		{"tenanted", nil, "", "", "tenant_required"},
		{"tenanted", http.Header{"X-Tenant": {"umbrella"}}, "umbrella", "cloud", ""},
	} {
		got := client{url: s.URL, header: c.header}.ask(t, c.workload, "hi", false, "")
		row := s.Rows(t)[0]
		if row.Provider != c.provider || row.Tenant != c.tenant || row.ErrorCode != c.code || (got.Status == 200) != (c.provider != "") {
			t.Errorf("%s %v: tenant %q at %q, %d %s", c.workload, c.header, row.Tenant, row.Provider, got.Status, got.Body)
		}
		if hint := "freehold explain " + c.workload + " --tenant " + c.tenant + " shows"; c.code == "perimeter" && !strings.Contains(got.Body, hint) {
			t.Errorf("%s %v: the answer does not say %q: %s", c.workload, c.header, hint, got.Body)
		}
		for _, a := range row.Attempts {
			if a.Sent == 0 || a.Region == "" || a.Jurisdiction == "" || a.Inside != (a.Provider == "cluster") {
				t.Errorf("attempt %+v", a)
			}
		}
	}
}

// What never reached a provider is not on record as sent, what did is.
func TestSent(t *testing.T) {
	cloud, cluster := vllm(t, mock.Options{}), vllm(t, mock.Options{})
	s := serve(t, perimeterConfig, cloud, cluster)
	mocktest.Fail(t, cloud, "500")
	ask := func() { client{url: s.URL}.ask(t, "w", "hi", false, "") }
	ask()
	row := s.WaitRows(t, 1)[0]
	if len(row.Attempts) != 2 || row.Attempts[0].Sent == 0 || row.Attempts[1].Sent == 0 {
		t.Errorf("after a 500: %+v", row.Attempts)
	}
	if err := cloud.Close(); err != nil {
		t.Fatal(err)
	}
	ask()
	row = s.WaitRows(t, 2)[0]
	if len(row.Attempts) != 2 || row.Attempts[0].Sent != 0 || row.Attempts[1].Sent == 0 {
		t.Errorf("after a refused connection: %+v", row.Attempts)
	}
}

// A raw path is under the same perimeter: detectors and tenants too.
func TestRawPathPerimeter(t *testing.T) {
	cloud, cluster := vllm(t, mock.Options{}), vllm(t, mock.Options{})
	s := serve(t, perimeterConfig+`
tenants: {acme: {header: {name: x-tenant, value: acme}, providers: {deny: [cloud]}}}
detectors:
  personal: {kinds: [email], on_hit: tighten, class: restricted}
  keys: {kinds: [secret], on_hit: block}
  only: {kinds: [card], on_hit: block, workloads: [w]}
`, cloud, cluster)
	for _, c := range []struct {
		body, tenant string
		asked        bool
	}{
		{"plain", "", true},
		{"mail bob@x.de", "", false},
		{"\xff\xfe bob＠x.de", "", false},
		{"AKIAIOSFODNN7EXAMPLE", "", false},
		{"4111111111111111", "", true},
		{"plain", "acme", false},
	} {
		cloud.Reset()
		req, err := http.NewRequest(http.MethodPost, s.URL+"/v1/files", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if c.tenant != "" {
			req.Header.Set("X-Tenant", c.tenant)
		}
		resp, err := mocktest.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if asked := cloud.Stats().Requests > 0; asked != c.asked || (resp.StatusCode == 403) == c.asked {
			t.Errorf("%q of %q: asked %v, %d %s", c.body, c.tenant, asked, resp.StatusCode, body)
		}
	}
}
