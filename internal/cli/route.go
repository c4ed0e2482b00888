package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"freehold/internal/app"
	"freehold/internal/classify"
	"freehold/internal/classify/learn"
	"freehold/internal/classify/shelf"
	"freehold/internal/suggest"
)

func (p *program) routeCommand() *cobra.Command {
	return group("route", "Score, train and choose the model that routes by task",
		`  freehold route eval --weak phi-4 --strong claude graded.jsonl --plot curve.svg
  freehold route train --data labelled.jsonl --use
  freehold route use previous`,
		p.routeEvalCommand(), p.routeClassifyEvalCommand(), p.routeTrainCommand(), p.routeUseCommand())
}

// shelf is where routing models of the configuration are. Without a
// configuration there is only the embedded one.
func (p *program) shelf() (s shelf.Shelf, ok bool, err error) {
	_, state, err := p.stateThere()
	var bad *app.ConfigError
	switch {
	case errors.As(err, &bad) && p.configPath() == defaultConfig && !exists(defaultConfig):
		return s, false, nil
	case err != nil:
		return s, false, err
	}
	return shelf.Beside(state), true, nil
}

// routingModel is the model that a command is about: one in use if none is
// named, else the embedded one, a version, or a file.
func (p *program) routingModel(name string) (*classify.Model, string, error) {
	if name == shelf.Embedded {
		m, err := classify.Embedded()
		return m, name, err
	}
	if name != "" && !versionName.MatchString(name) {
		m, err := shelf.Open(name)
		return m, filepath.Base(name), err
	}
	s, ok, err := p.shelf()
	switch {
	case err != nil:
		return nil, "", err
	case !ok && name != "":
		return nil, "", usagef("there is no %s, so no version %s beside its state", defaultConfig, name)
	case !ok:
		m, err := classify.Embedded()
		return m, shelf.Embedded, err
	}
	if name == "" {
		if name, _, err = s.InUse(); err != nil {
			return nil, "", err
		}
	}
	m, err := s.Model(name)
	return m, name, err
}

var versionName = regexp.MustCompile(`^v[0-9]{4,9}$`)

// readRows reads data files, and says what was done to their scores.
func (p *program) readRows(paths []string) ([]*learn.File, error) {
	var out []*learn.File
	for _, path := range paths {
		f, err := learn.Read(path)
		if err != nil {
			return nil, err
		}
		if f.Scale != 1 {
			fmt.Fprintf(p.err, "%s: scores go beyond 1 and are divided by %g\n", tame(path), f.Scale)
		}
		out = append(out, f)
	}
	return out, nil
}

// sayTrained warns of rows that the model was trained on, and counts them.
func (p *program) sayTrained(m *classify.Model, files []*learn.File) (all int) {
	for _, f := range files {
		if n := f.SeenBy(m, nil); n > 0 {
			all += n
			fmt.Fprintf(p.err, "the model was trained on %d of the %s of %s: on new prompts it is not as good as here\n",
				n, plural(len(f.Rows), "row"), tame(f.Path))
		}
	}
	return all
}

// noSuchModel says that rows have no scores of a model, and which they have.
func noSuchModel(f *learn.File, r *learn.Row, name string) error {
	var names []string
	for n := range r.Scores {
		names = append(names, n)
	}
	if len(names) == 0 {
		return fmt.Errorf("%s:%d: has no scores", f.Path, r.Line)
	}
	slices.Sort(names)
	hint := ""
	if near := suggest.Nearest(name, names); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return fmt.Errorf("%s:%d: has no score of %q, only of %s%s", f.Path, r.Line, name, strings.Join(names, ", "), hint)
}
