package admin

import (
	"context"
	"net/http"
)

// RouteUseIn names a routing model.
type RouteUseIn struct {
	Version string `json:"version" doc:"v0001 and so on, embedded, or previous: the one before"`
	Reason  string `json:"reason,omitempty" doc:"for the history"`
}

// RoutedOut is the routing model that tells tasks and complexity from now on.
type RoutedOut struct {
	Version string `json:"version" doc:"v0001 and so on, or embedded"`
	Before  string `json:"before" doc:"the one in use until now; the same: nothing changed, and nothing is on record"`
}

// routeUse puts a routing model of this state in use.
func (s *Service) routeUse(ctx context.Context, c Caller, in RouteUseIn) (out RoutedOut, err error) {
	if s.app.URL() == "" {
		return out, &Error{Status: http.StatusConflict, Code: CodeNoServer, Message: "no server runs that could take another routing model"}
	}
	if in.Version == "" {
		return out, invalid("no version is named", "freehold route use lists them")
	}
	made, err := s.app.UseRoutingModel(ctx, in.Version, c.Who, in.Reason)
	return RoutedOut{Version: made.To, Before: made.From}, err
}
