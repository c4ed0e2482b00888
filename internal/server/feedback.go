package server

import (
	"errors"
	"net/http"
	"time"

	"freehold/internal/auth"
	"freehold/internal/fault"
	"freehold/internal/feedback"
	"freehold/internal/ledger"
)

// feedback keeps what a caller says of an answer.
func (s *Server) feedback(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		s.refuse(w, s.OpenAI, s.NewID(), fault.New(fault.Method, "%s takes POST, not %s", r.URL.Path, r.Method))
		return
	}
	f, err := s.takeFeedback(w, r)
	if err != nil {
		s.refuse(w, s.OpenAI, s.NewID(), fault.From(err))
		return
	}
	s.json(w, map[string]any{"request_id": f.Request, "score": f.Score})
}

// takeFeedback counts as a request toward the limits of the key. What it fails
// with are faults.
func (s *Server) takeFeedback(w http.ResponseWriter, r *http.Request) (f feedback.Feedback, err error) {
	settings := s.settings.Load()
	key, refused := s.rater(settings, r)
	if refused != nil {
		return f, refused
	}
	room, err := s.Room.Acquire(r.Context(), false)
	if err != nil {
		return f, crowded(err)
	}
	defer room()
	if key != nil {
		lease, facts, err := s.Limiter.Admit(r.Context(), key, 0)
		facts.SetHeaders(w.Header())
		if err != nil {
			return f, denied(err)
		}
		defer lease.Done(0)
	}
	buf := bodies.Get().(*[]byte)
	defer putBody(buf)
	small := *settings
	small.MaxBody = min(small.MaxBody, feedback.MaxBody)
	if refused := s.read(w, r, &small, buf); refused != nil {
		if refused.Kind == fault.TooLarge {
			refused.Hint = "" // no setting bounds it
		}
		return f, refused
	}
	f, err = feedback.Parse(*buf)
	var invalid *feedback.InvalidError
	if errors.As(err, &invalid) {
		return f, &fault.Error{Kind: fault.BadRequest, Param: invalid.Param, Message: invalid.Message, NoRetry: true}
	}
	row, err := s.Request(r.Context(), f.Request)
	if err == nil && !s.mayRate(key, row) {
		// What others asked is none of this caller's business, whether it is there
		// or not.
		err = ledger.ErrNotFound
	}
	if err == nil {
		f.Time = s.Clock().UTC().Truncate(time.Microsecond)
		if key != nil {
			f.KeyID = key.ID
		}
		var first bool
		first, err = s.Feedback.PutFeedback(r.Context(), f)
		if err == nil && first && s.Rated != nil {
			s.Rated(f)
		}
	}
	switch {
	case errors.Is(err, ledger.ErrNotFound), errors.Is(err, feedback.ErrNotFound):
		return f, &fault.Error{Kind: fault.NotFound, Code: "request_not_found", Param: "request_id", NoRetry: true,
			Message: "no request of this key has the id \"" + f.Request + "\"",
			Hint:    "its answer has the id in x-request-id; it is on record when the answer has ended"}
	case err != nil:
		return f, &fault.Error{Kind: fault.Storage, Message: "feedback cannot be kept now", RetryAfter: time.Second, Cause: err}
	}
	return f, nil
}

// rater finds who rates: a virtual key; nil for the administrator and where no
// keys are needed.
func (s *Server) rater(settings *Settings, r *http.Request) (*auth.Key, *fault.Error) {
	if presented, err := auth.KeyFromHeader(r.Header); err == nil && settings.AdminKey.Matches(presented) {
		return nil, nil
	}
	return s.authenticate(settings, r)
}

// mayRate reports whether a key may rate a request: one of its own, or of a key
// that it was rotated from or to; an administration key any.
func (s *Server) mayRate(key *auth.Key, row *ledger.Row) bool {
	if key == nil || key.Admin || key.ID == row.KeyID {
		return true
	}
	asked, err := s.Keyring.Get(row.KeyID)
	return err == nil && asked.Family == key.Family
}
