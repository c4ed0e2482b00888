// Package server is the listener: it authenticates, bounds, names and reads
// each request, and hands it to the gateway. Everything it answers itself, it
// answers in the client's own dialect.
package server

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"freehold/internal/auth"
	"freehold/internal/dialect"
	"freehold/internal/feedback"
	"freehold/internal/fleet"
	"freehold/internal/gateway"
	"freehold/internal/health"
	"freehold/internal/ledger"
	"freehold/internal/llm"
)

// Settings are what a reload may change.
type Settings struct {
	// Keys: requests need a virtual key. Without it everybody is let in, and
	// the listener must stand on loopback.
	Keys     bool
	AdminKey auth.AdminKey
	HasAdmin bool // an admin key is configured

	MaxBody     int64
	BodyTimeout time.Duration
}

// Options are fixed for the server's life. All are required, but for Relay, Vectors,
// Metrics and Admin: without them their paths answer 404.
type Options struct {
	Fleet   func() *fleet.Fleet
	Gateway *gateway.Gateway
	OpenAI  dialect.Codec
	Claude  dialect.Codec // Anthropic's dialect
	Cohere  dialect.Codec
	Keyring *auth.Keyring
	Limiter auth.Limiter
	Room    *health.Limiter // bounds what runs at once
	Clock   func() time.Time
	NewID   func() string
	Log     *slog.Logger
	Metrics http.Handler
	Admin   http.Handler
	Relay   *gateway.Relay
	Vectors Vectors // nil: none are served
	// Request finds a request in the ledger: what Feedback may be about.
	Request  func(context.Context, string) (*ledger.Row, error)
	Feedback feedback.Store
	// Rated is told of the first feedback of a request, once it is kept; nil: nobody
	// wants to know.
	Rated    func(feedback.Feedback)
	Ready    func() error // nil when requests can be served
	Draining func() bool
}

// Server is the HTTP handler.
type Server struct {
	Options
	settings atomic.Pointer[Settings]
}

// New returns a server with its first settings.
func New(o Options, s Settings) *Server {
	srv := &Server{Options: o}
	srv.Configure(s)
	return srv
}

// Configure takes over new settings; requests under way keep theirs.
func (s *Server) Configure(n Settings) { s.settings.Store(&n) }

// endpoint is a path that models answer.
type endpoint struct {
	op    llm.Operation
	codec func(*Server) dialect.Codec
}

func (s *Server) openAI() dialect.Codec { return s.OpenAI }
func (s *Server) claude() dialect.Codec { return s.Claude }
func (s *Server) cohere() dialect.Codec { return s.Cohere }

var endpoints = map[string]endpoint{
	"/v1/chat/completions":      {llm.Chat, (*Server).openAI},
	"/v1/completions":           {llm.Completion, (*Server).openAI},
	"/v1/embeddings":            {llm.Embedding, (*Server).openAI},
	"/v1/messages":              {llm.Chat, (*Server).claude},
	"/v1/messages/count_tokens": {llm.CountTokens, (*Server).claude},
	"/v2/embed":                 {llm.Embedding, (*Server).cohere},
}

var closing = []string{"close"}

// ServeHTTP routes by path. Whatever is not here answers 404 in the client's
// dialect.
//
// A body has its time from here on, whoever reads it; and until it is read
// whole, an answer closes the connection: net/http would otherwise wait for the
// rest of the body before it sends a refusal.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.Vectors != nil && vectorPath(r.URL.Path) {
		s.vectors(w, r)
		return
	}
	if r.ContentLength != 0 {
		if d := s.settings.Load().BodyTimeout; d > 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(d)) // tests' writers have none
		}
		w.Header()["Connection"] = closing
	}
	if f := s.foreign(r); f != nil {
		s.refuse(w, s.codecFor(r), s.NewID(), f)
		return
	}
	if e, ok := endpoints[r.URL.Path]; ok {
		s.model(w, r, e)
		return
	}
	s.other(w, r)
}
