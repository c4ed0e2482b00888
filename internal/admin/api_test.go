package admin_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"freehold/internal/admin"
	"freehold/internal/app"
)

// TestTable holds that Operations lists every operation that is defined, once,
// with a name and a place of its own.
func TestTable(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "table.go", nil, 0)
	check(t, err)
	defined := 0
	ast.Inspect(file, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok {
			if f, ok := c.Fun.(*ast.Ident); ok && f.Name == "define" {
				defined++
			}
		}
		return true
	})
	names, places := map[string]bool{}, map[string]bool{}
	for _, op := range admin.Operations() {
		names[op.Name], places[op.Method+" "+op.Path] = true, true
		if op.Summary == "" || !strings.HasPrefix(op.Path, "/admin/v1/") || op.Method != "GET" && op.Method != "POST" {
			t.Errorf("%+v", op)
		}
	}
	if defined == 0 || len(names) != defined || len(places) != defined {
		t.Errorf("%d operations are defined, %d names and %d places are listed", defined, len(names), len(places))
	}
}

// document is as much of an OpenAPI document as the tests look at.
type document struct {
	OpenAPI    string                          `json:"openapi"`
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Schemas map[string]any `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	ID         string `json:"operationId"`
	Parameters []struct {
		Name, In string
		Required bool
		Schema   any
	}
	RequestBody *struct{ Content map[string]media } `json:"requestBody"`
	Responses   map[string]struct {
		Description string
		Content     map[string]media
	}
}

type media struct{ Schema any }

func openAPI(t *testing.T) (document, any) {
	t.Helper()
	text, err := admin.OpenAPI("1.2.3")
	check(t, err)
	var d document
	check(t, json.Unmarshal(text, &d))
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	check(t, err)
	return d, raw
}

// at compiles the schema at a JSON pointer of the document.
func at(t *testing.T, raw any, pointer string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	check(t, c.AddResource("https://freehold.test/openapi.json", raw))
	s, err := c.Compile("https://freehold.test/openapi.json#" + pointer)
	if err != nil {
		t.Fatalf("%s: %v", pointer, err)
	}
	return s
}

func escape(path string) string {
	return url.PathEscape(strings.ReplaceAll(strings.ReplaceAll(path, "~", "~0"), "/", "~1"))
}

func TestOpenAPI(t *testing.T) {
	d, raw := openAPI(t)
	if d.OpenAPI != "3.1.0" {
		t.Errorf("openapi: %q", d.OpenAPI)
	}
	for _, op := range admin.Operations() {
		got, ok := d.Paths[op.Path][strings.ToLower(op.Method)]
		if !ok || got.ID != op.Name {
			t.Errorf("%s %s is not in the document: %+v", op.Method, op.Path, got)
			continue
		}
		base := "/paths/" + escape(op.Path) + "/" + strings.ToLower(op.Method)
		at(t, raw, base+"/responses/200/content/application~1json/schema")
		at(t, raw, base+"/responses/default/content/application~1json/schema")
		if (got.RequestBody != nil) != (op.Method == "POST") {
			t.Errorf("%s: body %v", op.Name, got.RequestBody)
		}
		if got.RequestBody != nil {
			at(t, raw, base+"/requestBody/content/application~1json/schema")
		}
		inPath := 0
		for i, p := range got.Parameters {
			at(t, raw, base+"/parameters/"+string(rune('0'+i))+"/schema")
			if p.In == "path" {
				inPath++
				if !strings.Contains(op.Path, "{"+p.Name+"}") || !p.Required {
					t.Errorf("%s: parameter %+v", op.Name, p)
				}
			}
		}
		if inPath != strings.Count(op.Path, "{") {
			t.Errorf("%s: %d parameters are in the path", op.Name, inPath)
		}
	}
	for name := range d.Components.Schemas {
		at(t, raw, "/components/schemas/"+name)
	}
}

// TestAnswersFitDocument asks every GET operation over HTTP and validates the
// answer by the document's schema.
func TestAnswersFitDocument(t *testing.T) {
	w := start(t)
	id := w.ask(t, "chat")
	call(t, w.socket, admin.KeysCreate, admin.KeysCreateIn{Name: "k", Workloads: []string{"chat"}})
	call(t, w.socket, admin.RolloutStart, quickly())
	drill := call(t, w.socket, admin.DrillStart, admin.DrillStartIn{Kind: "down", Provider: w.app.Fleet().ProviderNames()[0], For: "1h", Share: 1})
	call(t, w.socket, admin.DrillStop, admin.DrillStopIn{})
	_, raw := openAPI(t)
	for _, op := range admin.Operations() {
		if op.Method != http.MethodGet || strings.HasPrefix(op.Name, "capture.") || op == admin.RolloutTexts.Operation {
			continue // texts are not for callers without a key: see TestCaptures, TestRolloutTexts
		}
		path := strings.NewReplacer("{request_id}", id, "{seq}", "1", "{workload}", "chat", "{id}", drill.ID, "{index}", "docs").Replace(op.Path)
		switch op.Name {
		case "usage":
			path += "?by=model&by=day"
		case "portability":
			path += "?workload=chat&to=" + w.app.Fleet().ModelNames()[0]
		}
		resp, err := http.Get(w.url + path)
		check(t, err)
		body, err := io.ReadAll(resp.Body)
		check(t, errors.Join(err, resp.Body.Close()))
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
			continue
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
		check(t, err)
		if err := at(t, raw, "/paths/"+escape(op.Path)+"/get/responses/200/content/application~1json/schema").Validate(v); err != nil {
			t.Errorf("%s: %v\n%s", path, err, body)
		}
		if bytes.Contains(body, []byte(secret)) {
			t.Errorf("%s shows a secret", path)
		}
	}
	resp, err := http.Get(w.url + "/admin/v1/openapi.json")
	check(t, err)
	served, err := io.ReadAll(resp.Body)
	check(t, errors.Join(err, resp.Body.Close()))
	want, err := admin.OpenAPI(app.Version)
	check(t, err)
	if !bytes.Equal(served, want) {
		t.Errorf("the served document differs")
	}
}

// TestLocalAndHTTPAgree asks the same of both runners.
func TestLocalAndHTTPAgree(t *testing.T) {
	w := start(t)
	id := w.ask(t, "chat")
	local := admin.Local{Service: admin.NewService(w.app)}
	remote := &admin.Client{Base: w.url}
	same(t, local, remote, admin.Models, admin.None{})
	same(t, local, remote, admin.Workloads, admin.None{})
	same(t, local, remote, admin.Explain, admin.ExplainIn{Workload: "private", DataClasses: []string{"eu"}})
	same(t, local, remote, admin.Requests, admin.RequestsIn{Filter: admin.Filter{Workload: "chat"}, Limit: 5})
	same(t, local, remote, admin.Why, admin.WhyIn{ID: id})
	same(t, local, remote, admin.Usage, admin.UsageIn{By: []string{"key", "outcome"}})
	same(t, local, remote, admin.HistoryList, admin.HistoryIn{Limit: 3})
	same(t, local, remote, admin.HistoryVerify, admin.HistoryVerifyIn{})
	same(t, local, remote, admin.ConfigShow, admin.None{})
	same(t, local, remote, admin.Engines, admin.None{})
}

// same compares what two runners answer, as JSON: a time without its monotonic
// part and an empty list in the place of none are the same there.
func same[In, Out any](t *testing.T, a, b admin.Runner, op admin.Op[In, Out], in In) {
	t.Helper()
	one, err := json.MarshalIndent(call(t, a, op, in), "", " ")
	check(t, err)
	two, err := json.MarshalIndent(call(t, b, op, in), "", " ")
	check(t, err)
	if d := cmp.Diff(string(one), string(two)); d != "" {
		t.Errorf("%s: local and HTTP differ:\n%s", op.Name, d)
	}
}

func TestRefusals(t *testing.T) {
	w := start(t)
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/admin/v1/nothing", "", 404, "openapi.json"},
		{"GET", "/admin/v1/usage?colour=red", "", 400, "colour"},
		{"GET", "/admin/v1/requests?limit=many", "", 400, "limit"},
		{"GET", "/admin/v1/requests?since=yesterday", "", 400, "since"},
		{"POST", "/admin/v1/keys", `{"name":"x","colour":"red"}`, 400, "colour"},
		{"POST", "/admin/v1/keys", `{`, 400, "body"},
		{"POST", "/admin/v1/keys", `{"name":"x"}{}`, 400, "more than one"},
		{"POST", "/admin/v1/keys", `{"name":""}`, 400, "name"},
		{"POST", "/admin/v1/keys", `{"name":"two\nlines"}`, 400, "in one line"},
		{"POST", "/admin/v1/keys", `{"name":"x","requests_per_minute":-1}`, 400, "-1 is no limit"},
		{"POST", "/admin/v1/keys", `{"name":"x","workloads":["caht"]}`, 400, `did you mean \"chat\"?`},
		{"POST", "/admin/v1/keys/x/rotate", `{"overlap":"-1h"}`, 400, "is negative"},
		{"GET", "/admin/v1/requests?limit=-5", "", 400, "-5 is not from 1 to 10000"},
		{"GET", "/admin/v1/requests?limit=10001", "", 400, "10001 is not from 1 to 10000"},
		{"GET", "/admin/v1/requests?outcome=flaied", "", 400, `there is no outcome \"flaied\": it is one of ok, partial`},
		{"GET", "/admin/v1/requests?after=nothing", "", 404, "no such request"},
		{"GET", "/admin/v1/usage?by=colour", "", 400, "it is one of workload, model"},
		{"GET", "/admin/v1/usage?by=day,model,day", "", 400, "day twice"},
		{"GET", "/admin/v1/usage?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "", 400, "is not before until"},
		{"GET", "/admin/v1/history?limit=-1", "", 400, "from 1 to 10000"},
		{"GET", "/admin/v1/history?kind=key.crate", "", 400, "key.create"},
		{"GET", "/admin/v1/history/verify?keys=x", "", 400, "not a verifier key"},
		{"POST", "/admin/v1/status", `{}`, 404, "POST"},
	} {
		r, err := http.NewRequest(c.method, w.url+c.path, strings.NewReader(c.body))
		check(t, err)
		resp, err := http.DefaultClient.Do(r)
		check(t, err)
		body, err := io.ReadAll(resp.Body)
		check(t, errors.Join(err, resp.Body.Close()))
		var doc struct{ Error admin.Error }
		check(t, json.Unmarshal(body, &doc))
		if resp.StatusCode != c.status || !strings.Contains(string(body), c.says) || doc.Error.Code == "" {
			t.Errorf("%s %s: %d %s, want %d and %q", c.method, c.path, resp.StatusCode, body, c.status, c.says)
		}
	}
}
