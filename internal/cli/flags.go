package cli

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"freehold/internal/suggest"
)

// one is a flag of one value, which read makes of its text. An error of read
// completes the sentence `--flag "text" ...`.
type one[T comparable] struct {
	to   *T
	kind string // what the help calls it
	read func(string) (T, error)
}

// Set implements [pflag.Value].
func (f one[T]) Set(s string) error {
	v, err := f.read(s)
	if err == nil {
		*f.to = v
	}
	return err
}

// String implements [pflag.Value]. Nothing is "", so that the help shows no
// default where there is none.
func (f one[T]) String() string {
	var zero T
	if f.to == nil || *f.to == zero {
		return ""
	}
	return fmt.Sprint(*f.to)
}

// Type implements [pflag.Value].
func (f one[T]) Type() string { return f.kind }

// whole is a flag of a whole number within bounds.
func whole[T int | int64](to *T, least, most T) pflag.Value {
	return one[T]{to, "int", func(s string) (T, error) {
		n, err := strconv.ParseInt(s, 10, 64)
		switch {
		case err == nil && n >= int64(least) && n <= int64(most):
			return T(n), nil
		case int64(most) == math.MaxInt64:
			return 0, fmt.Errorf("is no whole number of at least %d", least)
		}
		return 0, fmt.Errorf("is no whole number from %d to %d", least, most)
	}}
}

// factor is a flag of a number that is not negative.
func factor(to *float64) pflag.Value {
	return one[float64]{to, "float", func(s string) (float64, error) {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
			return 0, errors.New("is no number of at least 0")
		}
		return v, nil
	}}
}

// span is a flag of a length of time.
func span(to *time.Duration) pflag.Value {
	return one[time.Duration]{to, "duration", func(s string) (time.Duration, error) {
		d, err := length(s)
		if err != nil {
			return 0, errors.New("is no length of time: give 500ms, 30s, 24h or 7d")
		}
		return d, nil
	}}
}

// choice is a flag of one word of several.
func choice[T ~string](to *T, words ...T) pflag.Value {
	return one[T]{to, "word", func(s string) (T, error) { return T(s), among(s, words) }}
}

func among[T ~string](s string, words []T) error {
	if slices.Contains(words, T(s)) {
		return nil
	}
	text := "is not one of " + strings.Join(texts(words), ", ")
	if near := suggest.Nearest(s, texts(words)); near != "" {
		text += fmt.Sprintf("; did you mean %q?", near)
	}
	return errors.New(text)
}

func texts[T ~string](words []T) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = string(w)
	}
	return out
}

// choices is a flag of several words of those that there are, each once,
// separated by commas. What it holds at first is the default.
type choices[T ~string] struct {
	to    *[]string
	words []T
	given bool
}

func newChoices[T ~string](to *[]string, words ...T) pflag.Value {
	return &choices[T]{to: to, words: words}
}

// Set implements [pflag.Value].
func (f *choices[T]) Set(s string) error {
	var taken []string
	if f.given {
		taken = *f.to
	}
	for w := range strings.SplitSeq(s, ",") {
		w = strings.TrimSpace(w)
		if err := among(w, f.words); err != nil {
			return err
		}
		if slices.Contains(taken, w) {
			return fmt.Errorf("has %s twice", w)
		}
		taken = append(taken, w)
	}
	*f.to, f.given = taken, true
	return nil
}

// String implements [pflag.Value].
func (f *choices[T]) String() string {
	if f.to == nil {
		return ""
	}
	return strings.Join(*f.to, ",")
}

// Type implements [pflag.Value].
func (f *choices[T]) Type() string { return "words" }

// past is a flag of a point in time: a date, a time, or how long ago.
func (p *program) past(to *time.Time) pflag.Value {
	return one[time.Time]{to, "time", func(s string) (time.Time, error) { return when(s, p.clock()) }}
}

// coming is a flag of a point in time to come: a date, a time, or in how long.
func (p *program) coming(to *time.Time) pflag.Value {
	return one[time.Time]{to, "time", func(s string) (time.Time, error) { return ahead(s, p.clock()) }}
}

// address is a flag of what to listen on.
func address(to *string) pflag.Value {
	return one[string]{to, "address", func(s string) (string, error) {
		_, port, err := net.SplitHostPort(s)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil {
			return "", errors.New("is no address: give HOST:PORT, such as 127.0.0.1:9001")
		}
		return s, nil
	}}
}

// base is a flag of the URL that paths are appended to; suffixes that people
// copy along are taken off.
func base(to *string, suffixes ...string) pflag.Value {
	return one[string]{to, "url", func(s string) (string, error) {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			return "", errors.New("is no base URL: give http://HOST:PORT or https://HOST")
		}
		s = strings.TrimRight(s, "/")
		for _, end := range suffixes {
			s = strings.TrimRight(strings.TrimSuffix(s, end), "/")
		}
		return s, nil
	}}
}
