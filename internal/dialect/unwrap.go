package dialect

import "freehold/internal/llm"

// UnwrapTool returns a decoder whose events show the calls of the forced tool
// as text: where a model has no structured output of its own, a response
// format is sent as a tool (Outgoing.Tool), and the call's arguments are the
// answer. A choice that called nothing else then ends with FinishStop. An
// empty name returns d itself.
func UnwrapTool(d StreamDecoder, tool string) StreamDecoder {
	if tool == "" {
		return d
	}
	u := &unwrapper{tool: tool}
	return &rewritten{d, u.rewrite}
}

type unwrapper struct {
	tool   string
	others map[int]bool // choices that called another tool
	seen   map[int]bool // choices that called the forced tool
}

func (u *unwrapper) rewrite(events []llm.Event) {
	for i := range events {
		e := &events[i]
		switch {
		case e.Kind == llm.EventPartStart && e.PartKind == llm.PartToolCall && e.Name == u.tool:
			e.PartKind, e.ID, e.Name, e.Raw = llm.PartText, "", "", nil
			mark(&u.seen, e.Choice)
		case e.Kind == llm.EventPartStart && e.PartKind == llm.PartToolCall:
			mark(&u.others, e.Choice)
		case e.Kind == llm.EventFinish && e.Finish == llm.FinishToolCalls && u.seen[e.Choice] && !u.others[e.Choice]:
			e.Finish = llm.FinishStop
		}
	}
}

func mark(set *map[int]bool, choice int) {
	if *set == nil {
		*set = map[int]bool{}
	}
	(*set)[choice] = true
}

// UnwrapToolReply does for a whole answer, in place, what UnwrapTool does for
// a stream.
func UnwrapToolReply(r *llm.Response, tool string) {
	if tool == "" {
		return
	}
	for i := range r.Choices {
		c := &r.Choices[i]
		seen, others := false, false
		for j := range c.Parts {
			p := &c.Parts[j]
			switch {
			case p.Kind != llm.PartToolCall:
			case p.Name == tool:
				seen = true
				*p = llm.Part{Kind: llm.PartText, Text: p.Arguments}
			default:
				others = true
			}
		}
		if seen && !others && c.Finish == llm.FinishToolCalls {
			c.Finish = llm.FinishStop
		}
	}
}
