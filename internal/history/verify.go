package history

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// VerifyOptions say against what to verify, beside the history itself.
type VerifyOptions struct {
	// Outside are files (or directories) with copies of checkpoints, as
	// [Options.Outside] writes them. Absent: the log's own.
	Outside []string
	// Keys are public keys to trust, as [Log.VerifierKey] prints them. Absent:
	// the key of the log's key file.
	Keys []string
}

// ErrVerifierKey is returned, wrapped, by [Log.Verify] for a text among
// VerifyOptions.Keys that is no public key.
var ErrVerifierKey = errors.New("this is not a verifier key")

// Verify recomputes everything: each record's hash, each hash of the tree, each
// checkpoint's root and signature, and each outside checkpoint. It changes
// nothing. An error means that verification could not be done; what it found is
// in the report.
func (l *Log) Verify(ctx context.Context, o VerifyOptions) (Report, error) {
	v := &verifier{}
	keys := o.Keys
	if len(keys) == 0 && l.key != nil {
		keys = []string{l.key.vkey}
	}
	for _, text := range keys {
		key, err := note.NewVerifier(text)
		if err != nil {
			return Report{}, fmt.Errorf("verify the history: %q: %w: %w", text, ErrVerifierKey, err)
		}
		v.trusted = append(v.trusted, key)
	}
	v.known = slices.Clone(v.trusted)

	// The outside first: what it says now, the store must know already.
	last, err := l.store.LastHistory(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("verify the history: %w", err)
	}
	if o.Outside == nil {
		o.Outside = l.o.Outside
	}
	if err := v.readOutside(o.Outside, v.origin(last)); err != nil {
		return Report{}, fmt.Errorf("verify the history: %w", err)
	}
	for entry, err := range l.store.ScanHistory(ctx, 1) {
		if err != nil && ctx.Err() != nil {
			return Report{}, fmt.Errorf("verify the history: %w", err)
		}
		if err != nil {
			v.problem(Problem{Kind: ProblemUnreadable, Seq: v.last + 1, Message: fmt.Sprintf("the store cannot be read at record %d: %v", v.last+1, err)})
			break
		}
		v.entry(entry)
	}
	v.end()
	return v.report, nil
}

// verifier is the state of one verification. It walks the records once, in
// order, in constant memory but for the outside checkpoints.
type verifier struct {
	trusted []note.Verifier // the caller's
	known   []note.Verifier // those, and what the records introduced so far

	tree frontier
	// lost: the tree could not be followed past some record, which was
	// reported, so roots say nothing any more.
	lost    bool
	last    int64 // the number of the last entry seen
	signer  note.Verifier
	outside []*outsideCheck
	report  Report
}

// outsideCheck is the state of one outside place.
type outsideCheck struct {
	where  string
	bySize map[int64][]outsideNote
	upto   int64
	// rewritten: a checkpoint contradicted the history; all later ones do.
	rewritten bool
}

func (v *verifier) problem(p Problem) {
	if len(v.report.Problems) < maxProblems {
		v.report.Problems = append(v.report.Problems, p)
	} else {
		v.report.MoreProblems++
	}
}

// origin is the name of the log: that of its keys.
func (v *verifier) origin(last Entry) string {
	if len(v.trusted) > 0 {
		return v.trusted[0].Name()
	}
	name, _, err := signerOf(last.Checkpoint)
	if err != nil {
		return "" // reported when the entry is checked
	}
	return name
}

// readOutside reads all notes; they are checked when their record comes.
func (v *verifier) readOutside(places []string, origin string) error {
	for _, place := range places {
		check := &outsideCheck{where: outsideFile(place, origin), bySize: map[int64][]outsideNote{}}
		data, err := os.ReadFile(check.where)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read the outside checkpoints: %w", err)
		}
		v.outside = append(v.outside, check)
		for _, n := range parseNotes(data, origin) {
			c, err := claimed(n.signed)
			if err != nil {
				v.badNote(check, n, err)
				continue
			}
			check.bySize[c.size] = append(check.bySize[c.size], n)
		}
	}
	return nil
}

// claimed reads a note without checking its signature.
func claimed(signed []byte) (checkpoint, error) {
	_, err := note.Open(signed, note.VerifierList())
	unverified, ok := errors.AsType[*note.UnverifiedNoteError](err)
	if !ok {
		return checkpoint{}, fmt.Errorf("it is no signed note: %w", err)
	}
	return parseCheckpoint(unverified.Note.Text)
}

func (v *verifier) badNote(check *outsideCheck, n outsideNote, err error) {
	v.problem(Problem{
		Kind: ProblemOutside, Where: check.where,
		Message: fmt.Sprintf("the outside checkpoint at %s:%d was altered: %v", check.where, n.line, err),
	})
}

// entry checks one entry.
func (v *verifier) entry(e Entry) {
	if e.Seq != v.last+1 {
		v.missing(v.last+1, e.Seq-1)
	}
	v.last = e.Seq
	v.report.Records++

	leaf := tlog.RecordHash(e.Record)
	stored, err := splitHashes(e.Hashes)
	if err != nil {
		v.hashProblem(e.Seq, err.Error())
	}
	v.introduceKey(e)
	c, key, err := openCheckpoint(e.Checkpoint, v.known)
	if err == nil && c.size != e.Seq {
		err = fmt.Errorf("it is the checkpoint of record %d", c.size)
	}
	if err != nil {
		v.problem(Problem{Kind: ProblemCheckpoint, Seq: e.Seq, Message: fmt.Sprintf("the checkpoint of record %d was altered: %v", e.Seq, err)})
		v.signer = nil
	} else {
		v.signer = key
	}
	if v.lost {
		if len(stored) == 0 || stored[0] != leaf {
			v.recordProblem(e.Seq, "its content and its hash disagree")
		}
		return
	}
	leaf = v.arbitrate(e, leaf, stored, c, err == nil)
	v.checkHashes(e.Seq, stored, v.tree.complete(leaf))
	v.tree.add(leaf)
	v.checkOutside(e.Seq)
}

// arbitrate decides which leaf hash was signed, the content's or the stored
// one, so that one alteration is named once and what follows is still checked.
func (v *verifier) arbitrate(e Entry, content tlog.Hash, stored []tlog.Hash, c checkpoint, signed bool) tlog.Hash {
	agree := len(stored) > 0 && stored[0] == content
	switch {
	case signed && v.tree.rootWith(content) == c.root:
		// The content is what was signed; a stored hash that differs is
		// reported by checkHashes.
		if r, err := decode(e.Record); err != nil {
			v.recordProblem(e.Seq, err.Error())
		} else if r.Seq != e.Seq {
			v.recordProblem(e.Seq, fmt.Sprintf("it is record %d", r.Seq))
		}
		return content
	case agree && !signed: // the damage is the checkpoint's, reported already
		return content
	case agree:
		v.recordProblem(e.Seq, "it and its hash were replaced: the signed checkpoint is of something else")
		v.lost = true
		return content
	case len(stored) == 0: // reported already; the content stands
		if signed {
			v.recordProblem(e.Seq, "it is not what the signed checkpoint is of")
			v.lost = true
		}
		return content
	}
	v.recordProblem(e.Seq, "its content is not what its hash was made of")
	if signed && v.tree.rootWith(stored[0]) != c.root {
		v.lost = true
	}
	return stored[0]
}

// checkHashes compares an entry's tree hashes with the computed ones.
func (v *verifier) checkHashes(seq int64, stored, computed []tlog.Hash) {
	if v.lost || slices.Equal(stored, computed) {
		return
	}
	if len(stored) != len(computed) {
		v.hashProblem(seq, fmt.Sprintf("there are %d, not %d", len(stored), len(computed)))
		return
	}
	for level := range computed {
		if stored[level] != computed[level] {
			v.hashProblem(seq, fmt.Sprintf("the one over records %d to %d is wrong", seq-1<<level+1, seq))
		}
	}
}

// introduceKey takes over the key that a record says begins with it. That is
// the log's own word: what makes a key trusted is that the last checkpoint is
// signed by a key the caller trusts.
func (v *verifier) introduceKey(e Entry) {
	r, err := decode(e.Record)
	if err != nil || r.Kind != KindHistoryKey {
		return // an unreadable record is reported where it is checked
	}
	key, err := note.NewVerifier(r.Details["verifier"])
	if err != nil {
		return // an altered record: reported there too
	}
	if !slices.ContainsFunc(v.known, func(k note.Verifier) bool { return sameKey(k, key) }) {
		v.known = append(v.known, key)
	}
	v.report.Keys = append(v.report.Keys, KeyUse{Verifier: r.Details["verifier"], From: e.Seq})
}

func sameKey(a, b note.Verifier) bool { return a.Name() == b.Name() && a.KeyHash() == b.KeyHash() }

// checkOutside compares the outside checkpoints of a record with the tree.
func (v *verifier) checkOutside(seq int64) {
	if v.lost {
		return
	}
	for _, check := range v.outside {
		for _, n := range check.bySize[seq] {
			c, _, err := openCheckpoint(n.signed, v.known)
			switch {
			case err != nil:
				v.badNote(check, n, err)
			case check.rewritten: // one finding says it
			case c.root != v.tree.root():
				check.rewritten = true
				v.problem(Problem{
					Kind: ProblemRewritten, Seq: seq, Where: check.where,
					Message: fmt.Sprintf("records were rewritten: %s:%d attests another history up to record %d", check.where, n.line, seq),
				})
			default:
				check.upto = seq
			}
		}
		delete(check.bySize, seq)
	}
}

func (v *verifier) missing(from, to int64) {
	what := fmt.Sprintf("records %d to %d are", from, to)
	if from >= to {
		what = fmt.Sprintf("record %d is", from)
	}
	v.problem(Problem{Kind: ProblemMissing, Seq: from, Message: what + " missing; of those after it, only each one's own hash and signature can be checked"})
	v.lost = true
}

func (v *verifier) recordProblem(seq int64, why string) {
	v.problem(Problem{Kind: ProblemRecord, Seq: seq, Message: fmt.Sprintf("record %d was altered: %s", seq, why)})
}

func (v *verifier) hashProblem(seq int64, why string) {
	v.problem(Problem{Kind: ProblemHash, Seq: seq, Message: fmt.Sprintf("the tree hashes stored with record %d were altered: %s", seq, why)})
}

// end checks what only the whole can tell.
func (v *verifier) end() {
	r := &v.report
	if v.last > 0 && !v.lost {
		r.Root = v.tree.root().String()
	}
	r.KeyTrusted = len(v.trusted) > 0
	if r.KeyTrusted && v.signer != nil && !slices.ContainsFunc(v.trusted, func(k note.Verifier) bool { return sameKey(k, v.signer) }) {
		v.problem(Problem{
			Kind: ProblemKey, Seq: v.last,
			Message: fmt.Sprintf("the last checkpoint, of record %d, is signed by a key that is not the trusted one: "+
				"the history may have been written anew, or the key file is the wrong one", v.last),
		})
	}
	for _, check := range v.outside {
		v.endOutside(check)
		r.Outside = append(r.Outside, Attestation{Where: check.where, UpTo: check.upto})
	}
	r.OK = len(r.Problems) == 0
}

// endOutside judges the outside checkpoints that met no record.
func (v *verifier) endOutside(check *outsideCheck) {
	furthest, line := int64(0), 0
	for size, notes := range check.bySize {
		for _, n := range notes {
			if _, _, err := openCheckpoint(n.signed, v.known); err != nil {
				v.badNote(check, n, err)
			} else if size > v.last && size > furthest {
				furthest, line = size, n.line
			}
		}
	}
	switch {
	case furthest > 0:
		v.problem(Problem{
			Kind: ProblemTruncated, Seq: v.last + 1, Where: check.where,
			Message: fmt.Sprintf("the history ends at record %d, but %s:%d attests record %d: it was cut short or set back to an older state",
				v.last, check.where, line, furthest),
		})
	case check.upto == 0 && v.last > 0 && !v.lost:
		v.problem(Problem{
			Kind: ProblemOutside, Where: check.where,
			Message: check.where + " has no checkpoint of this history: copying has not begun, or the copies were removed",
		})
	}
}
