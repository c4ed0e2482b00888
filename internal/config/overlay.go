package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
)

// Change is one edit that is held apart from the file, where the file cannot
// be written or is not ours to write.
type Change struct {
	Path string `json:"path"`
	// Value is the new value as JSON; absent deletes the key. Secrets stand
	// here as references only.
	Value json.RawMessage `json:"value,omitempty"`
}

// Overlay is the changes in the order they were made.
type Overlay []Change

// Set is the overlay with one more change; it takes the place of an earlier
// one at the same path.
func (o Overlay) Set(c Change) Overlay {
	out := make(Overlay, 0, len(o)+1)
	for _, old := range o {
		if old.Path != c.Path {
			out = append(out, old)
		}
	}
	return append(out, c)
}

// Apply is the text of the file with all changes in it, see [Change.Apply].
func (o Overlay) Apply(src []byte) ([]byte, error) {
	for _, c := range o {
		next, err := c.Apply(src)
		if err != nil {
			return nil, fmt.Errorf("the held change of %s no longer fits the file: %w", c.Path, err)
		}
		src = next
	}
	return src, nil
}

// Apply is the text of the file with the change in it. A key to be deleted that
// is gone already is no error.
func (c Change) Apply(src []byte) ([]byte, error) {
	if c.Value == nil {
		out, err := Delete(src, c.Path)
		if errors.Is(err, ErrNoKey) {
			return src, nil
		}
		return out, err
	}
	return Edit(src, c.Path, c.Value)
}

// LoadWithOverlay is Load of the file with the changes applied. Positions
// then refer to the changed text, which Source gives.
func LoadWithOverlay(path string, env Env, o Overlay) (*Config, Diagnostics) {
	if len(o) == 0 {
		return Load(path, env)
	}
	src, ds := read(path, env)
	if ds != nil {
		return nil, ds
	}
	// A broken file is reported as it is, before any change.
	if rep := (&report{}); parse(src, rep) == nil || len(rep.list) > 0 {
		return Parse(path, src, env)
	}
	changed, err := o.Apply(src)
	if err != nil {
		return nil, Diagnostics{{File: path, Message: firstLine(err.Error()), Hint: "take the change back, or edit the file to agree with it"}}
	}
	return Parse(path, changed, env)
}

// Drift is one held change beside what the file says.
type Drift struct {
	Path string `json:"path"`
	// Held and File are the two values on one line; empty where there is none.
	// A secret reads "[secret]".
	Held string `json:"held"`
	File string `json:"file"`
	// Agrees says that the file has caught up: the change can be forgotten.
	Agrees bool `json:"agrees"`
	// Pos is where the file says otherwise; zero where it says nothing.
	Pos Pos `json:"pos"`
}

// FindDrift compares the held changes with the file at path.
func FindDrift(path string, src []byte, o Overlay) ([]Drift, error) {
	doc, err := legible(path, src)
	if err != nil {
		return nil, fmt.Errorf("drift cannot be told while the file is broken:\n%w", err)
	}
	shownDoc := parse(Redact(src), &report{})
	out := make([]Drift, 0, len(o))
	for i, c := range o {
		d := Drift{Path: c.Path}
		if c.Value != nil {
			d.Held = o[:i+1].show(src)
		}
		var inFile any
		if e := doc.root.lookup(c.Path); e != nil {
			inFile, d.Pos = plain(e.value), e.pos
			d.File = showValue(shownDoc, c.Path)
		}
		d.Agrees = reflect.DeepEqual(inFile, c.tree())
		out = append(out, d)
	}
	return out, nil
}

// show renders the value of the last change as it would stand in the file, secrets
// taken out; where it would not fit there, nothing of it.
func (o Overlay) show(src []byte) string {
	changed, err := o.Apply(src)
	if err != nil {
		return redacted
	}
	return showValue(parse(Redact(changed), &report{}), o[len(o)-1].Path)
}

// tree is the value as the file would hold it.
func (c Change) tree() any {
	if c.Value == nil {
		return nil
	}
	text, err := render(c.Value, "")
	if err != nil {
		return nil
	}
	doc := parse([]byte("v: "+text), &report{})
	if doc == nil || doc.root == nil {
		return nil
	}
	return plain(doc.root.lookup("v").value)
}

// showValue renders what a redacted document holds at path.
func showValue(doc *document, path string) string {
	if doc == nil || doc.root == nil {
		return redacted
	}
	e := doc.root.lookup(path)
	if e == nil {
		return redacted
	}
	text, err := render(untyped(plain(e.value)), "")
	if err != nil {
		return redacted
	}
	return text
}

// untyped turns a plain tree into values that render writes alike.
func untyped(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[k] = untyped(x)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = untyped(x)
		}
		return out
	case leaf:
		if v.typ != typeString {
			return json.Number(v.text)
		}
		return v.text
	}
	return json.Number("null")
}

// Patch is the change of the file that would make the overlay unnecessary,
// as a unified diff that git apply and patch -p1 take in the directory of the
// file; empty where the file agrees. Secrets that
// stand in the file are taken out: a patch around one must be applied by hand.
func Patch(name string, src []byte, o Overlay) (string, error) {
	after, err := o.Apply(src)
	if err != nil {
		return "", err
	}
	return Diff(filepath.Base(name), src, after), nil
}
