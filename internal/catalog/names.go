package catalog

import (
	"regexp"
	"strings"
)

var (
	dated    = regexp.MustCompile(`[-@](20\d{6}|20\d\d-\d\d-\d\d)$`)
	fineTune = regexp.MustCompile(`^(ft:[^:]+):`)
)

// candidates are the row names, in lower case, that may stand for a model id
// at a preset, best first: the id itself, then without what does not change
// the price.
//
// A fine-tuned model (ft:BASE:ORG:NAME:ID) has the row ft:BASE. A dated
// snapshot that has no row of its own has that of its undated name. The other
// way round nothing is guessed: an undated name moves between snapshots of
// different prices.
func (c *Catalog) candidates(ref Ref) []string {
	p := c.preset(ref.Preset)
	if p == nil || len(p.Prices.Prefixes) == 0 {
		return nil
	}
	id := strings.ToLower(ref.ID)
	ids := []string{id}
	if m := fineTune.FindStringSubmatch(id); m != nil {
		ids = append(ids, m[1])
	}
	if last := ids[len(ids)-1]; dated.MatchString(last) {
		ids = append(ids, dated.ReplaceAllString(last, ""))
	}
	var out []string
	for _, id := range ids {
		for _, prefix := range p.Prices.Prefixes {
			out = append(out, strings.ToLower(prefix)+id)
		}
	}
	return out
}
