package admin_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"freehold/internal/admin"
	freeholdconfig "freehold/internal/config"
)

// TestCheckIndexes: a check lists the stores that an index may have, and one that it may
// not have is a problem, unless that is expected.
func TestCheckIndexes(t *testing.T) {
	text := func(law string) string {
		return `server: {listen: 127.0.0.1:0}
stores:
  old: {url: "pinecone://127.0.0.1:1/docs", jurisdiction: ` + law + `}
  home: {url: "qdrant://127.0.0.1:1/docs", jurisdiction: EU}
data_classes: {eu-only: {jurisdictions: [EU]}, public: {}}
indexes: {docs: {from: old, to: home, data: eu-only}}
`
	}
	check := func(law string, expect *admin.PerimeterCheckOut) admin.PerimeterCheckOut {
		t.Helper()
		cfg, ds := freeholdconfig.Parse("config.yaml", []byte(text(law)), freeholdconfig.Env{})
		if cfg == nil {
			t.Fatal(ds)
		}
		var raw []byte
		if expect != nil {
			var err error
			if raw, err = json.Marshal(expect); err != nil {
				t.Fatal(err)
			}
		}
		out, err := admin.CheckPerimeter(cfg, raw, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	of := func(out admin.PerimeterCheckOut) admin.IndexReach { return out.Indexes[0] }
	good := check("EU", nil)
	if x := of(good); !slices.Equal(x.Stores, []string{"old", "home"}) || len(x.Forbidden) > 0 || strings.Contains(strings.Join(good.Problems, ";"), "index") {
		t.Errorf("%+v %v", x, good.Problems)
	}
	bad := check("US", nil)
	if x := of(bad); bad.OK || !slices.Equal(x.Stores, []string{"home"}) || !slices.Equal(x.Forbidden, []string{"old: data class eu-only: jurisdiction US is not among EU"}) ||
		!strings.Contains(strings.Join(bad.Problems, ";"), "index docs may not have its stores: old: data class eu-only") {
		t.Errorf("%+v %v", x, bad.Problems)
	}
	if again := check("US", &bad); strings.Contains(strings.Join(again.Problems, ";"), "index") {
		t.Error(again.Problems)
	}
	if other := check("US", &good); !strings.Contains(strings.Join(other.Problems, ";"), "index docs can no longer reach store old") {
		t.Error(other.Problems)
	}
}
