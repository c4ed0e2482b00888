package anthropic

import (
	"freehold/internal/dialect"
	"freehold/internal/jsondoor"
)

// Prompt implements dialect.Codec.
func (Codec) Prompt(b *dialect.Body) dialect.Prompt {
	root := b.Index.(*jsondoor.Doc).Root()
	system := appendContent(nil, root.Get("system"))
	var user jsondoor.Value
	for m := root.Get("messages").First(); m.Exists(); m = m.Next() {
		switch role, content := m.Get("role"), m.Get("content"); {
		case role.Is("system"):
			system = appendContent(system, content)
		case role.Is("user") && !resultsOnly(content):
			user = content
		}
	}
	return dialect.Prompt{System: string(system), User: string(appendContent(nil, user))}
}

// appendContent appends the texts of a message, each on its own lines.
func appendContent(dst []byte, content jsondoor.Value) []byte {
	if content.Kind() == jsondoor.String {
		return appendLine(dst, content)
	}
	for b := content.First(); b.Exists(); b = b.Next() {
		switch kind := b.Get("type"); {
		case kind.Is("text"):
			dst = appendLine(dst, b.Get("text"))
		case kind.Is("document") && b.Get("source").Get("type").Is("text"):
			dst = appendLine(dst, b.Get("source").Get("data"))
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
