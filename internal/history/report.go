package history

import (
	"fmt"
	"strings"
)

// ProblemKind says what sort of damage was found. The values are stable.
type ProblemKind string

// The sorts of damage.
const (
	ProblemRecord     ProblemKind = "record_altered"
	ProblemHash       ProblemKind = "hash_altered"
	ProblemCheckpoint ProblemKind = "checkpoint_altered"
	ProblemMissing    ProblemKind = "record_missing"
	ProblemUnreadable ProblemKind = "unreadable"
	ProblemKey        ProblemKind = "key_untrusted"
	ProblemOutside    ProblemKind = "outside_altered"
	ProblemRewritten  ProblemKind = "rewritten"
	ProblemTruncated  ProblemKind = "truncated"
)

// Problem is one finding.
type Problem struct {
	Kind    ProblemKind `json:"kind"`
	Seq     int64       `json:"seq,omitempty"`   // the record that it is about
	Where   string      `json:"where,omitempty"` // the outside file, if it is about one
	Message string      `json:"message"`
}

// maxProblems bounds a report of a history that is damaged throughout.
const maxProblems = 100

// KeyUse is a signing key and the first record that it signed.
type KeyUse struct {
	Verifier string `json:"verifier"`
	From     int64  `json:"from"`
}

// Attestation says up to which record an outside place vouches for the history.
type Attestation struct {
	Where string `json:"where"`
	UpTo  int64  `json:"up_to"` // 0: nothing
}

// Report is the outcome of [Log.Verify].
type Report struct {
	OK      bool   `json:"ok"`
	Records int64  `json:"records"`
	Root    string `json:"root,omitempty"` // of the whole tree, base64
	// KeyTrusted: the signing key was known apart from the store. If not, the
	// history is consistent with the keys that it names itself, no more.
	KeyTrusted   bool          `json:"key_trusted"`
	Keys         []KeyUse      `json:"keys"`
	Outside      []Attestation `json:"outside"`
	Problems     []Problem     `json:"problems"`
	MoreProblems int           `json:"more_problems,omitempty"` // found, not listed
}

// AttestedUpTo is the last record that an outside place vouches for; 0 means
// that the history is self-attested.
func (r *Report) AttestedUpTo() int64 {
	var upto int64
	for _, a := range r.Outside {
		upto = max(upto, a.UpTo)
	}
	return upto
}

// Text is the report for people, ending in a line feed.
func (r *Report) Text() string {
	var b strings.Builder
	switch {
	case r.OK && r.Records == 0:
		b.WriteString("OK: the history is empty\n")
	case r.OK:
		fmt.Fprintf(&b, "OK: %s, root %s\n", count(r.Records), r.Root)
	default:
		fmt.Fprintf(&b, "NOT OK: %s, %d found wrong\n", count(r.Records), len(r.Problems)+r.MoreProblems)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "  %s\n", p.Message)
	}
	if r.MoreProblems > 0 {
		fmt.Fprintf(&b, "  and %d more\n", r.MoreProblems)
	}
	attested := false
	for _, a := range r.Outside {
		if a.UpTo == 0 {
			continue
		}
		attested = true
		fmt.Fprintf(&b, "attested up to record %d by %s\n", a.UpTo, a.Where)
	}
	switch {
	case !attested && r.Records == 0:
		b.WriteString("self-attested: no outside checkpoint vouches for it, so there may have been records\n")
	case !attested:
		b.WriteString("self-attested: no outside checkpoint vouches for it, so whoever has the store and the signing key could have written it anew\n")
	}
	for i, k := range r.Keys {
		what := "signed by"
		if i > 0 {
			what = "a new key begins, which the one before did not sign:"
		}
		fmt.Fprintf(&b, "from record %d %s %s\n", k.From, what, k.Verifier)
	}
	if !r.KeyTrusted && r.Records > 0 {
		b.WriteString("the signing key was not checked: give the verifier key that you kept\n")
	}
	return b.String()
}

func count(records int64) string {
	if records == 1 {
		return "1 record"
	}
	return fmt.Sprintf("%d records", records)
}
