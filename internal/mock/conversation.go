package mock

import (
	"regexp"
	"strings"
)

// item is a piece of a conversation, the same in every dialect.
type item struct {
	role role
	kind itemKind
	// text is the text, the result of a tool, the address or data of an image,
	// or the arguments of a call as canonical JSON.
	text string
	name string // of the called tool
}

type role string

const (
	system    role = "system"
	user      role = "user"
	assistant role = "assistant"
)

type itemKind string

const (
	textItem     itemKind = "text"
	imageItem    itemKind = "image"
	fileItem     itemKind = "file"
	callItem     itemKind = "call"
	resultItem   itemKind = "result"
	thinkingItem itemKind = "thinking"
)

// request is what is asked, the same in every dialect.
type request struct {
	model string
	items []item
	tools []tool
	// forced: a tool must be called; the one of this name if it is not "any".
	forced   string
	parallel bool
	stream   bool
	n        int
	limit    int // tokens, 0 for none
	stops    []string
	// think: thinking is asked for; it is shown where the dialect can.
	think bool
	// schema is that of the answer; asJSON without one is any object.
	schema any
	asJSON bool
	logprobs,
	usageChunk bool
	alternatives int // of each token's logprobs
	// resume: the last assistant message is the beginning of the answer; echo:
	// the answer repeats it.
	resume, echo bool
	// cached tokens of the prompt, and those written to the cache, -1 for the
	// dialect's rule.
	marked int
}

type tool struct {
	name   string
	schema any
}

// key is the hash that everything about an answer depends on.
func key(seed uint64, items []item) uint64 {
	var parts []string
	for i := 0; i < len(items); i++ {
		it := items[i]
		if it.kind == thinkingItem {
			continue
		}
		words := strings.Fields(it.text)
		if it.kind == textItem { // how texts of one role are cut does not count
			for i+1 < len(items) && items[i+1].kind == textItem && items[i+1].role == it.role {
				i++
				words = append(words, strings.Fields(items[i].text)...)
			}
			if len(words) == 0 {
				continue
			}
		}
		parts = append(parts, string(it.role), string(it.kind), it.name, strings.Join(words, " "))
	}
	return hash(seed, parts...)
}

// ending takes the last assistant message, if it is text only, from items.
func ending(items []item) (before []item, said string, ok bool) {
	i := len(items)
	for i > 0 && items[i-1].role == assistant && (items[i-1].kind == textItem || items[i-1].kind == thinkingItem) {
		i--
	}
	for _, it := range items[i:] {
		if it.kind == textItem {
			said += it.text
			ok = true
		}
	}
	if i > 0 && items[i-1].role == assistant {
		return items, "", false // calls came before the text
	}
	return items[:i], said, ok
}

var goOn = regexp.MustCompile(`(?is)\b(continue|go on|carry on|resume)\b`)

// asksToContinue finds the shape "assistant: a part, user: continue".
func asksToContinue(items []item) (before []item, said string, ok bool) {
	i := len(items)
	asked := false
	for i > 0 && items[i-1].role == user && items[i-1].kind == textItem {
		i--
		asked = asked || goOn.MatchString(items[i].text)
	}
	if !asked {
		return items, "", false
	}
	return ending(items[:i])
}

// lastUser is the text of the last user message and whether tool results have
// come since.
func lastUser(items []item) (string, bool) {
	results := false
	for i := len(items) - 1; i >= 0; i-- {
		it := items[i]
		results = results || it.kind == resultItem
		if it.role == user && it.kind == textItem {
			t := it.text
			for i > 0 && items[i-1].role == user && items[i-1].kind == textItem {
				i--
				t = items[i].text + "\n" + t
			}
			return t, results
		}
	}
	return "", results
}

// count is the tokens of a conversation: its words, 3 for each turn, and what
// its images weigh.
func (q *request) count() int {
	n := 0
	for i, it := range q.items {
		if i == 0 || q.items[i-1].role != it.role {
			n += 3
		}
		switch it.kind {
		case imageItem, fileItem:
			n += 85
		case callItem:
			n += len(tokens(it.name)) + (len(it.text)+3)/4
		default:
			n += len(tokens(it.text))
		}
	}
	for _, t := range q.tools {
		n += 4 + len(compact(t.schema))/4
	}
	return n
}
