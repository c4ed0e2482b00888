package transfer

import (
	"context"
	"fmt"
	"math"

	"freehold/internal/vector"
)

// EmbeddedReport holds vectors that were made during the copy against what the model
// makes of the same texts now.
type EmbeddedReport struct {
	Vector  string  `json:"vector"`
	Texts   int     `json:"texts"` // that were asked once more
	Refused int     `json:"refused,omitempty"`
	Differ  int     `json:"differ"`
	Worst   float64 `json:"worst_cosine"`
}

// sameModel is how near a vector is to the one that the same model makes of the same
// text another time, by their cosine: batches, threads and half precision change the
// last digits, another model changes all.
const sameModel = 0.999

// embedded is a vector of the target's, and the text that it should be of.
type embedded struct {
	namespace string
	id        vector.ID // in the target
	origin    *vector.Origin
	text      string
	vector    []float32
}

// parts are the records that should be made of some of the source's.
func (v *verifying) parts(ctx context.Context, records []vector.Record) ([]vector.Part, error) {
	if v.Embedding != nil {
		return v.Embedding.Parts(ctx, records)
	}
	out := make([]vector.Part, len(records))
	for i := range records {
		out[i] = vector.Part{Of: records[i].ID, Record: records[i]}
	}
	return out, nil
}

// take takes the vector that was made from a record of the target, and says what is not
// right with it by itself.
func (v *verifying) take(g *vector.Record, of *vector.Part, origin *vector.Origin, c *compared) (*vector.Record, []vector.Difference) {
	spec := v.Embedding.Spec()
	rest := *g
	rest.Vectors = nil
	var made *vector.Vector
	for i := range g.Vectors {
		if g.Vectors[i].Name == spec.Name {
			made = &g.Vectors[i]
		} else {
			rest.Vectors = append(rest.Vectors, g.Vectors[i])
		}
	}
	is := "none"
	if made != nil {
		if is = made.String(); len(made.Dense) == spec.Dim && made.Rows == 0 && size(made.Dense) > 0 {
			c.texts = append(c.texts, embedded{g.Namespace, g.ID, origin, of.Text, made.Dense})
			return &rest, nil
		}
	}
	return &rest, []vector.Difference{{Namespace: g.Namespace, ID: g.ID.String(), What: "vector " + spec.Name, Want: fmt.Sprintf("%d numbers of a model, not all 0", spec.Dim), Got: is}}
}

// size is the square of a vector's length; 0 of one that is not finite.
func size(v []float32) float64 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if math.IsNaN(sum) || math.IsInf(sum, 0) {
		return 0
	}
	return sum
}

// sampleTexts keeps each with the same chance. mu is held.
func (v *verifying) sampleTexts(all []embedded) {
	if v.Texts <= 0 {
		return
	}
	for i := range all {
		v.seenTexts = keep(v.Random, &v.texts, v.Texts, v.seenTexts, &all[i])
	}
}

// embeddings asks the model for the sample once more.
func (v *verifying) embeddings(ctx context.Context) error {
	if len(v.texts) == 0 {
		return nil
	}
	texts := make([]string, len(v.texts))
	for i := range v.texts {
		texts[i] = v.texts[i].text
	}
	now, why, err := v.Embedding.Embed(ctx, texts)
	if err != nil {
		return fmt.Errorf("the model is asked once more for the vectors of texts (%d): %w", len(texts), err)
	}
	name := v.Embedding.Spec().Name
	report := &EmbeddedReport{Vector: name, Texts: len(texts), Worst: 1}
	for i := range v.texts {
		x := &v.texts[i]
		if why[i] != "" {
			report.Refused++
			continue
		}
		near := vector.Cosine.Score(&vector.Vector{Dense: x.vector}, &vector.Vector{Dense: now[i]})
		if report.Worst = min(report.Worst, near); near >= sameModel {
			continue
		}
		report.Differ++
		v.report.Altered++
		if len(v.report.Differences) < v.Most {
			v.report.Differences = append(v.report.Differences, vector.Difference{
				Namespace: x.namespace, ID: x.id.String(), Source: x.origin, What: "vector " + name,
				Want: (&vector.Vector{Dense: now[i]}).String(), Got: fmt.Sprintf("%s, a cosine of %.4f to it", (&vector.Vector{Dense: x.vector}).String(), near),
			})
		}
	}
	v.report.Embedded = report
	return nil
}
