package policy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"freehold/internal/policy"

	"pgregory.net/rapid"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

var classes = policy.Classes{
	"public":     {Name: "public"},
	"restricted": {Name: "restricted", Inside: true},
	"eu-only":    {Name: "eu-only", Jurisdictions: []string{"EU"}},
	"frankfurt":  {Name: "frankfurt", Regions: []string{"eu-central-1"}},
	"eu":         {Name: "eu", Regions: []string{"eu-*"}},
	"nowhere":    {Name: "nowhere", Providers: []string{}},
	"signed":     {Name: "signed", Contract: policy.Terms{DPA: policy.Yes, Training: policy.No}},
	"named":      {Name: "named", Providers: []string{"cluster"}},
}

func TestPermit(t *testing.T) {
	cluster := policy.Place{Provider: "cluster", Inside: true, Region: "eu-central-1", Jurisdiction: "EU"}
	openai := policy.Place{Provider: "openai", Jurisdiction: "US"}
	dark := policy.Place{Provider: "dark"}
	for _, c := range []struct {
		classes string
		place   policy.Place
		reason  string // empty: permitted
	}{
		{"", openai, ""},
		{"public", dark, ""},
		{"restricted", cluster, ""},
		{"restricted", openai, "data class restricted: provider openai is not inside"},
		{"eu-only", cluster, ""},
		{"eu-only", openai, "data class eu-only: jurisdiction US is not among EU"},
		{"eu-only", dark, "data class eu-only: jurisdiction unknown is not among EU"},
		{"frankfurt", dark, "data class frankfurt: region unknown is not among eu-central-1"},
		{"eu", cluster, ""},
		{"eu", openai, "data class eu: region unknown is not among eu-*"},
		{"nowhere", cluster, "data class nowhere: provider cluster is not among none"},
		{"named", openai, "data class named: provider openai is not among cluster"},
		{"public restricted", openai, "data class restricted: provider openai is not inside"},
	} {
		p, err := classes.Perimeter(strings.Fields(c.classes)...)
		if err != nil {
			t.Fatal(err)
		}
		permit, reason := p.Permit(c.place, now)
		if reason != c.reason || permit.Allows(c.place.Provider) != (c.reason == "") {
			t.Errorf("%q at %s: permit %v, reason %q; want %q", c.classes, c.place.Provider, permit.Allows(c.place.Provider), reason, c.reason)
		}
	}
}

func TestForbids(t *testing.T) {
	eu := policy.Place{Provider: "eu", Jurisdiction: "eu", Region: "eu-central-1", Inside: true}
	nowhere := policy.Place{Provider: "nowhere"}
	for name, tt := range map[string]struct {
		class policy.Class
		p     policy.Place
		free  bool
	}{
		"no rule":               {policy.Class{}, nowhere, true},
		"inside":                {policy.Class{Inside: true}, eu, true},
		"not inside":            {policy.Class{Inside: true}, nowhere, false},
		"jurisdiction":          {policy.Class{Jurisdictions: []string{"US", "EU"}}, eu, true},
		"other jurisdiction":    {policy.Class{Jurisdictions: []string{"US"}}, eu, false},
		"unknown jurisdiction":  {policy.Class{Jurisdictions: []string{"EU", ""}}, nowhere, false},
		"region":                {policy.Class{Regions: []string{"EU-central-1"}}, eu, true},
		"region by beginning":   {policy.Class{Regions: []string{"eu-*"}}, eu, true},
		"region as a whole":     {policy.Class{Regions: []string{"eu-*"}}, policy.Place{Region: "EU"}, true},
		"beginning of another":  {policy.Class{Regions: []string{"eu-*"}}, policy.Place{Region: "europe"}, false},
		"region is not a part":  {policy.Class{Regions: []string{"eu"}}, eu, false},
		"unknown region":        {policy.Class{Regions: []string{"*"}}, nowhere, false},
		"provider":              {policy.Class{Providers: []string{"eu"}}, eu, true},
		"other provider":        {policy.Class{Providers: []string{"eu"}}, nowhere, false},
		"empty list":            {policy.Class{Providers: []string{}}, eu, false},
		"one rule of two holds": {policy.Class{Inside: true, Regions: []string{"us-*"}}, eu, false},
	} {
		if rule := tt.class.Forbids(tt.p, now); (rule == "") != tt.free {
			t.Errorf("%s: got %q", name, rule)
		}
	}
}

func TestFailsClosed(t *testing.T) {
	if _, err := classes.Perimeter("public", "nope"); err == nil {
		t.Error("an unknown class was accepted")
	}
	var zero policy.Permit
	if zero.Allows("") || zero.Allows("openai") {
		t.Error("the zero permit allows something")
	}
	permit, _ := policy.Perimeter{}.Permit(policy.Place{Provider: "a"}, now)
	if permit.Allows("b") {
		t.Error("a permit for one provider allows another")
	}
}

// More classes never allow more.
func TestIntersection(t *testing.T) {
	names := []string{"public", "restricted", "eu-only", "frankfurt", "named", "signed"}
	rapid.Check(t, func(t *rapid.T) {
		place := policy.Place{
			Provider:     rapid.SampledFrom([]string{"cluster", "openai"}).Draw(t, "provider"),
			Inside:       rapid.Bool().Draw(t, "inside"),
			Region:       rapid.SampledFrom([]string{"", "eu-central-1", "us-east-1"}).Draw(t, "region"),
			Jurisdiction: rapid.SampledFrom([]string{"", "EU", "eu", "US"}).Draw(t, "jurisdiction"),
		}
		some := rapid.SliceOf(rapid.SampledFrom(names)).Draw(t, "classes")
		more := append(slices.Clone(some), rapid.SampledFrom(names).Draw(t, "one more"))
		place.Own = rapid.Bool().Draw(t, "own")
		place.Contract = policy.Contract{
			DPA:      rapid.SampledFrom([]policy.Fact{policy.Unknown, policy.Yes, policy.No}).Draw(t, "dpa"),
			Training: rapid.SampledFrom([]policy.Fact{policy.Unknown, policy.Yes, policy.No}).Draw(t, "training"),
			Expires:  rapid.SampledFrom([]time.Time{{}, now, now.Add(1)}).Draw(t, "expires"),
		}
		a, _ := classes.Perimeter(some...)
		b, _ := classes.Perimeter(more...)
		if rapid.Bool().Draw(t, "tenant") {
			b, _ = classes.For(&policy.Tenant{Name: "acme", Allow: rapid.SampledFrom([][]string{nil, {}, {"cluster"}}).Draw(t, "allow"),
				Deny: rapid.SampledFrom([][]string{nil, {"openai"}}).Draw(t, "deny")}, some...)
		}
		pa, _ := a.Permit(place, now)
		pb, _ := b.Permit(place, now)
		if pb.Allows(place.Provider) && !pa.Allows(place.Provider) {
			t.Fatalf("%v allows what %v forbids", more, some)
		}
	})
}

func TestContract(t *testing.T) {
	terms := policy.Class{Name: "patient", Contract: policy.Terms{DPA: policy.Yes, ZeroRetention: policy.Yes, Training: policy.No}}
	good := policy.Contract{DPA: policy.Yes, ZeroRetention: policy.Yes, Training: policy.No, Expires: now.Add(time.Second)}
	change := func(do func(*policy.Contract)) policy.Place {
		c := good
		do(&c)
		return policy.Place{Provider: "p", Contract: c}
	}
	for _, c := range []struct {
		place policy.Place
		why   string
	}{
		{change(func(*policy.Contract) {}), ""},
		{change(func(c *policy.Contract) { c.Expires = time.Time{} }), ""},
		{change(func(c *policy.Contract) { c.Expires = now }), "the contract with provider p expired on 2026-06-01"},
		{change(func(c *policy.Contract) { c.DPA = policy.Unknown }), "the contract with provider p has dpa unknown, not yes"},
		{change(func(c *policy.Contract) { c.ZeroRetention = policy.No }), "the contract with provider p has zero_retention no, not yes"},
		{change(func(c *policy.Contract) { c.Training = policy.Yes }), "the contract with provider p has training yes, not no"},
		{policy.Place{Provider: "p", Inside: true}, "the contract with provider p has dpa unknown, not yes"},
		{policy.Place{Provider: "p", Own: true}, ""},
	} {
		if why := terms.Forbids(c.place, now); why != c.why {
			t.Errorf("%+v: %q, want %q", c.place.Contract, why, c.why)
		}
	}
}

func TestTenant(t *testing.T) {
	acme := &policy.Tenant{Name: "acme", Classes: []string{"eu-only"}, Allow: []string{"cluster", "mistral"}, Deny: []string{"mistral"}}
	for provider, want := range map[string]string{
		"cluster": "",
		"mistral": "tenant acme: provider mistral is denied",
		"other":   "tenant acme: provider other is not among cluster, mistral",
		"openai":  "data class eu-only: jurisdiction US is not among EU",
	} {
		place := policy.Place{Provider: provider, Jurisdiction: "EU"}
		if provider == "openai" {
			place.Jurisdiction = "US"
		}
		p, err := classes.For(acme, "public")
		if err != nil {
			t.Fatal(err)
		}
		if permit, why := p.Permit(place, now); why != want || permit.Allows(provider) != (want == "") {
			t.Errorf("%s: %q, want %q", provider, why, want)
		}
		if names := p.Names(); !slices.Equal(names, []string{"public", "eu-only"}) {
			t.Errorf("classes: %v", names)
		}
	}
	if _, err := classes.For(&policy.Tenant{Classes: []string{"nope"}}); err == nil {
		t.Error("a tenant's unknown class was accepted")
	}
}
