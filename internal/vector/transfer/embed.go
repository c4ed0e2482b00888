package transfer

import (
	"context"
	"fmt"
	"slices"

	"freehold/internal/vector"
)

// Texts of records are embedded in groups of so many parts, with about so many bytes.
const (
	groupParts = 256
	groupBytes = 512 << 10
)

// groups are parts in groups whose texts have about groupBytes at most.
func groups(parts []vector.Part) (out [][]vector.Part) {
	from, bytes := 0, 0
	for i := range parts {
		n := len(parts[i].Text)
		if i > from && (i-from == groupParts || bytes+n > groupBytes) {
			out, from, bytes = append(out, parts[from:i]), i, 0
		}
		bytes += n
	}
	if from < len(parts) {
		out = append(out, parts[from:])
	}
	return out
}

// embed sends records that get vectors of their texts. An error ends the copy: to read
// the records once more would not help.
func (c *copying) embed(ctx context.Context, records []vector.Record, s *sending) error {
	var parts []vector.Part
	err := c.Again(ctx, "read texts", func() (err error) {
		parts, err = c.Embedding.Parts(ctx, records)
		return err
	})
	if err != nil {
		return fmt.Errorf("the texts: %w", err)
	}
	for _, group := range groups(parts) {
		if err := c.embedGroup(ctx, group, s); err != nil || ctx.Err() != nil {
			return err
		}
	}
	return nil
}

func (c *copying) embedGroup(ctx context.Context, parts []vector.Part, s *sending) error {
	var mapped []vector.Record
	var of []*vector.Part
	var texts []string
	for i := range parts {
		p := &parts[i]
		if p.Why != "" {
			s.refuse(&p.Record, p.Why)
			continue
		}
		r, why := c.become(&p.Record)
		if why != "" {
			s.refuse(&p.Record, why)
			continue
		}
		mapped, of, texts = append(mapped, r), append(of, p), append(texts, p.Text)
	}
	if len(texts) == 0 {
		return nil
	}
	var vectors [][]float32
	var why []string
	err := c.Again(ctx, "embed", func() (err error) {
		vectors, why, err = c.Embedding.Embed(ctx, texts)
		return err
	})
	if err != nil || ctx.Err() != nil {
		return err
	}
	name := c.Embedding.Spec().Name
	for i := range mapped {
		if why[i] != "" {
			s.refuse(&of[i].Record, why[i])
			continue
		}
		r := mapped[i]
		r.Vectors = append(slices.Clip(r.Vectors), vector.Vector{Name: name, Dense: vectors[i]})
		if !s.put(&r) {
			return nil
		}
	}
	return nil
}
