package admin

import (
	"context"
	"net/http"
)

// RoutedOut is the routing model that tells tasks and complexity from now on.
type RoutedOut struct {
	Version string `json:"version" doc:"v0001 and so on, or embedded"`
}

// route takes the routing model that is in use beside the state into the running
// server.
func (s *Service) route(context.Context, Caller, None) (out RoutedOut, err error) {
	if s.app.URL() == "" {
		return out, &Error{Status: http.StatusConflict, Code: CodeNoServer, Message: "no server runs that could take another routing model"}
	}
	out.Version, err = s.app.TakeRoutingModel()
	return out, err
}
