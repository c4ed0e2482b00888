// Package shelf keeps the routing models that were trained for one state, beside
// it: v0001.bin, v0002.bin, ... and in in-use.txt which of them was in use when,
// so that one command goes back.
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

// Model reads a model by its name.
func (s Shelf) Model(name string) (*classify.Model, error) {
	if name == Embedded {
		return classify.Embedded()
	}
	if !version.MatchString(name) {
		return nil, fmt.Errorf("%q is no version of a routing model: they are called %s or v0001, v0002 and so on", name, Embedded)
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
	return fmt.Errorf("there is no routing model %s in %s: %s %s", name, s.dir, what, strings.Join(append([]string{Embedded}, all...), ", "))
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

// Current is the model in use.
func (s Shelf) Current() (*classify.Model, error) {
	now, _, err := s.InUse()
	if err != nil {
		return nil, err
	}
	return s.Model(now)
}

// kept is how many changes can be gone back.
const kept = 100

// Use puts a model in use, once it proved to load.
func (s Shelf) Use(name string) error {
	names, err := s.used()
	if err != nil {
		return err
	}
	if names[len(names)-1] == name {
		return nil
	}
	if _, err := s.Model(name); err != nil {
		return err
	}
	return s.write(append(names, name))
}

// Back puts the model in use that was before, and returns its name.
func (s Shelf) Back() (string, error) {
	names, err := s.used()
	if err != nil {
		return "", err
	}
	if len(names) < 2 {
		return "", errors.New("no other routing model was in use before this one")
	}
	names = names[:len(names)-1]
	name := names[len(names)-1]
	if _, err := s.Model(name); err != nil {
		return "", err
	}
	return name, s.write(names)
}

func (s Shelf) write(names []string) error {
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
