package openaichat

import (
	"fmt"
	"regexp"
	"strconv"

	"freehold/internal/fault"
	"freehold/internal/jsondoor"
)

// shaped are the members of a request from which a server makes the grammar of
// the answer.
var shaped = []string{"response_format", "json_schema", "tools", "grammar"}

// repeats finds repetitions in a pattern or grammar: x{5,2}.
var repeats = regexp.MustCompile(`\{\s*(\d{1,18})\s*,\s*(\d{1,18})\s*\}`)

// contradiction refuses a request in which something is to be repeated at least
// more often than at most (Quirks.NoContradiction).
func (m members) contradiction() *fault.Error {
	for _, name := range shaped {
		x := m.find(name)
		if x == nil {
			continue
		}
		d, err := jsondoor.ParseLax(x.raw, jsondoor.Everything)
		if err != nil {
			continue // the provider's to judge
		}
		said := contradicts(d.Root(), name == "grammar")
		d.Release()
		if said != "" {
			return &fault.Error{Kind: fault.Unsupported, Param: name, Code: "unsupported_parameter", NoRetry: true,
				Message: "The parameter '" + name + "' contradicts itself: " + said + "."}
		}
	}
	return nil
}

// contradicts says where a schema, or what holds one, contradicts itself; pattern
// says that a string is one, or a grammar.
func contradicts(v jsondoor.Value, pattern bool) string {
	if pattern && v.Kind() == jsondoor.String {
		for _, m := range repeats.FindAllStringSubmatch(v.Text(), -1) {
			least, _ := strconv.ParseInt(m[1], 10, 64) // up to 18 digits always fit
			if most, _ := strconv.ParseInt(m[2], 10, 64); least > most {
				return fmt.Sprintf("it repeats something at least %d and at most %d times", least, most)
			}
		}
		return ""
	}
	least, ok := v.Get("minLength").Float()
	if most, bounded := v.Get("maxLength").Float(); ok && bounded && least > most {
		return fmt.Sprintf("minLength is %v and maxLength %v", least, most)
	}
	for c := v.First(); c.Exists(); c = c.Next() {
		if said := contradicts(c, c.Named("pattern")); said != "" {
			return said
		}
	}
	return ""
}
