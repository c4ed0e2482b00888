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
	out, err := op.do(r.Context(), s, s.caller(r), in)
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
	case Explain.Operation, ComparePlan.Operation, CompareAsk.Operation, CompareJudge.Operation: // as much as there may be to ask
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

// caller says who asks, for the history.
func (s *Service) caller(r *http.Request) Caller {
	if at, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && at.Network() == "unix" {
		who := s.app.Who
		if u := r.Header.Get(userHeader); u != "" {
			who = history.Who{Via: "os", Name: u}
		}
		return Caller{Who: who, Local: true}
	}
	who := history.Who{Via: "http", Name: "loopback"} // let in without a key
	if presented, err := auth.KeyFromHeader(r.Header); err == nil {
		who = history.Who{Via: "key", Name: "server.admin_key"}
		if id, err := auth.ParseKey(presented); err == nil {
			if k, err := s.app.Keys.Get(id); err == nil {
				who.Name = k.String()
			}
		}
	}
	return Caller{Who: who}
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
