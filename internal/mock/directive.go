package mock

import (
	"encoding/json"
	"strconv"
	"strings"
)

// directives are what the last user message orders with its mock: lines.
type directives struct {
	say                                        *string
	length                                     int
	think                                      int // words; -1: not ordered
	cached, written                            int // tokens; -1: not ordered
	asJSON, refuse, filter, pause, empty, echo bool
	calls                                      []call
}

// call is a tool call: arguments as JSON text.
type call struct{ name, arguments string }

// direct reads the directives of a message. What cannot be read is a problem,
// so that a test's slip is not a passing test.
func direct(message string) (directives, *problem) {
	d := directives{think: -1, cached: -1, written: -1}
	var rest []string
	for line := range strings.Lines(message) {
		order, ok := strings.CutPrefix(strings.TrimSpace(line), "mock:")
		if !ok {
			rest = append(rest, line)
			continue
		}
		verb, arg, _ := strings.Cut(strings.TrimSpace(order), " ")
		arg = strings.TrimSpace(arg)
		bad := func() *problem {
			return problemf(nil, "mock_directive", "mock: cannot read the directive %q", strings.TrimSpace(line))
		}
		var err error
		switch verb {
		case "say":
			if strings.HasPrefix(arg, `"`) {
				arg, err = strconv.Unquote(arg)
			}
			d.say = &arg
		case "length":
			d.length, err = strconv.Atoi(arg)
		case "think":
			d.think = 12
			if arg != "" {
				d.think, err = strconv.Atoi(arg)
			}
		case "cached":
			d.cached, err = strconv.Atoi(arg)
		case "cache-write":
			d.written, err = strconv.Atoi(arg)
		case "tools":
			d.calls, err = calls(arg)
		case "json":
			d.asJSON = true
		case "refuse":
			d.refuse = true
		case "filter":
			d.filter = true
		case "pause":
			d.pause = true
		case "empty":
			d.empty = true
		case "echo":
			d.echo = true
		default:
			return d, bad()
		}
		if err != nil || d.length < 0 {
			return d, bad()
		}
	}
	if d.echo {
		t := strings.TrimSpace(strings.Join(rest, ""))
		d.say = &t
	}
	return d, nil
}

// calls reads NAME {JSON} [NAME {JSON}]...; a name alone has no arguments.
func calls(s string) ([]call, error) {
	var out []call
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		name, rest, _ := strings.Cut(s, " ")
		c := call{name: name}
		s = strings.TrimSpace(rest)
		if strings.HasPrefix(s, "{") {
			d := json.NewDecoder(strings.NewReader(s))
			var raw json.RawMessage
			if err := d.Decode(&raw); err != nil {
				return nil, err
			}
			c.arguments = string(raw)
			s = s[d.InputOffset():]
		}
		out = append(out, c)
	}
	return out, nil
}
