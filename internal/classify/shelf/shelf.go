// Package shelf keeps the routing models that were trained for one state, beside
// it: v0001.bin, v0002.bin, ... and in in-use.txt which of them were in use, in
// order, so that one command goes back.
package shelf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"freehold/internal/classify"
	"freehold/internal/regular"
)

// Embedded is the name of the model that comes with the program.
const Embedded = "embedded"

// Shelf is where the models of a state are.
type Shelf struct{ dir string }

// Beside is the shelf of a state file. It need not exist.
func Beside(state string) Shelf { return Shelf{state + ".routing"} }

// Dir is the directory.
func (s Shelf) Dir() string { return s.dir }

var version = regexp.MustCompile(`^v([0-9]{4,9})$`)

// Versions are the names of the models on the shelf, oldest first.
func (s Shelf) Versions() ([]string, error) {
	files, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the routing models cannot be listed: %w", err)
	}
	var out []string
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), ".bin"); ok && version.MatchString(name) {
			out = append(out, name)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return number(a) - number(b) })
	return out, nil
}

func number(name string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(name, "v"))
	if err != nil {
		return 0
	}
	return n
}

// NameError is a name that no model here has. Its text says which there are.
type NameError string

func (e NameError) Error() string { return string(e) }

// Model reads a model by its name.
func (s Shelf) Model(name string) (*classify.Model, error) {
	if name == Embedded {
		return classify.Embedded()
	}
	if !version.MatchString(name) {
		return nil, NameError(fmt.Sprintf("%q is no version of a routing model: they are called %s or v0001, v0002 and so on", name, Embedded))
	}
	m, err := Open(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, s.missing(name)
	}
	return m, err
}

// missing says which versions there are instead.
func (s Shelf) missing(name string) error {
	all, err := s.Versions()
	if err != nil {
		return err
	}
	const most = 10
	what := "there are"
	if len(all) > most {
		all, what = all[len(all)-most:], "the newest are"
	}
	return NameError(fmt.Sprintf("there is no routing model %s in %s: %s %s", name, s.dir, what, strings.Join(append([]string{Embedded}, all...), ", ")))
}

func (s Shelf) path(name string) string { return filepath.Join(s.dir, name+".bin") }

// Open reads a model from a file.
func Open(path string) (*classify.Model, error) {
	file, err := regular.Read(path, int64(classify.MaxFile))
	if err != nil {
		return nil, err
	}
	m, err := classify.Load(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// Add puts a model on the shelf and returns its name. It is not in use yet.
func (s Shelf) Add(m *classify.Model) (string, error) {
	file, err := m.Bytes()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return "", fmt.Errorf("the routing model has no place: %w", err)
	}
	all, err := s.Versions()
	if err != nil {
		return "", err
	}
	n := 1
	if len(all) > 0 {
		n = number(all[len(all)-1]) + 1
	}
	name := fmt.Sprintf("v%04d", n)
	return name, Write(s.path(name), file)
}

// used are the names that were put in use, the last one is now.
func (s Shelf) used() ([]string, error) {
	text, err := regular.Read(filepath.Join(s.dir, "in-use.txt"), 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return []string{Embedded}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("which routing model is in use cannot be read: %w", err)
	}
	names := strings.Fields(string(text))
	if len(names) == 0 {
		names = []string{Embedded}
	}
	return names, nil
}

// InUse is the name of the model in use, and of the one before it ("" if there
// was none).
func (s Shelf) InUse() (now, before string, err error) {
	names, err := s.used()
	if err != nil {
		return "", "", err
	}
	now = names[len(names)-1]
	if len(names) > 1 {
		before = names[len(names)-2]
	}
	return now, before, nil
}

// Current is the model in use, and its name.
func (s Shelf) Current() (string, *classify.Model, error) {
	now, _, err := s.InUse()
	if err != nil {
		return "", nil, err
	}
	m, err := s.Model(now)
	return now, m, err
}

// kept is how many changes can be gone back.
const kept = 100

// Previous asks [Shelf.To] for the model that was in use before.
const Previous = "previous"

// Change puts another model in use. Its model has proved to load.
type Change struct {
	From, To string // the same: there is nothing to do
	Model    *classify.Model
	names    []string
}

// To prepares a change to a model by its name, or to Previous. [Shelf.Make] makes it.
func (s Shelf) To(name string) (c Change, err error) {
	if c.names, err = s.used(); err != nil {
		return c, err
	}
	last := len(c.names) - 1
	switch c.From, c.To = c.names[last], name; {
	case name == Previous && last == 0:
		return c, NameError("no other routing model was in use before this one")
	case name == Previous:
		c.names = c.names[:last]
		c.To = c.names[last-1]
	case name != c.From:
		c.names = append(c.names, name)
	}
	c.Model, err = s.Model(c.To)
	return c, err
}

// Make makes a change, which is the caller's to put on record before.
func (s Shelf) Make(c Change) error {
	if c.From == c.To {
		return nil
	}
	names := c.names
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("the routing model has no place: %w", err)
	}
	names = names[max(0, len(names)-kept):]
	return Write(filepath.Join(s.dir, "in-use.txt"), []byte(strings.Join(names, "\n")+"\n"))
}

// Write writes a file whole or not at all.
func Write(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s cannot be written: %w", path, errors.Join(err, f.Close()))
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
