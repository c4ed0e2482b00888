package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// leaf is a scalar as YAML means it.
type leaf struct {
	text string
	typ  scalarType
}

// plain is a tree without places: map[string]any, []any, leaf or nil. An
// empty map and nothing are the same.
func plain(n *node) any {
	switch n.kind {
	case kindMap:
		if len(n.entries) == 0 {
			return nil
		}
		m := make(map[string]any, len(n.entries))
		for _, e := range n.entries {
			m[e.key] = plain(e.value)
		}
		return m
	case kindList:
		l := make([]any, len(n.entries))
		for i, e := range n.entries {
			l[i] = plain(e.value)
		}
		return l
	case kindScalar:
		return leaf{n.text, n.typ}
	}
	return nil
}

// with is tree with value at keys, parents made where they are missing.
func with(tree any, keys []string, value any) (any, error) {
	if len(keys) == 0 {
		return value, nil
	}
	switch t := tree.(type) {
	case nil:
		v, err := with(nil, keys[1:], value)
		return map[string]any{keys[0]: v}, err
	case map[string]any:
		v, err := with(t[keys[0]], keys[1:], value)
		out := maps.Clone(t)
		out[keys[0]] = v
		return out, err
	case []any:
		i, err := strconv.Atoi(keys[0])
		if err != nil || i < 0 || i > len(t) {
			return nil, fmt.Errorf("the list has %d items, there is no %s", len(t), keys[0])
		}
		out := slices.Clone(t)
		if i == len(t) {
			out = append(out, nil)
		}
		out[i], err = with(out[i], keys[1:], value)
		return out, err
	}
	return nil, fmt.Errorf("%q cannot be put below a single value", keys[0])
}

// without is tree without what stands at keys.
func without(tree any, keys []string) any {
	switch t := tree.(type) {
	case map[string]any:
		out := maps.Clone(t)
		if len(keys) > 1 {
			out[keys[0]] = without(t[keys[0]], keys[1:])
		} else {
			delete(out, keys[0])
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case []any:
		i, err := strconv.Atoi(keys[0])
		if err != nil || i < 0 || i >= len(t) {
			return t
		}
		out := slices.Clone(t)
		if len(keys) > 1 {
			out[i] = without(t[i], keys[1:])
			return out
		}
		return slices.Delete(out, i, i+1)
	}
	return tree
}
