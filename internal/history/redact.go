package history

import (
	"regexp"
	"strings"
)

// Redacted stands where a secret stood.
const Redacted = "[redacted]"

var (
	// secretEntry finds a mapping entry whose name says that its value is a
	// secret, anywhere in a line: in a block, in a flow mapping, in a comment.
	// Group 1 is the name; the match ends where the value begins.
	secretEntry = regexp.MustCompile(`(?i)(?:^|[\s{,\[#"'-])([\w.-]*(?:api[_-]?keys?|secrets?|passwords?|passwd|passphrase|credentials?|authorization|` +
		`private[_-]?key|admin[_-]?key|access[_-]?key|signing[_-]?key|tokens?|bearer|cookie|headers))(?:["']\s*:\s*|\s*:(?:\s+|$))`)
	// harmless are values of the likes of first_token and max_tokens.
	harmless = regexp.MustCompile(`^(?:\d[\d_.]*(?:ns|us|µs|ms|s|m|h)?|true|false|null|~)$`)
	// reference is text that names a secret and does not hold it.
	reference = regexp.MustCompile(`\$\{[^}]*\}`)
	// entryName is the name in a line of a secret block, which may stay.
	entryName = regexp.MustCompile(`^\s*(?:- +)?[\w.-]+:\s+`)
	// shapes are secrets that show by their own form, wherever they stand.
	shapes = regexp.MustCompile(`\b(?:sk|pk|rk|gsk|fh|hf|ghp|gho|ghs|github_pat|glpat|xox[abprs]|xai|pplx|nvapi|r8|pcsk|fw|tgp)[-_][A-Za-z0-9_-]{12,}` +
		`|\bAIza[A-Za-z0-9_-]{20,}|\bA[KS]IA[A-Z0-9]{12,}|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+|(?i:\bbearer\s+)[A-Za-z0-9._~+/-]{8,}=*`)
	// urlPassword is user:password@ in a URL, urlParameter a secret in its query.
	urlPassword  = regexp.MustCompile(`(://[^/\s:@]*:)[^/\s@]+(@)`)
	urlParameter = regexp.MustCompile(`(?i)([?&](?:[\w-]*[_-])?(?:api_?key|key|token|secret|password|sig|signature)=)[^&\s"'}\],]+`)
)

// Redact hides what may be a secret in a YAML configuration: the values of
// entries with telling names, blocks and lists below them, private keys in PEM
// form, passwords in URLs, and the usual forms of API keys. References
// (${env:NAME}) stay. It keeps the number of lines, needs no valid YAML, and in
// doubt hides.
//
// A configuration should hold references only. This is the net below that.
func Redact(text string) string {
	lines := strings.SplitAfter(text, "\n")
	var r redactor
	r.reset()
	for i, line := range lines {
		body := strings.TrimSuffix(line, "\n")
		lines[i] = r.line(body) + line[len(body):]
	}
	return strings.Join(lines, "")
}

// redactor is the state between lines.
type redactor struct {
	// column of the entry name whose value goes on in lines further in; -1 for
	// none. list: list items in the same column belong to it too.
	column int
	list   bool
	pem    bool // between the BEGIN and END lines of a private key
}

func (r *redactor) reset() { r.column, r.list = -1, false }

func (r *redactor) line(line string) string {
	if r.pem || strings.Contains(line, "PRIVATE KEY-----") {
		r.pem = !strings.Contains(line, "-----END")
		return indentOf(line) + Redacted
	}
	if r.column >= 0 && strings.TrimSpace(line) != "" {
		depth := len(indentOf(line))
		if depth > r.column || r.list && depth == r.column && strings.HasPrefix(line[depth:], "-") {
			return hideBlockLine(line)
		}
		r.reset()
	}
	return hideShapes(r.hideEntries(line))
}

// hideEntries hides the values of the secret entries of a line.
func (r *redactor) hideEntries(line string) string {
	var out strings.Builder
	done := 0
	for done < len(line) {
		m := secretEntry.FindStringSubmatchIndex(line[done:])
		if m == nil {
			break
		}
		column, start := done+m[2], done+m[1]
		length, open := valueLength(line, start)
		value := line[start : start+length]
		out.WriteString(line[done:start])
		out.WriteString(hideValue(value))
		done = start + length
		if open { // the value may go on in the next lines
			r.column, r.list = column, strings.TrimSpace(value) == ""
		}
	}
	out.WriteString(line[done:])
	return out.String()
}

// valueLength is how far a value reaches that begins at start; open says that it
// may go on below.
func valueLength(line string, start int) (length int, open bool) {
	rest := line[start:]
	if rest == "" {
		return 0, true
	}
	switch rest[0] {
	case '"', '\'':
		if end := closingQuote(rest); end >= 0 {
			return end + 1, false
		}
		return len(rest), true
	case '[', '{':
		if end := closingBracket(rest); end >= 0 {
			return end + 1, false
		}
		return len(rest), true
	}
	flow := strings.Count(line[:start], "{")+strings.Count(line[:start], "[") >
		strings.Count(line[:start], "}")+strings.Count(line[:start], "]")
	if flow {
		at := 0
		for _, span := range append(reference.FindAllStringIndex(rest, -1), []int{len(rest), len(rest)}) {
			if i := strings.IndexAny(rest[at:span[0]], ",}]"); i >= 0 { // not the brace of a reference
				return at + i, false
			}
			at = span[1]
		}
		return len(rest), true
	}
	if comment := strings.Index(rest, " #"); comment >= 0 {
		return comment, true
	}
	return len(rest), true
}

// closingQuote finds the end of a quoted scalar; -1 if it is not in this line.
func closingQuote(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[0] == '"' && s[i] == '\\':
			i++
		case s[0] == '\'' && strings.HasPrefix(s[i:], "''"):
			i++
		case s[i] == s[0]:
			return i
		}
	}
	return -1
}

// closingBracket finds the end of a flow collection; -1 if it is not in this line.
func closingBracket(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return i
			}
		case '"', '\'':
			end := closingQuote(s[i:])
			if end < 0 {
				return -1
			}
			i += end
		}
	}
	return -1
}

// hideValue hides a value that is neither a reference, nor harmless, nor the
// sign of a block below.
func hideValue(value string) string {
	bare := strings.Trim(value, " \t\"'")
	switch left := strings.Trim(reference.ReplaceAllString(value, ""), " \t\"'[],{}"); {
	case left == "", harmless.MatchString(bare):
		return value
	case (bare[0] == '|' || bare[0] == '>') && len(bare) <= 3: // block scalar: its lines follow
		return value
	}
	return Redacted
}

// hideBlockLine hides a line of a secret block, but for the name of an entry.
func hideBlockLine(line string) string {
	name := entryName.FindString(line)
	if name == "" {
		name = indentOf(line)
		if strings.HasPrefix(line[len(name):], "- ") {
			name += "- "
		}
	}
	value := line[len(name):]
	if strings.Trim(reference.ReplaceAllString(value, ""), " \t\"',[]{}") == "" {
		return line
	}
	return name + Redacted
}

func hideShapes(line string) string {
	line = shapes.ReplaceAllString(line, Redacted)
	line = urlPassword.ReplaceAllString(line, "${1}"+Redacted+"${2}")
	return urlParameter.ReplaceAllString(line, "${1}"+Redacted)
}

func indentOf(line string) string { return line[:len(line)-len(strings.TrimLeft(line, " \t"))] }
