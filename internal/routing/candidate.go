package routing

import (
	"strconv"

	"freehold/internal/fleet"
)

// Candidate is a deployment that may be asked, and why it stands where it does.
type Candidate struct {
	*fleet.Deployment
	// Fallback is 0 for the first model that is asked, n for the n-th after it.
	Fallback int
	// LastResort: the deployment is down, and asked only because nothing else is left.
	LastResort bool

	rule   *fleet.Rule  // that chose the model
	moved  bool         // of the model that a rollout leads to
	down   string       // why it is down
	breach fleet.Breach // of the SLO
	probe  bool         // asked to see whether it still misses the SLO
	stays  bool         // answered the conversation before
	place  place        // among the model's deployments
}

// Reason says why it stands where it does.
func (c *Candidate) Reason() string { return string(c.reason(nil)) }

// usualReason is the reason of a workload's own model, where there is no more to say.
const usualReason = "model"

// reason appends the reason. It is part of each request's record, and costs no more
// than its bytes in the common case.
func (c *Candidate) reason(b []byte) []byte {
	switch {
	case c.Fallback > 0:
		b = strconv.AppendInt(append(b, "fallback "...), int64(c.Fallback), 10)
	case c.moved:
		b = append(b, "rollout"...)
	case c.rule != nil:
		b = append(append(b, "rule "...), c.rule.Name...)
	default:
		b = append(b, usualReason...)
	}
	if !c.stays {
		b = c.place.append(b)
	}
	if c.LastResort {
		return append(append(b, ", last resort: "...), c.down...)
	}
	if note := c.note(); note != "" {
		b = append(append(b, ", "...), note...)
	}
	return b
}

// note is what is special about the candidate's place, "" in the common case.
func (c *Candidate) note() string {
	switch {
	case c.probe:
		return "tried again: " + c.breach.String()
	case c.breach.Seen > 0:
		return "last: " + c.breach.String()
	case c.stays:
		return "stays: conversation"
	}
	return ""
}

// Short is the reason in a few words, for a header. kind is what the request's
// model field named.
func (c *Candidate) Short(kind string) string {
	why := kind
	switch {
	case c.Fallback > 0:
		why = "fallback"
	case c.moved:
		why = "rollout"
	case c.rule != nil:
		why = "rule " + c.rule.Name
	}
	switch {
	case c.probe:
		why += ", slo probe"
	case c.breach.Seen > 0:
		why += ", over slo"
	case c.stays:
		why += ", same conversation"
	}
	return why
}
