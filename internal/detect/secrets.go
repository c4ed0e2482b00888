package detect

import (
	"bytes"
	"math"
)

// prefix is how the keys of one vendor begin, and what follows.
type prefix struct {
	text     string
	kind     kind
	chars    *[256]bool
	min, max int  // of what follows; max 0: as many as there are
	digit    bool // a digit must be among them: words joined by dashes are no key
}

var (
	alnum   = charset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
	capital = charset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
	urlSafe = charset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
	dashed  = charset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-")
	dotted  = charset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
	path    = charset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/")
)

const prefixCount = 37

// prefixes are those of keys that their vendors document, the longer of two that
// begin alike first.
var prefixes = [prefixCount]prefix{
	{"AKIA", awsKey, &capital, 16, 16, false},
	{"ASIA", awsKey, &capital, 16, 16, false},
	{"AIza", googleKey, &urlSafe, 35, 39, false},
	{"GOCSPX-", googleKey, &urlSafe, 24, 40, false},
	{"SG.", apiKey, &dotted, 40, 90, true},
	{"dop_v1_", apiKey, &alnum, 64, 64, true},
	{"eyJ", jwt, &dotted, 16, 0, false},
	{"github_pat_", githubToken, &urlSafe, 22, 0, true},
	{"ghp_", githubToken, &alnum, 30, 0, false},
	{"gho_", githubToken, &alnum, 30, 0, false},
	{"ghu_", githubToken, &alnum, 30, 0, false},
	{"ghs_", githubToken, &alnum, 30, 0, false},
	{"ghr_", githubToken, &alnum, 30, 0, false},
	{"glpat-", apiKey, &urlSafe, 20, 0, false},
	{"gsk_", apiKey, &alnum, 40, 0, true},
	{"hf_", apiKey, &alnum, 30, 0, false},
	{"hooks.slack.com/services/", slackToken, &path, 20, 0, true},
	{"npm_", apiKey, &alnum, 36, 36, false},
	{"nvapi-", apiKey, &urlSafe, 40, 0, true},
	{"pypi-AgE", apiKey, &urlSafe, 40, 0, false},
	{"r8_", apiKey, &alnum, 37, 0, false},
	{"rk_live_", stripeKey, &alnum, 16, 0, true},
	{"rk_test_", stripeKey, &alnum, 16, 0, true},
	{"sk-ant-", anthropicKey, &urlSafe, 20, 0, true},
	{"sk-", openAIKey, &urlSafe, 20, 0, true},
	{"sk_live_", stripeKey, &alnum, 16, 0, true},
	{"sk_test_", stripeKey, &alnum, 16, 0, true},
	{"whsec_", stripeKey, &alnum, 24, 0, true},
	{"xai-", apiKey, &alnum, 40, 0, true},
	{"xapp-", slackToken, &dashed, 20, 0, true},
	{"xoxa-", slackToken, &dashed, 10, 0, true},
	{"xoxb-", slackToken, &dashed, 10, 0, true},
	{"xoxe-", slackToken, &dashed, 10, 0, true},
	{"xoxp-", slackToken, &dashed, 10, 0, true},
	{"xoxr-", slackToken, &dashed, 10, 0, true},
	{"xoxs-", slackToken, &dashed, 10, 0, true},
	{"ya29.", googleKey, &urlSafe, 20, 0, true},
}

// prefixesBy finds the prefixes by their first character: from and to in prefixes.
var prefixesBy = func() (t [256]span) {
	for i := len(prefixes) - 1; i >= 0; i-- {
		c := prefixes[i].text[0]
		if t[c].to == 0 {
			t[c].to = i + 1
		}
		t[c].from = i
	}
	return t
}()

// secret finds the end of a key that begins at i, i for none.
func (s *scan) secret(i int) (kind, int) {
	by := prefixesBy[s.text[i]]
	for n := by.from; n < by.to; n++ {
		p := &prefixes[n]
		if i < s.tried[n] || len(s.text)-i < len(p.text)+p.min || string(s.text[i:i+len(p.text)]) != p.text {
			continue
		}
		if p.kind == jwt {
			if end := s.jwt(i); end > i {
				return jwt, end
			}
			s.tried[n] = s.part(i)
			continue
		}
		from := i + len(p.text)
		end, some := from, false
		for end < len(s.text) && p.chars[s.text[end]] && (p.max == 0 || end-from < p.max) {
			some = some || classes[s.text[end]] == digit
			end++
		}
		stop := end
		for end > from && (s.text[end-1] == '.' || s.text[end-1] == '-') { // of the sentence
			end--
		}
		if end-from >= p.min && (some || !p.digit) && (p.max == 0 || s.ends(end)) {
			return p.kind, end
		}
		if p.max == 0 {
			s.tried[n] = stop
		}
	}
	return 0, i
}

// jwt finds the end of a token that begins at i: three parts, of which the first
// two begin as a JSON object does in base64, or the five of an encrypted one. It
// returns i for none.
func (s *scan) jwt(i int) int {
	at, parts, object := i, 0, false
	for parts < 5 {
		end := s.part(at)
		if parts == 0 && end-at < 10 {
			return i
		}
		if parts == 1 {
			object = end-at > 3 && string(s.text[at:at+3]) == "eyJ"
		}
		parts++
		if parts == 3 && object && end-at >= 8 {
			return end
		}
		if end+1 >= len(s.text) || s.text[end] != '.' {
			break
		}
		at = end + 1
	}
	if parts == 5 && !object {
		return s.part(at)
	}
	return i
}

// part finds the end of a run of the characters of URL-safe base64.
func (s *scan) part(i int) int {
	for i < len(s.text) && urlSafe[s.text[i]] {
		i++
	}
	return i
}

// pem looks at a private key that begins at i, and returns from where to look on.
func (s *scan) pem(i int) int {
	t := s.text[i:]
	const begin, end = "-----BEGIN ", "PRIVATE KEY"
	if !bytes.HasPrefix(t, []byte(begin)) {
		n := 0
		for n < len(t) && t[n] == '-' {
			n++
		}
		if n > 5 { // of a longer line of dashes the last five may begin one
			n -= 5
		}
		return i + n
	}
	title := t[len(begin):min(len(t), len(begin)+48)]
	at := bytes.Index(title, []byte(end))
	if at < 0 || bytes.IndexByte(title[:at], '-') >= 0 || bytes.IndexByte(title[:at], quote) >= 0 {
		return i + len(begin)
	}
	// Up to its end, or as far as it goes in this string.
	stop := bytes.IndexByte(t, quote)
	if stop < 0 {
		stop = len(t)
	}
	from := len(begin) + at + len(end)
	if n := bytes.Index(t[from:stop], []byte("-----END")); n >= 0 {
		stop = from + n
		if n := bytes.Index(t[stop+8:min(len(t), stop+8+64)], []byte("-----")); n >= 0 {
			stop += 8 + n + 5
		}
	}
	s.add(privateKey, i, i+stop)
	return i + stop
}

// keyWords are what names of credentials contain, in lower case and without
// separators.
var keyWords = needles("password", "passwd", "passphrase", "pwd", "secret", "token", "apikey", "accesskey", "accountkey", "privatekey",
	"authkey", "credential", "passwort", "kennwort", "motdepasse", "contrasena", "authorization", "bearer", "sharedaccesssignature")

// assignment looks at what is assigned at i to a name that sounds like a
// credential's: password=..., "api_key": "...", Authorization: Bearer ...; and
// at the password of a URL.
func (s *scan) assignment(i int) {
	t := s.text
	if i < s.assigned {
		return
	}
	if t[i] == ':' && i+2 < len(t) && t[i+1] == '/' && t[i+2] == '/' {
		s.userinfo(i + 3)
		return
	}
	from := i
	for from > 0 && (t[from-1] == ' ' || t[from-1] == quote || t[from-1] == '"' || t[from-1] == '\'') && i-from < 4 {
		from--
	}
	s.lower = s.lower[:0]
	stop := max(0, from-40)
	n := from
	for n > stop && (word(t[n-1]) || t[n-1] == '-' || t[n-1] == '.' || t[n-1] == ' ' && from-n < 12) {
		n--
	}
	for _, c := range t[n:from] {
		switch {
		case c >= 'A' && c <= 'Z':
			s.lower = append(s.lower, c|0x20)
		case c != '_' && c != '-' && c != '.' && c != ' ':
			s.lower = append(s.lower, c)
		}
	}
	if len(s.lower) < 3 {
		return
	}
	known := false
	for _, w := range keyWords {
		known = known || bytes.HasSuffix(s.lower, w)
	}
	if !known {
		return
	}
	begin := i + 1
	for begin < len(t) && begin-i < 8 && (t[begin] == ' ' || t[begin] == quote || t[begin] == '"' || t[begin] == '\'' || t[begin] == '=' || t[begin] == '>') {
		begin++
	}
	for _, scheme := range []string{"Bearer ", "bearer ", "Basic ", "basic ", "Token ", "token "} {
		if len(t)-begin > len(scheme) && string(t[begin:begin+len(scheme)]) == scheme {
			begin += len(scheme)
		}
	}
	end := begin
	for end < len(t) && t[end] > ' ' && t[end] < 0x7f && !closes[t[end]] {
		end++
	}
	for end > begin && (t[end-1] == '.' || t[end-1] == '!' || t[end-1] == '?' || t[end-1] == ':') {
		end--
	}
	s.assigned = end
	if randomLooking(t[begin:end]) {
		s.add(credential, begin, end)
	}
}

var closes = charset("\"'`,;<>(){}[]|\\")

// userinfo looks at the password of a URL whose host part begins at i.
func (s *scan) userinfo(i int) {
	t := s.text
	colon := 0
	for at := i; at < len(t) && at-i < 200 && t[at] > ' ' && t[at] != '/' && !closes[t[at]]; at++ {
		switch {
		case t[at] == ':' && colon == 0:
			colon = at
		case t[at] == '@':
			if colon > 0 && at-colon > 3 {
				s.add(credential, colon+1, at)
			}
			return
		}
	}
}

// randomLooking reports a value that nobody says in words: long and of high
// entropy, or shorter and of three kinds of characters, a digit or sign among
// them.
func randomLooking(v []byte) bool {
	if len(v) < 8 || len(v) > 4096 || v[0] == '$' || v[0] == '%' || v[0] == '*' {
		return false // a reference, or masked
	}
	var count [128]int
	var lower, upper, digits, signs int
	for _, c := range v {
		count[c&127]++
		switch {
		case c >= 'a' && c <= 'z':
			lower = 1
		case c >= 'A' && c <= 'Z':
			upper = 1
		case c >= '0' && c <= '9':
			digits = 1
		case c != '.' && c != '-' && c != '_' && c != '/' && c != ':':
			signs = 1
		}
	}
	if digits+signs == 0 || lower+upper == 0 {
		return false
	}
	entropy := 0.0
	for _, n := range count {
		if n > 0 {
			p := float64(n) / float64(len(v))
			entropy -= p * math.Log2(p)
		}
	}
	if len(v) >= 16 {
		return entropy >= 3.2
	}
	return lower+upper+digits+signs >= 3 && entropy >= 2.5
}
