package admin

import (
	"context"
	"time"

	"freehold/internal/capture"
	drills "freehold/internal/drill/runner"
	"freehold/internal/history"
	"freehold/internal/rollout/runner"
	"freehold/internal/vector/moves"
)

// HistoryIn selects changes.
type HistoryIn struct {
	Kind    []string  `json:"kind,omitempty" doc:"config.accept, config.overlay, key.create, key.revoke, capture.switch, capture.read, route.use, ..."`
	Subject string    `json:"subject,omitempty" doc:"what it happened to: a file, a key's id, a workload, a routing model"`
	Since   time.Time `json:"since,omitzero"`
	Until   time.Time `json:"until,omitzero"`
	Limit   int       `json:"limit,omitempty" doc:"at most so many; 100 if absent, 10000 at most"`
}

// HistoryKinds lists the kinds of changes that are put on record.
func HistoryKinds() []history.Kind {
	return []history.Kind{
		history.KindConfig, history.KindOverlay, history.KindKeyCreate, history.KindKeyRotate, history.KindKeyRevoke,
		history.KindCapture, capture.KindRead, capture.KindList, capture.KindErase, history.KindRouteUse, runner.Kind, drills.KindStart, drills.KindEnd, KindDrillSelf, history.KindHistoryKey,
		moves.KindSync, moves.KindCutover, moves.KindRollback, moves.KindEnd, moves.KindFinal,
	}
}

// HistoryOut lists changes, newest first, without their diffs.
type HistoryOut struct {
	Records []history.Record `json:"records"`
	Drift   []Drift          `json:"drift" doc:"changes in effect that the file does not have"`
	// While the file is broken, what is on record is shown all the same.
	DriftUnknown string `json:"drift_unknown,omitempty" doc:"why it cannot be told which changes the file does not have"`
}

func (s *Service) historyList(ctx context.Context, _ Caller, in HistoryIn) (HistoryOut, error) {
	f := history.Filter{Subject: in.Subject, Since: in.Since, Until: in.Until}
	var err error
	if f.Limit, err = limit(in.Limit); err != nil {
		return HistoryOut{}, err
	}
	if err := ordered(in.Since, in.Until); err != nil {
		return HistoryOut{}, err
	}
	for _, k := range in.Kind {
		if err := known("kind", history.Kind(k), HistoryKinds()); err != nil {
			return HistoryOut{}, err
		}
		f.Kinds = append(f.Kinds, history.Kind(k))
	}
	records, err := s.app.History.List(ctx, f)
	if err != nil {
		return HistoryOut{}, err
	}
	for i := range records {
		records[i].Diff = ""
	}
	if records == nil {
		records = []history.Record{}
	}
	drift, unknown := s.driftOrWhy(ctx)
	return HistoryOut{Records: records, Drift: drift, DriftUnknown: unknown}, nil
}

// HistoryShowIn names a change by its number.
type HistoryShowIn struct {
	Seq int64 `json:"seq"`
}

func (s *Service) historyShow(ctx context.Context, _ Caller, in HistoryShowIn) (history.Record, error) {
	return s.app.History.Show(ctx, in.Seq)
}

// HistoryVerifyIn says against what to verify.
type HistoryVerifyIn struct {
	Outside []string `json:"outside,omitempty" doc:"files with copies of checkpoints, on the server's machine; from the local socket only"`
	Keys    []string `json:"keys,omitempty" doc:"public keys to trust instead of the one in the key file"`
}

// HistoryVerifyOut is what was found. A history that does not hold is an
// answer, not an error.
type HistoryVerifyOut struct {
	history.Report
	AttestedUpTo int64  `json:"attested_up_to" doc:"last record that an outside place vouches for; 0: self-attested"`
	VerifierKey  string `json:"verifier_key" doc:"the public key, to be kept elsewhere"`
	Text         string `json:"text" doc:"the report for people"`
}

func (s *Service) historyVerify(ctx context.Context, c Caller, in HistoryVerifyIn) (HistoryVerifyOut, error) {
	if len(in.Outside) > 0 && !c.Local {
		return HistoryVerifyOut{}, &Error{Status: 403, Code: CodeDenied, Message: "files of the server's machine can be named from that machine only"}
	}
	return VerifyHistory(ctx, s.app.History, in)
}

// VerifyHistory is history.verify of a history that is opened without the rest of
// the state.
func VerifyHistory(ctx context.Context, l *history.Log, in HistoryVerifyIn) (HistoryVerifyOut, error) {
	r, err := l.Verify(ctx, history.VerifyOptions{Outside: in.Outside, Keys: in.Keys})
	if err != nil {
		return HistoryVerifyOut{}, errorOf(err)
	}
	return HistoryVerifyOut{Report: r, AttestedUpTo: r.AttestedUpTo(), VerifierKey: l.VerifierKey(), Text: r.Text()}, nil
}
