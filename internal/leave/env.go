package leave

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Env is what applications put into their environments, as lines of a POSIX shell,
// a block for each workload. Keys are references.
func Env(all []Access) string {
	var b strings.Builder
	for i := range all {
		if i > 0 {
			b.WriteString("\n")
		}
		all[i].env(&b)
	}
	return b.String()
}

func (a *Access) env(b *strings.Builder) {
	if a.None != "" {
		fmt.Fprintf(b, "# %s: %s\n", comment(a.Workload), comment(a.None))
		return
	}
	fmt.Fprintf(b, "# %s: %s at %s\n", comment(a.Workload), comment(a.Model), comment(a.Provider))
	prefix := "OPENAI"
	if a.Dialect == "anthropic" {
		prefix = "ANTHROPIC"
	}
	fmt.Fprintf(b, "export %s_BASE_URL=%s\n", prefix, quote(a.BaseURL))
	name := prefix + "_API_KEY"
	switch {
	case len(a.Keys) == 0:
		fmt.Fprintf(b, "export %s=none # clients want one; the provider does not\n", name)
	case a.Keys[0].Env == name:
		fmt.Fprintf(b, ": \"${%s:?is the key of %s}\"\n", name, comment(shellName(a.Provider)))
	case a.Keys[0].Env != "":
		fmt.Fprintf(b, "export %s=\"$%s\"\n", name, a.Keys[0].Env)
	case a.Keys[0].File != "":
		fmt.Fprintf(b, "export %s=\"$(cat %s)\"\n", name, quote(a.Keys[0].File))
	default:
		fmt.Fprintf(b, "# %s: the key of provider %s stands in config.yaml itself\n", name, comment(a.Provider))
	}
	fmt.Fprintf(b, "export %s_MODEL=%s\n", prefix, quote(a.ID))
	for _, c := range a.Changes {
		fmt.Fprintf(b, "# change: %s\n", comment(c))
	}
}

// quote is a text as one word of a POSIX shell.
func quote(s string) string { return "'" + strings.ReplaceAll(comment(s), "'", `'\''`) + "'" }

// comment is a text on one line.
func comment(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// shellName is a name without what a shell would act on.
func shellName(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("\"`$\\}{", r) {
			return '_'
		}
		return r
	}, s)
}
