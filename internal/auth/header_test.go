package auth

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestKeyFromHeader(t *testing.T) {
	for _, test := range []struct {
		name   string
		header http.Header
		want   string
		code   Code
	}{
		{"none", http.Header{}, "", CodeMissingKey},
		{"empty", http.Header{"X-Api-Key": {" "}, "Authorization": {""}}, "", CodeMissingKey},
		{"bearer without key", http.Header{"Authorization": {"Bearer "}}, "", CodeMissingKey},
		{"bearer", http.Header{"Authorization": {"Bearer K1"}}, "K1", ""},
		{"scheme in any case, spaces", http.Header{"Authorization": {" bEARER   K1 "}}, "K1", ""},
		{"anthropic", http.Header{"X-Api-Key": {"K1"}}, "K1", ""},
		{"azure", http.Header{"Api-Key": {"K1"}}, "K1", ""},
		{"gemini", http.Header{"X-Goog-Api-Key": {"K1"}}, "K1", ""},
		{"the same twice", http.Header{"Authorization": {"Bearer K1"}, "X-Api-Key": {"K1", "K1"}}, "K1", ""},
		{"two headers", http.Header{"Authorization": {"Bearer K1"}, "X-Api-Key": {"K2"}}, "", CodeInvalidKey},
		{"one header twice", http.Header{"Api-Key": {"K1", "K2"}}, "", CodeInvalidKey},
		{"different, then the same", http.Header{"X-Api-Key": {"K1", "K2", "K1"}}, "", CodeInvalidKey},
		{"another scheme", http.Header{"Authorization": {"Basic K1"}}, "", CodeInvalidKey},
		{"another scheme beside a key", http.Header{"Authorization": {"Basic K1"}, "Api-Key": {"K2"}}, "", CodeInvalidKey},
		{"no scheme", http.Header{"Authorization": {"K1"}}, "", CodeInvalidKey},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := KeyFromHeader(test.header)
			if test.code == "" {
				if err != nil || got != test.want {
					t.Errorf("got %q, %v; want %q", got, err, test.want)
				}
				return
			}
			denied, ok := errors.AsType[*Denied](err)
			if !ok || denied.Code != test.code || got != "" {
				t.Fatalf("got %q, %v; want code %s", got, err, test.code)
			}
			if strings.Contains(denied.Message, "K1") || strings.Contains(denied.Message, "K2") {
				t.Errorf("the message contains a key: %s", denied.Message)
			}
		})
	}
}

func TestAdminKey(t *testing.T) {
	for _, test := range []struct {
		configured, presented string
		want                  bool
	}{
		{"secret", "secret", true},
		{"secret", "Secret", false},
		{"secret", "secret ", false},
		{"secret", "", false},
		{"", "", false},
		{"", "secret", false},
	} {
		if got := NewAdminKey(test.configured).Matches(test.presented); got != test.want {
			t.Errorf("configured %q, presented %q: %v", test.configured, test.presented, got)
		}
	}
	if (AdminKey{}).Matches("") {
		t.Error("the zero key matches")
	}
}
