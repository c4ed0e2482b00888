package cli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"freehold/internal/suggest"
)

// usageError is a command line that cannot be meant.
type usageError struct {
	error
	hint string // what to do; "" where the error says it
}

func usagef(format string, args ...any) error { return hintedf("", format, args...) }

func hintedf(hint, format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...), hint}
}

func (e usageError) Unwrap() error { return e.error }

// flagError says what is wrong with a flag in one sentence.
func flagError(c *cobra.Command, err error) error {
	help := c.CommandPath() + " --help lists them"
	var bad *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &bad):
		why := errors.Unwrap(bad)
		switch bad.GetFlag().Value.Type() {
		case "bool":
			why = errors.New("is neither true nor false")
		case "uint64":
			why = errors.New("is no whole number of at least 0")
		case "stringSlice":
			why = errors.New("is no list of words with commas between")
		}
		return usagef("--%s %q %w", bad.GetFlag().Name, bad.GetValue(), why)
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		name := unknown.GetSpecifiedName()
		if near := suggest.Nearest(name, names); near != "" {
			help = fmt.Sprintf("did you mean --%s? %s", near, help)
		}
		return hintedf(help, "%s has no flag --%s", c.CommandPath(), name)
	}
	return hintedf(help, "%w", err)
}

// mayBeEmpty are the flags whose empty value means something. Any other that is
// given without a value was to have one: `--user "$USER_ID"` must not stand for
// all users where the variable is not set.
var mayBeEmpty = []string{"reason", "system"}

// filled refuses flags that are given an empty value.
func filled(c *cobra.Command) (err error) {
	c.Flags().Visit(func(f *pflag.Flag) {
		empty := f.Value.String() == "" && f.Value.Type() == "string" && !slices.Contains(mayBeEmpty, f.Name)
		if list, ok := f.Value.(pflag.SliceValue); ok {
			words := list.GetSlice()
			empty = len(words) == 0 || slices.ContainsFunc(words, func(w string) bool { return strings.TrimSpace(w) == "" })
		}
		if empty {
			err = cmp.Or(err, usagef("--%s is given an empty value: fill it in, or leave the flag out", f.Name))
		}
	})
	return err
}

// takes makes a wrong number of arguments, or an empty one, a usage error.
func takes(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, a []string) error {
		_, names, _ := strings.Cut(c.Use, " ")
		switch {
		case len(a) > most && most == 0:
			return usagef("%s takes no arguments, and %q is one", c.CommandPath(), a[0])
		case len(a) > most:
			hint := ""
			if strings.Contains(names, "PROMPT") {
				hint = "put a prompt with spaces between quotes"
			}
			return hintedf(hint, "%s takes %s, and these are %d arguments", c.CommandPath(), names, len(a))
		case len(a) < least:
			return hintedf(c.CommandPath()+" --help has an example", "%s needs %s", c.CommandPath(), names)
		case slices.Contains(a, ""):
			return usagef("%s is given an empty argument", c.CommandPath())
		}
		return nil
	}
}

// unknownCommand finds out which command was meant by a word that is none.
func unknownCommand(c *cobra.Command, word string) error {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	help := c.CommandPath() + " --help lists them"
	if near := suggest.Nearest(word, names); near != "" {
		help = fmt.Sprintf("did you mean %s %s? %s", c.CommandPath(), near, help)
	}
	return hintedf(help, "%s has no command %q", c.CommandPath(), word)
}
