package gateway

import (
	"errors"
	"net/url"
	"strings"

	"freehold/internal/fault"
	"freehold/internal/upstream"
)

// maxDetail bounds what is kept of a connection's error.
const maxDetail = 200

// detail is what the connection failed with, or which of several keys the provider
// refused. What a provider says is not kept: it may hold the prompt.
func (l *leg) detail(f *fault.Error, err error) string {
	if ring := l.d.Provider.Keys; keyRefused(f) && ring.Len() > 1 {
		return ring.Place(l.key)
	}
	if redirect(f.ProviderStatus) {
		return l.d.Provider.Secrets.Hide(redirected(l.reply.Header.Get("Location")))
	}
	var u *upstream.Error
	if !errors.As(err, &u) || u.Err == nil || u.Kind == upstream.Canceled {
		return ""
	}
	return cutDetail(l.d.Provider.Secrets.Hide(u.Err.Error()))
}

func cutDetail(text string) string {
	text = strings.ToValidUTF8(text, "")
	if len(text) > maxDetail {
		text = strings.ToValidUTF8(text[:maxDetail], "") + "..."
	}
	return text
}

// redirect reports an answer that sends the request elsewhere, where none follows.
func redirect(status int) bool { return status >= 300 && status <= 399 }

// redirected says where a redirect leads: the place alone, for the rest of the
// address may hold anything.
func redirected(location string) string {
	to := ""
	if u, err := url.Parse(location); err == nil && u.Host != "" {
		to = " to " + (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
	}
	return cutDetail("a redirect" + to + ", and none is followed: base_url must be where requests are answered")
}
