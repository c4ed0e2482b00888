package config

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Env is what a configuration takes from outside.
type Env struct {
	// LookupEnv answers ${env:NAME}.
	LookupEnv func(name string) (string, bool)
	// ReadFile reads the configuration file and answers ${file:PATH}.
	ReadFile func(path string) ([]byte, error)
	// Exists says why a file that is only used later is not there, or nil. Nil
	// looks for none.
	Exists func(path string) error
	// Catalog knows the presets. Nil knows none.
	Catalog Catalog
	// Refresh gives the catalog with newer files laid over it; nil keeps
	// Catalog.
	Refresh func(CatalogFiles) (Catalog, error)
	// Unset takes, in secrets, the place of a reference to a variable or a file that
	// is not there. Empty: that is an error, as it is everywhere else.
	Unset string
	// Now is the present, for contracts that expire. Nil: none has.
	Now func() time.Time
}

// Catalog is what the configuration needs of the catalog.
type Catalog interface {
	// Preset finds a preset by name.
	Preset(name string) (PresetInfo, bool)
	// PresetNames lists all presets, for did-you-mean.
	PresetNames() []string
	// Answers finds what is listed of models at providers.
	Answers(places []Place) map[Place]Listed
}

// PresetInfo is what a preset says about a provider where the file is silent.
// Empty fields are unknown.
type PresetInfo struct {
	BaseURL      string
	Dialect      Dialect
	Hosting      Hosting
	Openness     Openness
	Region       string
	Jurisdiction string
	Continuation Continuation
	// NeedsKey says that the provider refuses calls without a credential;
	// KeyEnv is the variable its own documentation uses (OPENAI_API_KEY).
	NeedsKey bool
	KeyEnv   string
	// KeyHeader is the header that carries the credential, in canonical form.
	KeyHeader string
	// Owns are the beginnings of the provider's own model names (gpt-, o1).
	Owns []string
}

// maxSecretFile bounds what ${file:...} reads.
const maxSecretFile = 64 << 10

// expander resolves references on scalars.
type expander struct {
	env   Env
	path  string // of the configuration file
	files map[string]bool
	unset string // see [Env.Unset]; empty outside of secrets
}

// secret is expand for secrets.
func (x *expander) secret(s string) (out string, refs int, err *refError) {
	y := *x
	y.unset = x.env.Unset
	return y.expand(s)
}

// refError is a reference that cannot be resolved.
type refError struct{ msg, hint string }

func (e *refError) Error() string { return e.msg }

// expand replaces every ${env:NAME} and ${file:PATH} in a scalar; $${ stands
// for a literal ${. refs counts the references.
func (x *expander) expand(s string) (out string, refs int, err *refError) {
	var b strings.Builder
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			b.WriteString(s)
			return b.String(), refs, nil
		}
		if i > 0 && s[i-1] == '$' {
			b.WriteString(s[:i-1] + "${")
			s = s[i+2:]
			continue
		}
		end := strings.IndexByte(s[i:], '}')
		if end < 0 {
			return "", refs, &refError{"a reference ${ is not closed", "write ${env:NAME} or ${file:PATH}; $${ is a literal ${"}
		}
		val, rerr := x.resolve(s[i+2 : i+end])
		if rerr != nil {
			return "", refs, rerr
		}
		b.WriteString(s[:i] + val)
		s = s[i+end+1:]
		refs++
	}
}

func (x *expander) resolve(ref string) (string, *refError) {
	scheme, name, _ := strings.Cut(ref, ":")
	switch scheme {
	case "env":
		if name == "" {
			return "", &refError{"the reference ${env:} names no variable", "write ${env:NAME}"}
		}
		val, ok := x.env.lookup(name)
		if !ok && x.unset != "" {
			return x.unset, nil
		}
		if !ok {
			return "", &refError{fmt.Sprintf("${env:%s}: the environment variable %s is not set", name, name), "set it before freehold starts, or take the reference away"}
		}
		if val == "" {
			return "", &refError{fmt.Sprintf("${env:%s}: the environment variable %s is empty", name, name), "set it to a value"}
		}
		return val, nil
	case "file":
		if name == "" {
			return "", &refError{"the reference ${file:} names no file", "write ${file:/run/secrets/NAME}"}
		}
		return x.file(name)
	}
	hint := "write ${env:NAME} or ${file:PATH}; $${ is a literal ${"
	if scheme == ref && scheme != "" {
		hint = fmt.Sprintf("did you mean ${env:%s}?", ref)
	}
	return "", &refError{fmt.Sprintf("${%s} is not a reference", ref), hint}
}

func (x *expander) file(name string) (string, *refError) {
	full := resolve(x.path, name)
	x.files[full] = true
	fail := func(what, hint string) (string, *refError) {
		return "", &refError{fmt.Sprintf("${file:%s}: %s", name, what), hint}
	}
	if x.env.ReadFile == nil {
		return fail("files cannot be read here", "")
	}
	data, err := x.env.ReadFile(full)
	switch {
	case err != nil && x.unset != "":
		return x.unset, nil
	case err != nil:
		return fail(reason(err), "the file must exist and be readable for freehold's user")
	case len(data) > maxSecretFile:
		return fail(fmt.Sprintf("the file is too large: at most %d bytes", maxSecretFile), "")
	case !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0:
		return fail("the file is not text", "")
	}
	val := strings.TrimRight(string(data), "\r\n")
	if val == "" {
		return fail("the file is empty", "")
	}
	return val, nil
}

func (e Env) lookup(name string) (string, bool) {
	if e.LookupEnv == nil {
		return "", false
	}
	return e.LookupEnv(name)
}
