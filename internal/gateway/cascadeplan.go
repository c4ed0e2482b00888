package gateway

import (
	"slices"
	"strings"
	"time"

	"freehold/internal/cascade"
	"freehold/internal/fleet"
	"freehold/internal/llm"
	"freehold/internal/routing"
)

// planFirst decides whether the cascade's model is asked, and where. in is what
// the plan was made of.
func (x *exchange) planFirst(in *routing.Input) {
	k := x.route.Cascade
	if k == nil || len(x.queue) == 0 {
		return
	}
	f := &cascading{conf: k}
	x.first = f
	if f.skip = x.unsuited(); f.skip == "" {
		x.putFirst(f)
	}
	if f.skip == "" || x.dry {
		x.placeFirst(f, in)
	}
	if f.skip == "" {
		if why := k.Switch.Off(); why != "" && (x.dry || !k.Switch.Ask()) {
			f.skip, f.off = "off: "+why, true
		}
	}
	if f.skip != "" {
		x.row.Plan += " | cascade " + k.Model.Name + " not asked: " + strings.ReplaceAll(f.skip, " | ", " / ")
	}
}

// unsuited says why the request is none for a cascade, or "".
func (x *exchange) unsuited() string {
	f, k := &x.body.Facts, x.route.Cascade
	switch {
	case x.call.Op != llm.Chat:
		return "a cascade is for chat"
	case x.plan.Rule != nil:
		return "rule " + x.plan.Rule.Name + " chose the model"
	case f.Choices() > 1:
		return "several choices are asked for"
	case f.Features&(llm.FeatureTools|llm.FeatureServerTools) != 0:
		return "the request has tools"
	case f.Features.Has(llm.FeatureLogprobs):
		return "the request asks for logprobs"
	case f.Features.Has(llm.FeaturePrefill):
		return "the answer is begun in the request"
	case x.plan.Candidates[0].Model == k.Model:
		return "the model answers anyway"
	case x.g.Escalated != nil && f.Conversation != "" && x.g.Escalated.Deployment(x.route.Name(), f.Conversation, x.g.Clock()) != "":
		return "its conversation was escalated before"
	}
	return ""
}

// putFirst puts the request in the words of each attempt: the client's, then others.
func (x *exchange) putFirst(f *cascading) {
	r, err := x.canonical()
	if err != nil {
		f.skip = "the request cannot be put in other words: " + err.Error()
		return
	}
	last := len(r.Messages) - 1
	if last < 0 || r.Messages[last].Role != llm.User {
		f.skip = "the last message is not the user's"
		return
	}
	for n := range f.conf.Attempts {
		c := *r
		c.Stream, c.IncludeUsage = false, false
		if most := f.conf.MaxTokens; most > 0 && (c.MaxTokens == nil || *c.MaxTokens > most) {
			c.MaxTokens = &most
		}
		if f.conf.By == cascade.Logprobs {
			yes, top := true, int64(cascade.TopLogprobs)
			c.Logprobs, c.TopLogprobs = &yes, &top
		}
		if p := cascade.Phrasing(n); p != "" {
			c.Messages = slices.Clone(r.Messages)
			c.Messages[last].Parts = withInstruction(r.Messages[last].Parts, p)
		}
		f.asks = append(f.asks, &asking{request: &c})
	}
}

// withInstruction adds a text to a message: to its last text, if that is the last
// part, for not every server takes several.
func withInstruction(parts []llm.Part, text string) []llm.Part {
	out := slices.Clone(parts)
	if n := len(out); n > 0 && out[n-1].Kind == llm.PartText {
		out[n-1].Text += "\n\n" + text
		return out
	}
	return append(out, llm.Part{Kind: llm.PartText, Text: text})
}

// placeFirst finds the deployment that is asked. One that is down, or where
// requests wait, is not: the workload's own model answers sooner. An attempt may
// then wait for the others of its own.
func (x *exchange) placeFirst(f *cascading, in *routing.Input) {
	facts := x.body.Facts
	if facts.Features &^= llm.FeatureStream; f.conf.By == cascade.Logprobs {
		facts.Features |= llm.FeatureLogprobs
	}
	way := *in
	way.Route, way.Facts, way.Trace, way.Stays = f.conf.Way, &facts, false, ""
	way.Varied = x.varied(&way)
	p := routing.Make(&way)
	f.excluded = p.Excluded
	found := false
	for _, c := range p.Candidates {
		switch why := x.barred(f, &c, in.Now); {
		case why != "":
			f.excluded = append(f.excluded, routing.Exclusion{Deployment: c.Deployment, Reason: why})
		case !found:
			f.candidate, found = c, true
		}
	}
	if !found && f.skip == "" {
		f.skip = "it has no deployment"
		if len(f.excluded) > 0 {
			f.skip = f.excluded[0].Deployment.Name + ": " + f.excluded[0].Reason
		}
	}
}

// barred says why a deployment that may answer is not asked by the cascade, or "".
func (x *exchange) barred(f *cascading, c *routing.Candidate, now time.Time) string {
	switch v := x.verdicts[c.Deployment]; {
	case c.LastResort:
		return down(c.Deployment, now)
	case v != nil && v.Over != nil:
		return v.Over.Error()
	case c.Health.Queued() > 0:
		return "requests wait there already"
	case f.conf.By == cascade.Logprobs && len(f.asks) > 0:
		return x.noLogprobs(c.Deployment, f.asks[0])
	}
	return ""
}

// noLogprobs says why d cannot be asked for logprobs, or "".
func (x *exchange) noLogprobs(d *fleet.Deployment, a *asking) string {
	out, err := x.encode(d, a, false, 0)
	switch {
	case err != nil:
		return "cannot be asked for logprobs: " + err.Error()
	case slices.Contains(out.Dropped, "logprobs") || slices.Contains(out.Dropped, "top_logprobs"):
		return "gives no logprobs"
	}
	return ""
}
