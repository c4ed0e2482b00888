package openaichat

import (
	"freehold/internal/dialect"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// Prompt implements dialect.Codec.
func (Codec) Prompt(b *dialect.Body) dialect.Prompt {
	root := b.Index.(*jsondoor.Doc).Root()
	switch b.Op {
	case llm.Chat:
	case llm.Completion:
		return dialect.Prompt{User: firstText(root.Get("prompt"))}
	default:
		return dialect.Prompt{User: firstText(root.Get("input"))}
	}
	var system []byte
	var user jsondoor.Value
	for m := root.Get("messages").First(); m.Exists(); m = m.Next() {
		switch role := m.Get("role"); {
		case role.Is("system"), role.Is("developer"):
			system = appendContent(system, m.Get("content"))
		case role.Is("user"):
			user = m.Get("content")
		}
	}
	return dialect.Prompt{System: string(system), User: string(appendContent(nil, user))}
}

// firstText is a text, or the first of a list of texts.
func firstText(v jsondoor.Value) string {
	if v.Kind() != jsondoor.String {
		v = v.First()
	}
	return string(v.AppendEnds(nil, dialect.PromptEnd))
}

// appendContent appends the texts of a message, each on its own lines.
func appendContent(dst []byte, content jsondoor.Value) []byte {
	if content.Kind() == jsondoor.String {
		return appendLine(dst, content)
	}
	for p := content.First(); p.Exists(); p = p.Next() {
		if p.Get("type").Is("text") {
			dst = appendLine(dst, p.Get("text"))
		}
	}
	return dst
}

func appendLine(dst []byte, text jsondoor.Value) []byte {
	if len(dst) > 0 {
		dst = append(dst, '\n')
	}
	return text.AppendEnds(dst, dialect.PromptEnd)
}
