package server

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"freehold/internal/auth"
	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/fleet"
)

// other serves what no model answers: probes, metrics, administration, model
// lists, feedback and raw relays.
func (s *Server) other(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	s.deadline(w)
	switch {
	case path == "/health/live":
		plain(w, http.StatusOK, `{"status":"ok"}`)
	case path == "/health/ready":
		s.ready(w)
	case path == "/metrics" && s.Metrics != nil:
		s.metrics(w, r)
	case strings.HasPrefix(path, "/admin/v1/") && s.Admin != nil:
		s.admin(w, r)
	case path == "/v1/models":
		s.models(w, r)
	case strings.HasPrefix(path, "/v1/models/"):
		s.oneModel(w, r, strings.TrimPrefix(path, "/v1/models/"))
	case path == "/v1/feedback":
		s.feedback(w, r)
	case strings.HasPrefix(path, "/v1/") && s.Relay != nil && s.Fleet().Relay(family(path)) != nil:
		s.relay(w, r)
	default:
		s.refuse(w, s.codecFor(r), s.NewID(), fault.New(fault.NotFound, "there is no %s %s here", r.Method, path))
	}
}

func plain(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // nobody is left to tell if it fails
}

func (s *Server) ready(w http.ResponseWriter) {
	err := s.Ready()
	if err == nil && s.Draining() {
		err = fault.New(fault.Draining, "shutting down")
	}
	if err == nil {
		plain(w, http.StatusOK, `{"status":"ready"}`)
		return
	}
	body, merr := json.Marshal(map[string]string{"status": "unavailable", "reason": err.Error()})
	if merr != nil {
		body = []byte(`{"status":"unavailable"}`)
	}
	plain(w, http.StatusServiceUnavailable, string(body))
}

// codecFor guesses the client's dialect where the path does not say it.
func (s *Server) codecFor(r *http.Request) dialect.Codec {
	if strings.HasPrefix(r.URL.Path, "/v1/messages") || r.Header.Get("Anthropic-Version") != "" {
		return s.Claude
	}
	if strings.HasPrefix(r.URL.Path, "/v2/") {
		return s.Cohere
	}
	return s.OpenAI
}

// metrics are for who may administer, and for anybody on this machine.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	if !fromHere(r) || !localHost(r.Host) {
		if f := s.mayAdminister(r); f != nil {
			s.refuse(w, s.OpenAI, s.NewID(), f)
			return
		}
	}
	s.Metrics.ServeHTTP(w, r)
}

func (s *Server) admin(w http.ResponseWriter, r *http.Request) {
	if f := s.mayAdminister(r); f != nil {
		s.refuse(w, s.OpenAI, s.NewID(), f)
		return
	}
	s.Admin.ServeHTTP(w, r)
}

// mayAdminister lets in who shows the configured admin key or a virtual key
// with the admin right. Where no keys are in use and no admin key is set, it
// lets in whoever is on this machine, but no web page: one that a browser here
// has open could send requests too, and is known by its Origin or by a Host
// that is not this machine's own.
func (s *Server) mayAdminister(r *http.Request) *fault.Error {
	settings := s.settings.Load()
	if presented, err := auth.KeyFromHeader(r.Header); err == nil {
		if settings.AdminKey.Matches(presented) {
			return nil
		}
	}
	if !settings.Keys && !settings.HasAdmin {
		if fromHere(r) && localHost(r.Host) && r.Header.Get("Origin") == "" {
			return nil
		}
		return &fault.Error{Kind: fault.Denied, Code: "admin_denied", NoRetry: true,
			Message: "without an admin key the administration answers this machine only, and no web page"}
	}
	if !settings.Keys {
		return &fault.Error{Kind: fault.Unauthorized, Code: "admin_key_needed", NoRetry: true,
			Message: "the administration needs the key of server.admin_key"}
	}
	key, err := s.Keyring.Authenticate(r.Header)
	if err == nil {
		err = key.AllowAdmin()
	}
	if err != nil {
		return denied(err)
	}
	return nil
}

// foreign refuses what a web page of another site sends through a browser on
// this machine, where no keys are in use: it would spend the owner's. Browsers
// name the page's origin in every POST.
func (s *Server) foreign(r *http.Request) *fault.Error {
	origin := r.Header.Get("Origin")
	if origin == "" || s.settings.Load().Keys {
		return nil
	}
	if u, err := url.Parse(origin); err == nil && localHost(u.Host) {
		return nil
	}
	return &fault.Error{Kind: fault.Denied, Code: "foreign_origin", NoRetry: true,
		Message: "without keys, web pages of other sites are refused", Hint: "server.auth: keys lets them in with a key"}
}

func fromHere(r *http.Request) bool {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && at.Addr().Unmap().IsLoopback()
}

func localHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// listed is one name that a caller may put into the model field.
type listed struct {
	id    string
	owner string
}

// names lists what the key may ask for.
func (s *Server) names(key *auth.Key) []listed {
	f := s.Fleet()
	var out []listed
	for _, n := range f.WorkloadNames() {
		if key == nil || key.AllowWorkload(n) == nil {
			out = append(out, listed{n, "freehold"})
			for _, a := range f.AliasesOf(n) {
				out = append(out, listed{a, "freehold"})
			}
		}
	}
	for _, n := range f.ModelNames() {
		if key == nil || key.AllowModel(n) == nil {
			out = append(out, listed{n, owner(f.Models[n])})
		}
	}
	return out
}

func owner(m *fleet.Model) string { return m.Deployments[0].Provider.Name }

func (s *Server) models(w http.ResponseWriter, r *http.Request) {
	codec := s.codecFor(r)
	key, ok := s.mayList(w, r, codec)
	if !ok {
		return
	}
	names := s.names(key)
	if codec == s.Claude {
		data := make([]any, 0, len(names))
		for _, n := range names {
			data = append(data, claudeModel(n))
		}
		page := map[string]any{"data": data, "has_more": false, "first_id": nil, "last_id": nil}
		if len(names) > 0 {
			page["first_id"], page["last_id"] = names[0].id, names[len(names)-1].id
		}
		s.json(w, page)
		return
	}
	data := make([]any, 0, len(names))
	for _, n := range names {
		data = append(data, openAIModel(n))
	}
	s.json(w, map[string]any{"object": "list", "data": data})
}

func (s *Server) oneModel(w http.ResponseWriter, r *http.Request, id string) {
	codec := s.codecFor(r)
	key, ok := s.mayList(w, r, codec)
	if !ok {
		return
	}
	names := s.names(key)
	i := slices.IndexFunc(names, func(n listed) bool { return n.id == id })
	if i < 0 {
		s.refuse(w, codec, s.NewID(), &fault.Error{Kind: fault.ModelNotFound, Param: "model", NoRetry: true,
			Message: "the model \"" + id + "\" does not exist here"})
		return
	}
	if codec == s.Claude {
		s.json(w, claudeModel(names[i]))
		return
	}
	s.json(w, openAIModel(names[i]))
}

func (s *Server) mayList(w http.ResponseWriter, r *http.Request, codec dialect.Codec) (*auth.Key, bool) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET")
		s.refuse(w, codec, s.NewID(), fault.New(fault.Method, "%s takes GET, not %s", r.URL.Path, r.Method))
		return nil, false
	}
	key, f := s.authenticate(s.settings.Load(), r)
	if f != nil {
		s.refuse(w, codec, s.NewID(), f)
		return nil, false
	}
	return key, true
}

// since is the date that the lists give for names: those of a configuration
// have none of their own.
var since = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func openAIModel(n listed) any {
	return map[string]any{"id": n.id, "object": "model", "created": since.Unix(), "owned_by": n.owner}
}

func claudeModel(n listed) any {
	return map[string]any{"type": "model", "id": n.id, "display_name": n.id, "created_at": since.Format(time.RFC3339)}
}

func (s *Server) json(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		s.Log.Error("an answer cannot be encoded", "error", err)
		s.refuse(w, s.OpenAI, s.NewID(), fault.From(err))
		return
	}
	w.Header().Set("X-Request-Id", s.NewID())
	plain(w, http.StatusOK, string(body))
}

// family is the first segment after /v1/.
func family(path string) string {
	f, _, _ := strings.Cut(strings.TrimPrefix(path, "/v1/"), "/")
	return f
}
