package mock

import (
	"bytes"
	"net/http"
	"regexp"
	"slices"
	"sync"
)

const scrubbed = "[scrubbed]"

// secretHeaders carry credentials.
var secretHeaders = []string{"Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key", "Cookie", "Set-Cookie", "Proxy-Authorization", "X-Amz-Security-Token"}

// accountHeaders tell whose account it is. Their values may be ordinary words.
var accountHeaders = []string{"Openai-Organization", "Openai-Project", "Anthropic-Organization-Id"}

// secretForms are texts that look like credentials, wherever they stand. Where
// there is a group only it is scrubbed. They are large, and only recording needs
// them.
var secretForms = sync.OnceValue(func() []*regexp.Regexp {
	return []*regexp.Regexp{
		regexp.MustCompile(`\b(?:sk|pk|rk|gsk|xai|fw|nvapi|pplx|tgp_v1|rpa|csk|key|r8|fh)[-_][A-Za-z0-9_-]{16,}`),
		regexp.MustCompile(`\b(?:AKIA|ASIA)[0-9A-Z]{16}\b`),
		regexp.MustCompile(`\bAIza[0-9A-Za-z_-]{30,}`),
		regexp.MustCompile(`\bhf_[A-Za-z0-9]{20,}`),
		regexp.MustCompile(`\b(?:gh[pousr]|github_pat)_[A-Za-z0-9_]{20,}`),
		regexp.MustCompile(`\bxox[abeprs]-[A-Za-z0-9-]{10,}`),
		regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}`),
		regexp.MustCompile(`(?i)\bbearer\s+([A-Za-z0-9._~+/=-]{8,})`),
		regexp.MustCompile(`(?i)\\?"(?:api[-_]?keys?|access[-_]?token|refresh[-_]?token|auth[-_]?token|client[-_]?secret|secret(?:[-_]?key)?|password|authorization(?:[-_]token)?|x-api-key)\\?"\s*:\s*\\?"([^"\\]+)`),
		regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----([\s\S]*?)-----END`),
	}
})

// scrub masks what looks like a secret, and the given secrets, by as many
// stars, so that lengths and the borders of chunks stay. Given ones shorter than
// 8 bytes are taken for ordinary words.
func scrub(text []byte, secrets ...string) []byte {
	out := bytes.Clone(text)
	mask := func(from, to int) {
		for i := from; i < to; i++ {
			out[i] = '*'
		}
	}
	for _, s := range secrets {
		if len(s) < 8 {
			continue
		}
		for at := 0; ; {
			i := bytes.Index(text[at:], []byte(s))
			if i < 0 {
				break
			}
			mask(at+i, at+i+len(s))
			at += i + len(s)
		}
	}
	for _, form := range secretForms() {
		for _, m := range form.FindAllSubmatchIndex(text, -1) {
			from, to := m[0], m[1]
			if len(m) > 2 {
				from, to = m[2], m[3]
			}
			mask(from, to)
		}
	}
	return out
}

// credentials are the secrets that a request carries.
func credentials(h http.Header) []string {
	var out []string
	for _, n := range secretHeaders {
		for _, v := range h.Values(n) {
			out = append(out, v)
			if i := bytes.LastIndexByte([]byte(v), ' '); i >= 0 {
				out = append(out, v[i+1:])
			}
		}
	}
	return out
}

// scrubHeader is h without secrets.
func scrubHeader(h http.Header, secrets []string) http.Header {
	out := http.Header{}
	for n, vs := range h {
		for _, v := range vs {
			out.Add(n, string(scrub([]byte(v), secrets...)))
		}
	}
	for _, n := range slices.Concat(secretHeaders, accountHeaders) {
		if out.Get(n) != "" {
			out.Set(n, scrubbed)
		}
	}
	return out
}
