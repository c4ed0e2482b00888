package remote

import (
	"encoding/json"
	"unicode/utf8"

	"freehold/internal/detect"
)

// text is one text of a request that a detector is asked of.
type text struct {
	value string
	// start and end are its place in the body, within the quotes; -1: none.
	start, end int
	json       bool
}

// words are strings of the protocols that say nothing of anybody. All others are
// looked at, wherever they stand.
var words = func() map[string]bool {
	t := map[string]bool{"": true}
	for _, w := range []string{
		"user", "assistant", "system", "developer", "tool", "function", "text", "input_text", "image_url", "input_audio", "file",
		"tool_use", "tool_result", "thinking", "redacted_thinking", "image", "document", "ephemeral", "base64", "url",
		"object", "string", "number", "integer", "boolean", "array", "null", "json_schema", "json_object",
		"auto", "none", "required", "any", "enabled", "disabled", "low", "medium", "high", "float",
	} {
		t[w] = true
	}
	return t
}()

// texts are the strings of a JSON body but member names, words of the protocol
// and media.
func texts(body []byte) []text {
	var out []text
	for i := 0; i < len(body); i++ {
		if body[i] != '"' {
			continue
		}
		start, escaped := i+1, false
		for i++; i < len(body) && body[i] != '"'; i++ {
			if body[i] == '\\' {
				escaped = true
				i++
			}
		}
		end := min(i, len(body))
		if named(body, end+1) || detect.Media(body, start) {
			continue
		}
		value := string(body[start:end])
		if escaped {
			if err := json.Unmarshal(body[start-1:min(end+1, len(body))], &value); err != nil {
				continue // no body that was read
			}
		}
		if !words[value] {
			out = append(out, text{value: value, start: start, end: end, json: true})
		}
	}
	return out
}

// named reports that the string before i is a member's name.
func named(body []byte, i int) bool {
	for i < len(body) && (body[i] == ' ' || body[i] == '\n' || body[i] == '\t' || body[i] == '\r') {
		i++
	}
	return i < len(body) && body[i] == ':'
}

// plain are the texts of a body that is no JSON.
func plain(body []byte, others []string) ([]text, error) {
	if !utf8.Valid(body) {
		return nil, errUnreadable
	}
	var out []text
	if len(body) > 0 {
		out = append(out, text{value: string(body), end: len(body)})
	}
	for _, o := range others {
		if !utf8.ValidString(o) {
			return nil, errUnreadable
		}
		if o != "" {
			out = append(out, text{value: o, start: -1})
		}
	}
	return out, nil
}

// places are where findings, in the order of their beginnings, stand in the body.
func (t *text) places(body []byte, found []finding) ([][2]int, error) {
	size := utf8.RuneCountInString(t.value)
	for i := range found {
		if f := &found[i]; f.Start < 0 || f.End <= f.Start || f.End > size {
			return nil, errPlace
		}
	}
	out := make([][2]int, len(found))
	if t.start < 0 {
		return out, nil
	}
	// Where each character begins, and where the last one ends.
	begins := make([]int, 0, size+1)
	for at := t.start; at < t.end; {
		begins = append(begins, at)
		at += t.width(body[at:t.end])
	}
	begins = append(begins, t.end)
	if len(begins) != size+1 {
		return nil, errPlace
	}
	for i := range found {
		out[i] = [2]int{begins[found[i].Start], begins[found[i].End]}
	}
	return out, nil
}

// width is how many bytes the first character of b takes.
func (t *text) width(b []byte) int {
	if !t.json || b[0] != '\\' {
		_, n := utf8.DecodeRune(b)
		return n
	}
	if len(b) < 6 || b[1] != 'u' {
		return min(2, len(b))
	}
	// Two escapes that are one character.
	if high(b[2:]) && len(b) >= 12 && b[6] == '\\' && b[7] == 'u' && low(b[8:]) {
		return 12
	}
	return 6
}

// high and low report the halves of a surrogate pair, in hexadecimal.
func high(b []byte) bool { return surrogate(b, '8', 'b') }
func low(b []byte) bool  { return surrogate(b, 'c', 'f') }

func surrogate(b []byte, from, to byte) bool {
	second := b[1] | 0x20
	if b[1] <= '9' {
		second = b[1]
	}
	return b[0]|0x20 == 'd' && second >= from && second <= to
}
