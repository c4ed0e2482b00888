package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"freehold/internal/capture"
	"freehold/internal/ledger"
	"freehold/internal/rollout/runner"
)

// Capture is a request whose texts are kept, without them.
type Capture struct {
	ID          string    `json:"request_id"`
	Time        time.Time `json:"time"`
	Expires     time.Time `json:"expires" doc:"when the texts are deleted, at the latest"`
	Workload    string    `json:"workload"`
	KeyID       string    `json:"key_id,omitempty"`
	Tenant      string    `json:"tenant,omitempty" doc:"whose request it was"`
	DataClasses []string  `json:"data_classes"`
	Dialect     string    `json:"dialect" doc:"of both texts"`
	Operation   string    `json:"operation"`
	Outcome     string    `json:"outcome"`
	Size        int64     `json:"size_bytes" doc:"sealed"`
	SealKey     string    `json:"seal_key" doc:"id of the capture.key that seals the texts"`
}

func captureOf(e *capture.Entry) Capture {
	return Capture{
		ID: e.ID, Time: e.Time, Expires: e.Expires, Workload: e.Workload, KeyID: e.KeyID, Tenant: e.Tenant, DataClasses: orEmpty(e.Classes),
		Dialect: e.Dialect, Operation: e.Operation, Outcome: e.Outcome, Size: e.Size, SealKey: e.SealKey,
	}
}

// CaptureFilter selects captured requests.
type CaptureFilter struct {
	Workload string    `json:"workload,omitempty"`
	Key      string    `json:"key,omitempty" doc:"id or name of a virtual key"`
	Tenant   string    `json:"tenant,omitempty" doc:"whose requests"`
	User     string    `json:"user,omitempty" doc:"end user, as requests name it: user or safety_identifier, metadata.user_id"`
	Since    time.Time `json:"since,omitzero" doc:"inclusive"`
	Until    time.Time `json:"until,omitzero" doc:"exclusive"`
}

func (s *Service) captures(f CaptureFilter) (capture.Filter, error) {
	out := capture.Filter{Workload: f.Workload, Tenant: f.Tenant, User: f.User, Since: f.Since, Until: f.Until}
	if err := ordered(f.Since, f.Until); err != nil {
		return out, err
	}
	if several := s.called(f.Key); len(several) > 1 {
		return out, invalid(fmt.Sprintf("%d keys are called %s", len(several), f.Key), "name each by its id: "+strings.Join(several, ", "))
	}
	var err error
	out.KeyID, err = s.keyID(f.Key)
	return out, err
}

// called are the ids of all keys with a name.
func (s *Service) called(name string) (ids []string) {
	for _, k := range s.app.Keys.List() {
		if name != "" && k.Name == name {
			ids = append(ids, k.ID)
		}
	}
	return ids
}

// heard refuses a tenant that neither the configuration nor the ledger knows: a name
// that was mistyped must not look like one whose texts are gone.
func (s *Service) heard(ctx context.Context, tenant string) error {
	if tenant == "" || s.app.Config().Tenants[tenant] != nil {
		return nil
	}
	known, err := s.app.Ledger.Usage(ctx, ledger.Query{Tenant: tenant})
	if err == nil && len(known) == 0 {
		return &Error{Status: http.StatusNotFound, Code: CodeNotFound, Message: fmt.Sprintf("no request was of a tenant %q", tenant),
			Hint: "freehold usage --by tenant lists those that asked, tenants in config.yaml has those with a budget"}
	}
	return err
}

// CapturesIn asks which requests have texts.
type CapturesIn struct {
	CaptureFilter
	Limit  int    `json:"limit,omitempty" doc:"at most so many; 100 if absent, 10000 at most"`
	Reason string `json:"reason,omitempty" doc:"for the history"`
}

// CapturesOut lists them, newest first.
type CapturesOut struct {
	Captures []Capture `json:"captures"`
}

// CaptureIn names a request.
type CaptureIn struct {
	ID     string `json:"request_id"`
	Reason string `json:"reason,omitempty" doc:"for the history"`
}

// CaptureText is a body of a request or an answer.
type CaptureText struct {
	Text string `json:"text" doc:"in the client's dialect; of a stream, the answer that it amounts to"`
	Size int64  `json:"size_bytes" doc:"of the whole"`
	Cut  bool   `json:"cut" doc:"text is only the beginning"`
}

func textOf(t capture.Text) CaptureText {
	return CaptureText{Text: strings.ToValidUTF8(string(t.Body), ""), Size: t.Size, Cut: t.IsCut()}
}

// CaptureOut is a request with its texts.
type CaptureOut struct {
	Capture
	User    string      `json:"user,omitempty" doc:"end user, as the request names it"`
	Request CaptureText `json:"request"`
	Answer  CaptureText `json:"answer"`
}

// CaptureEraseIn says what is to be erased: at least a request, a workload, a
// key, a tenant or a user. What is given narrows it down together.
type CaptureEraseIn struct {
	ID string `json:"request_id,omitempty"`
	CaptureFilter
	Reason string `json:"reason,omitempty" doc:"for the history"`
}

// CaptureEraseOut says what was erased.
type CaptureEraseOut struct {
	Erased   int `json:"erased" doc:"requests whose texts are gone, with the copies by rollouts"`
	Comments int `json:"comments" doc:"comments of callers on requests (feedback) that are gone"`
}

func (s *Service) captureList(ctx context.Context, c Caller, in CapturesIn) (CapturesOut, error) {
	by, err := captureBy(c, in.Reason)
	if err != nil {
		return CapturesOut{}, err
	}
	f, err := s.captures(in.CaptureFilter)
	if err != nil {
		return CapturesOut{}, err
	}
	if f.Limit, err = limit(in.Limit); err != nil {
		return CapturesOut{}, err
	}
	entries, err := s.app.Captures.List(ctx, f, by)
	if err != nil {
		return CapturesOut{}, err
	}
	out := CapturesOut{Captures: []Capture{}}
	for i := range entries {
		out.Captures = append(out.Captures, captureOf(&entries[i]))
	}
	return out, nil
}

func (s *Service) captureShow(ctx context.Context, c Caller, in CaptureIn) (CaptureOut, error) {
	by, err := captureBy(c, in.Reason)
	if err != nil {
		return CaptureOut{}, err
	}
	r, err := s.app.Captures.Read(ctx, in.ID, by)
	if err != nil {
		return CaptureOut{}, err
	}
	return CaptureOut{Capture: captureOf(&r.Entry), User: r.User, Request: textOf(r.Request), Answer: textOf(r.Answer)}, nil
}

func (s *Service) captureErase(ctx context.Context, c Caller, in CaptureEraseIn) (CaptureEraseOut, error) {
	by, err := captureBy(c, in.Reason)
	if err != nil {
		return CaptureEraseOut{}, err
	}
	f, err := s.captures(in.CaptureFilter)
	if err != nil {
		return CaptureEraseOut{}, err
	}
	if err := s.heard(ctx, f.Tenant); err != nil {
		return CaptureEraseOut{}, err
	}
	f.ID = in.ID
	erased, err := s.app.Captures.Erase(ctx, f, by)
	if err == nil {
		var copies capture.Erased
		copies, err = s.eraseCopies(ctx, f, by)
		erased.Texts += copies.Texts
	}
	if err == nil && erased == (capture.Erased{}) && f.ID != "" {
		err = fmt.Errorf("erase %s: %w", f.ID, capture.ErrNotFound)
	}
	return CaptureEraseOut{erased.Texts, erased.Comments}, err
}

// eraseCopies erases what a rollout asked the new model in the same words. A key or
// end user selects copies as it does requests; a request or workload does not.
func (s *Service) eraseCopies(ctx context.Context, f capture.Filter, by capture.By) (out capture.Erased, err error) {
	if f.ID == "" {
		if f.Workload == "" {
			return out, nil
		}
		f.Workload = runner.Label(f.Workload)
		return s.app.Captures.Erase(ctx, f, by)
	}
	row, err := s.app.Ledger.Request(ctx, f.ID)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return out, nil
	case err != nil:
		return out, err
	case row.Part == nil || row.Part.Rollout == "":
		return out, nil
	}
	pairs, err := s.app.Rollouts.Pairs(ctx, row.Part.Rollout)
	if err != nil {
		return out, err
	}
	for i := range pairs {
		if pairs[i].Request == f.ID && pairs[i].Shadow != "" {
			return s.app.Captures.Erase(ctx, capture.Filter{ID: pairs[i].Shadow}, by)
		}
	}
	return out, nil
}

// captureBy is who asks, who must be somebody: without authentication, anyone
// who reaches the listener may administer, but not read what others wrote.
func captureBy(c Caller, why string) (capture.By, error) {
	if !c.Local && c.Who.Via != "key" {
		return capture.By{}, &Error{Status: http.StatusForbidden, Code: CodeDenied, Message: "captured texts are for callers who are known",
			Hint: "use the command freehold capture on this machine, or set server.admin_key"}
	}
	return capture.By{Who: c.Who, Why: why}, nil
}
