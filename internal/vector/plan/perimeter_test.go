package plan

import (
	"strings"
	"testing"
	"time"

	"freehold/internal/policy"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// TestJudge: the rules are policy's; what is not known fails closed, and is said to be
// unknown.
func TestJudge(t *testing.T) {
	classes := policy.Classes{
		"public":     {Name: "public"},
		"restricted": {Name: "restricted", Inside: true},
		"eu":         {Name: "eu", Jurisdictions: []string{"EU"}},
	}
	home := End{Known: true, Place: policy.Place{Provider: "home", Inside: true, Jurisdiction: "EU", Region: "eu-central-1"}}
	us := End{Known: true, Place: policy.Place{Provider: "cloud", Jurisdiction: "US"}}
	dark := End{Place: policy.Place{Provider: "qdrant://db.example:6334/docs"}}
	for _, c := range []struct {
		classes policy.Classes
		data    string
		to      End
		verdict string
		why     string
		target  string
	}{
		{classes, "restricted eu", home, Allowed, "", "home: inside, jurisdiction EU, region eu-central-1"},
		{classes, "", home, Allowed, "", "home: inside"},
		{classes, "public", us, Allowed, "", "cloud: outside, jurisdiction US, region unknown"},
		{classes, "eu", us, Forbidden, "data class eu: jurisdiction US is not among EU", "cloud: outside"},
		{classes, "", us, Forbidden, "the records have no data class of their own", "cloud: outside"},
		{classes, "public", dark, Allowed, "", "qdrant://db.example:6334/docs: unknown"},
		{classes, "restricted", dark, Forbidden, "is not inside; nothing is known of it", "unknown"},
		{classes, "eu", dark, Forbidden, "jurisdiction unknown is not among EU", "unknown"},
		{nil, "", dark, NoRules, "no data classes", "unknown"},
	} {
		rules := Rules{Classes: c.classes, Data: strings.Fields(c.data), Source: us, Target: c.to, Now: now}
		got, err := rules.Judge()
		if err != nil || got.Verdict != c.verdict || !strings.Contains(got.Why, c.why) || (c.why == "") != (got.Why == "") ||
			!strings.Contains(got.Target, c.target) || got.Source != "cloud: outside, jurisdiction US, region unknown" {
			t.Errorf("%q to %s: %+v: %v", c.data, c.to.Place.Provider, got, err)
		}
		for _, allow := range []bool{false, true} {
			p := Plan{AllowForbidden: allow}
			if err := p.Check(&got); (err != nil) != (c.verdict == Forbidden && !allow) {
				t.Errorf("%q to %s, allowed %v: %v", c.data, c.to.Place.Provider, allow, err)
			}
		}
	}
	rules := Rules{Classes: classes, Data: []string{"secret"}, Target: home, Now: now}
	if got, err := rules.Judge(); err == nil || got.Verdict == Allowed {
		t.Errorf("a class that there is not: %+v", got)
	}
}
