package admin

import (
	"context"
	"errors"
	"net/http"

	"freehold/internal/app"
	"freehold/internal/auth"
	"freehold/internal/capture"
	"freehold/internal/classify"
	"freehold/internal/classify/shelf"
	"freehold/internal/config"
	"freehold/internal/fault"
	"freehold/internal/history"
	"freehold/internal/ledger"
	"freehold/internal/rollout"
	"freehold/internal/rollout/runner"
	"freehold/internal/vector/front"
	"freehold/internal/vector/moves"
)

// Error is an operation that failed or was refused. It is the same whether it
// comes from this process or over HTTP.
type Error struct {
	Status  int    `json:"-"`
	Code    string `json:"code" doc:"stable, for programs"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty" doc:"what to do"`
}

// Error implements error.
func (e *Error) Error() string {
	if e.Hint != "" {
		return e.Message + " (" + e.Hint + ")"
	}
	return e.Message
}

// Codes of errors that commands tell apart.
const (
	CodeInvalid  = "invalid_request"
	CodeNotFound = "not_found"
	CodeConfig   = "config_invalid"
	CodeTampered = "history_tampered"
	CodeDenied   = "permission_denied"
	CodeConflict = "conflict"
	CodeNoServer = "no_server"
	CodeInternal = "internal_error"
)

func invalid(message, hint string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: CodeInvalid, Message: message, Hint: hint}
}

// conflict is a request that is in order, of what its subject is not fit for now.
func conflict(message, hint string) *Error {
	return &Error{Status: http.StatusConflict, Code: CodeConflict, Message: message, Hint: hint}
}

// errorOf puts the errors of the packages below into the words of the API.
func errorOf(err error) error {
	var own *Error
	var bad *app.ConfigError
	var edit *app.EditError
	var unfit *app.UnfitError
	var name shelf.NameError
	var tampered *history.TamperedError
	var denied *auth.Denied
	var request *auth.RequestError
	var f *fault.Error
	var told *runner.RefusedError
	var unwritten *runner.WriteError
	var stage *front.StageError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &told):
		return refusedBy(told)
	case errors.As(err, &stage):
		return &Error{Status: http.StatusConflict, Code: CodeConflict, Message: err.Error(), Hint: stage.Hint}
	case errors.As(err, &unwritten):
		return &Error{Status: http.StatusConflict, Code: CodeConflict, Message: err.Error(),
			Hint: "freehold check says what is wrong with the file, freehold rollout status " + unwritten.Workload + " when it is written"}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &bad):
		return &Error{Status: http.StatusUnprocessableEntity, Code: CodeConfig, Message: bad.Error()}
	case errors.As(err, &unfit):
		return &Error{Status: http.StatusUnprocessableEntity, Code: CodeConfig, Message: err.Error()}
	case errors.As(err, &tampered):
		return &Error{Status: http.StatusConflict, Code: CodeTampered, Message: err.Error(),
			Hint: "freehold history verify shows what was altered"}
	case errors.Is(err, capture.ErrNotFound):
		return &Error{Status: http.StatusNotFound, Code: CodeNotFound, Message: err.Error(),
			Hint: "its workload has no capture, its time was up, or it was erased"}
	case errors.Is(err, capture.ErrNoKey), errors.Is(err, capture.ErrWrongKey), errors.Is(err, capture.ErrDamaged):
		return &Error{Status: http.StatusConflict, Code: CodeConflict, Message: err.Error()}
	case errors.As(err, &name):
		return invalid(err.Error(), "")
	case errors.Is(err, classify.ErrModel):
		return &Error{Status: http.StatusConflict, Code: CodeConflict, Message: err.Error()}
	case errors.As(err, &request):
		return invalid(err.Error(), "")
	case errors.As(err, &edit):
		return invalid(err.Error(), "")
	case errors.Is(err, capture.ErrNothing), errors.Is(err, history.ErrVerifierKey):
		return invalid(err.Error(), "")
	case errors.Is(err, ledger.ErrNotFound), errors.Is(err, auth.ErrNotFound), errors.Is(err, history.ErrNotFound), errors.Is(err, config.ErrNoKey), errors.Is(err, rollout.ErrNotFound), errors.Is(err, moves.ErrNoIndex):
		return &Error{Status: http.StatusNotFound, Code: CodeNotFound, Message: err.Error()}
	case errors.Is(err, rollout.ErrNoPair):
		return &Error{Status: http.StatusNotFound, Code: CodeNotFound, Message: err.Error(),
			Hint: "a pair has the id of the client's request: freehold rollout label WORKLOAD shows those whose texts are kept, GET /admin/v1/rollouts/WORKLOAD/pairs lists all"}
	case errors.Is(err, config.ErrChanged), errors.Is(err, auth.ErrConflict), errors.Is(err, rollout.ErrOpen):
		return &Error{Status: http.StatusConflict, Code: CodeConflict, Message: err.Error(), Hint: "try again"}
	case errors.As(err, &denied):
		return &Error{Status: http.StatusForbidden, Code: string(denied.Code), Message: denied.Message}
	case errors.As(err, &f):
		return &Error{Status: f.HTTPStatus(), Code: f.StableCode(), Message: f.Message, Hint: f.Hint}
	}
	return &Error{Status: http.StatusInternalServerError, Code: CodeInternal, Message: err.Error()}
}
