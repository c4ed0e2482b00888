package vector

import "context"

// Embedding makes vectors that records get in the target, of their texts. All of its
// methods may be used concurrently.
type Embedding interface {
	// Spec is what the vectors are in the target.
	Spec() Spec
	// Parts are the records that are made of some of a source's, in their order, each with
	// its text. They are the same whenever they are asked for.
	Parts(ctx context.Context, records []Record) ([]Part, error)
	// Embed makes vectors of texts, in their order. A text that the model refuses for what
	// it is has none, and why says why. An error is an [*Error] where to ask once more may
	// help.
	Embed(ctx context.Context, texts []string) (vectors [][]float32, why []string, err error)
}

// Part is a record that is made of a source's record, or of a piece of its text.
type Part struct {
	Of     ID     // of the source's record
	Record Record // in the source's words; the source's own where it is not made of a piece
	Text   string
	Why    string // there is no such record, and why; empty: there is
}
