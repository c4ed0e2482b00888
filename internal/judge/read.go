package judge

import (
	"fmt"
	"strings"

	"freehold/internal/llm"
)

// AnswerOf reads the first choice of an answer. Thinking is no part of it.
func AnswerOf(r *llm.Response) Answer {
	if r == nil || len(r.Choices) == 0 {
		return Answer{Failure: "no choice in the answer"}
	}
	c := &r.Choices[0]
	var a Answer
	a.Refused, a.Truncated = Ended(c.Finish)
	var text strings.Builder
	for i := range c.Parts {
		switch p := &c.Parts[i]; p.Kind {
		case llm.PartText:
			text.WriteString(p.Text)
		case llm.PartRefusal:
			text.WriteString(p.Text)
			a.Refused = true
		case llm.PartToolCall:
			a.Tools = append(a.Tools, Call{p.Name, p.Arguments})
		}
	}
	a.Text = text.String()
	return a
}

// Ended says what a finish reason alone tells of an answer.
func Ended(f llm.FinishReason) (refused, truncated bool) {
	return f == llm.FinishRefusal || f == llm.FinishContentFilter, f == llm.FinishLength || f == llm.FinishContext
}

// Conversation is a prompt as people and models can read it: who says what, and
// for what is no text, what it is. Thinking is left out.
func Conversation(messages []llm.Message) string {
	var b strings.Builder
	for i := range messages {
		m := &messages[i]
		if i > 0 {
			b.WriteString("\n\n")
		}
		fmt.Fprintf(&b, "%s:", m.Role)
		parts(&b, m.Parts)
	}
	return b.String()
}

func parts(b *strings.Builder, list []llm.Part) {
	for i := range list {
		switch p := &list[i]; p.Kind {
		case llm.PartText, llm.PartRefusal:
			b.WriteString("\n" + p.Text)
		case llm.PartImage:
			b.WriteString("\n[an image]")
		case llm.PartAudio:
			b.WriteString("\n[a sound]")
		case llm.PartDocument:
			fmt.Fprintf(b, "\n[a document %s]", p.Name)
			if p.Text != "" {
				b.WriteString("\n" + p.Text)
			}
		case llm.PartToolCall:
			fmt.Fprintf(b, "\n[calls the tool %s with %s]", p.Name, p.Arguments)
		case llm.PartToolResult:
			b.WriteString("\n[a tool's result]")
			parts(b, p.Result)
		}
	}
}
