package config

import (
	"fmt"
	"strconv"
	"strings"
)

// kind of a node.
type kind int

const (
	kindNull kind = iota
	kindScalar
	kindMap
	kindList
)

func (k kind) String() string {
	return [...]string{"nothing", "a single value", "a map", "a list"}[k]
}

// scalarType is what plain YAML takes a scalar for.
type scalarType int

const (
	typeString scalarType = iota
	typeInt
	typeFloat
	typeBool
)

// node is one value of the file. Aliases share the node of their anchor.
type node struct {
	kind    kind
	pos     Pos
	text    string // scalar: its text, quotes and escapes undone, ${...} as written
	typ     scalarType
	quoted  bool
	flow    bool     // map or list within brackets
	entries []*entry // of a map, or the items of a list keyed "0", "1", ...
	byKey   map[string]*entry
	size    int // nodes below, itself included, aliases counted in full
	start   int // byte range in the text; of an anchor's content where aliased
	end     int
}

// entry is a place that holds a value: a key of a map or an item of a list.
type entry struct {
	key      string
	keyPos   Pos
	pos      Pos // of the value; of the key where there is no value
	value    *node
	merged   bool // came in through <<
	keyStart int  // byte range of the whole entry begins here
	colon    int  // behind the colon, or behind the dash of an item
	inFlow   bool // stands within brackets
	start    int  // byte range of the value as written, anchor, tag or alias included
	end      int
}

// get is the entry of a key, or nil.
func (n *node) get(key string) *entry {
	if n == nil {
		return nil
	}
	return n.byKey[key]
}

// lookup walks a path; nil where it leads nowhere.
func (e *entry) lookup(path string) *entry {
	segs, err := splitPath(path)
	if err != nil {
		return nil
	}
	found, rest := e.walk(segs)
	if len(rest) > 0 {
		return nil
	}
	return found
}

// walk goes down as far as the path leads and returns what is left of it. A
// key that holds dots (llama-3.1-70b) is found without quotes where it exists.
func (e *entry) walk(segs []segment) (*entry, []segment) {
	for len(segs) > 0 {
		if e == nil || e.value == nil {
			return e, segs
		}
		next, used := (*entry)(nil), 0
		for n := joinable(segs); n > 0 && next == nil; n-- {
			next, used = e.value.get(joinSegs(segs[:n])), n
		}
		if next == nil {
			return e, segs
		}
		e, segs = next, segs[used:]
	}
	return e, nil
}

// segment is one step of a path; a quoted one is never joined with another.
type segment struct {
	text   string
	quoted bool
}

// joinable counts the leading segments that may together be one key.
func joinable(segs []segment) int {
	if segs[0].quoted {
		return 1
	}
	n := 0
	for n < len(segs) && !segs[n].quoted {
		n++
	}
	return n
}

func joinSegs(segs []segment) string {
	parts := make([]string, len(segs))
	for i, s := range segs {
		parts[i] = s.text
	}
	return strings.Join(parts, ".")
}

// JoinPath writes keys as a path, quoting those that hold dots or quotes:
// JoinPath("models", "llama-3.1-70b", "mode") is `models."llama-3.1-70b".mode`.
// Items of a list are their index.
func JoinPath(keys ...string) string {
	parts := make([]string, len(keys))
	for i, k := range keys {
		if k == "" || strings.ContainsAny(k, `."[]`) {
			k = strconv.Quote(k)
		}
		parts[i] = k
	}
	return strings.Join(parts, ".")
}

func pathError(path string) error {
	return fmt.Errorf("%q is not a path: write workloads.NAME.model, with names that hold dots in quotes", path)
}

// splitPath undoes JoinPath; it also takes list items as [0].
func splitPath(path string) ([]segment, error) {
	var segs []segment
	rest := path
	for rest != "" {
		if rest[0] == '"' {
			q, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return nil, pathError(path)
			}
			text, err := strconv.Unquote(q)
			if err != nil {
				return nil, pathError(path)
			}
			segs, rest = append(segs, segment{text, true}), rest[len(q):]
		} else {
			n := strings.IndexAny(rest, ".[")
			if n < 0 {
				n = len(rest)
			}
			if n == 0 && rest[0] != '[' {
				return nil, pathError(path)
			}
			if n > 0 {
				segs, rest = append(segs, segment{rest[:n], false}), rest[n:]
			}
		}
		for strings.HasPrefix(rest, "[") {
			n := strings.IndexByte(rest, ']')
			if n < 2 {
				return nil, pathError(path)
			}
			if _, err := strconv.ParseUint(rest[1:n], 10, 31); err != nil {
				return nil, pathError(path)
			}
			segs, rest = append(segs, segment{rest[1:n], true}), rest[n+1:]
		}
		if rest == "" {
			break
		}
		if rest[0] != '.' || len(rest) == 1 {
			return nil, pathError(path)
		}
		rest = rest[1:]
	}
	return segs, nil
}
