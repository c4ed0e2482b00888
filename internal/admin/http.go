package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"

	"freehold/internal/app"
	"freehold/internal/auth"
	"freehold/internal/history"
	"freehold/internal/server"
)

// userHeader names the user of this machine who runs a command. It counts on
// the local socket only, which no other user can open.
const userHeader = "X-Freehold-User"

// maxBody bounds what is read of a request, beside the model request that it may
// hold.
const maxBody = 4 << 20

// Handler serves /admin/v1/. Who may ask is decided before it: by the server's
// authentication, or by the permissions of the local socket.
func Handler(a *app.App) http.Handler {
	s := NewService(a)
	mux := http.NewServeMux()
	for _, op := range Operations() {
		mux.HandleFunc(op.Method+" "+op.Path, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, op) })
	}
	document := sync.OnceValues(func() ([]byte, error) { return OpenAPI(app.Version) })
	mux.HandleFunc("GET /admin/v1/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		doc, err := document()
		if err != nil {
			s.fail(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		s.write(w, doc)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, &Error{Status: http.StatusNotFound, Code: CodeNotFound,
			Message: "there is no " + r.Method + " " + r.URL.Path + " here", Hint: "GET /admin/v1/openapi.json lists what there is"})
	})
	return mux
}

// serve runs one operation for a request.
func (s *Service) serve(w http.ResponseWriter, r *http.Request, op *Operation) {
	var body []byte
	if r.Method == http.MethodPost {
		var err error
		if body, err = s.read(r, op); err != nil {
			s.fail(w, err)
			return
		}
	}
	in, err := op.decode(r, body)
	if err != nil {
		s.fail(w, err)
		return
	}
	caller, err := s.caller(r)
	if err != nil {
		s.fail(w, err)
		return
	}
	out, err := op.do(r.Context(), s, caller, in)
	if err != nil {
		s.fail(w, err)
		return
	}
	doc, err := json.Marshal(out)
	if err != nil {
		s.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	s.write(w, append(doc, '\n'))
}

// read takes the whole body of a request.
func (s *Service) read(r *http.Request, op *Operation) ([]byte, error) {
	limit, most := int64(maxBody), int64(s.app.Config().Server.Limits.Body)
	switch op {
	case Explain.Operation, ComparePlan.Operation, CompareAsk.Operation, CompareJudge.Operation, EmbedAsk.Operation: // as much as there may be to ask
		limit += most
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, invalid("the body did not arrive whole: "+err.Error(), "")
	}
	if int64(len(body)) <= limit {
		return body, nil
	}
	_, _ = io.CopyN(io.Discard, r.Body, limit) // most clients read no answer before they have sent all
	if op == Explain.Operation {
		// What it asks about is too large by itself.
		return nil, refused(server.TooLarge(most))
	}
	return nil, &Error{Status: http.StatusRequestEntityTooLarge, Code: CodeInvalid, Message: fmt.Sprintf("the body is larger than %d bytes", limit)}
}

// caller says who asks, for the history. The local socket needs no key; one that
// is shown there says who it is, and must be good.
func (s *Service) caller(r *http.Request) (Caller, error) {
	at, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok || at.Network() != "unix" {
		who, err := s.holder(r.Header, history.Who{Via: "key", Name: adminKey})
		if err != nil { // whether that matters was decided before
			who = history.Who{Via: "http", Name: "loopback"}
		}
		return Caller{Who: who}, nil
	}
	who := s.app.Who
	if u := r.Header.Get(userHeader); u != "" {
		who = history.Who{Via: "os", Name: u}
	}
	if named, err := s.holder(r.Header, who); !noKey(err) {
		return Caller{Who: named, Local: true}, err
	}
	return Caller{Who: who, Local: true}, nil
}

// adminKey is what the key of the configuration is called in the history.
const adminKey = "server.admin_key"

// holder is who shows a key for administration; with that of the configuration,
// which is nobody's in particular, it is user.
func (s *Service) holder(h http.Header, user history.Who) (history.Who, error) {
	presented, err := auth.KeyFromHeader(h)
	if err != nil {
		return user, err
	}
	if auth.NewAdminKey(s.app.Config().Server.AdminKey.Reveal()).Matches(presented) {
		return user, nil
	}
	k, err := s.app.Keys.Authenticate(h)
	if err == nil {
		err = k.AllowAdmin()
	}
	if err != nil {
		return user, err
	}
	return history.Who{Via: "key", Name: k.String(), Person: k.Name}, nil
}

func noKey(err error) bool {
	denied, ok := errors.AsType[*auth.Denied](err)
	return ok && denied.Code == auth.CodeMissingKey
}

// Shown is who runs a command where no server runs, by the key that is shown.
func (s *Service) Shown(key string, user history.Who) (history.Who, error) {
	return s.holder(http.Header{"Authorization": {"Bearer " + key}}, user)
}

func (s *Service) fail(w http.ResponseWriter, err error) {
	var e *Error
	if !errors.As(errorOf(err), &e) {
		e = &Error{Status: http.StatusServiceUnavailable, Code: CodeInternal, Message: err.Error()}
	}
	if e.Status >= http.StatusInternalServerError {
		s.app.Log.Error("an admin operation failed", "error", err)
	}
	doc, err := json.Marshal(map[string]*Error{"error": e})
	if err != nil {
		doc = []byte(`{"error":{"code":"internal_error","message":"the error cannot be shown"}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	s.write(w, append(doc, '\n'))
}

func (s *Service) write(w http.ResponseWriter, doc []byte) {
	if _, err := w.Write(doc); err != nil {
		s.app.Log.Debug("the caller of the admin API is gone", "error", err)
	}
}
