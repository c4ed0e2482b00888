package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"freehold/internal/config"
	"freehold/internal/history"
	"freehold/internal/store/sqlite"
)

// Edited is what became of an edit.
type Edited struct {
	How    string `json:"how"`             // file, overlay, propose
	Patch  string `json:"patch,omitempty"` // for the file, where it is not written
	Result Result `json:"result"`
}

// EditError is an edit that cannot be made in the file as it is.
type EditError struct{ err error }

func (e *EditError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *EditError) Unwrap() error { return e.err }

// Edit changes one value of the configuration as server.config_writes says: in
// the file, comments kept; or held in the store, in effect until the file
// agrees; or held and printed as a patch. A file that cannot be written is held
// too. A nil value deletes the key. What cannot be taken into use leaves the file,
// what is held and the history as they were.
func (a *App) Edit(ctx context.Context, path string, value json.RawMessage, who history.Who, why string) (Edited, error) {
	a.reload.Lock()
	defer a.reload.Unlock()
	how := a.config.Load().Server.ConfigWrites
	src, err := Env(a.embedded, nil).ReadFile(a.ConfigPath)
	if err != nil {
		return Edited{}, err
	}
	if err := config.Legible(a.ConfigPath, src); err != nil {
		return Edited{}, &EditError{fmt.Errorf("the configuration cannot be edited while it is broken:\n%w", err)}
	}
	rows, err := a.DB.Overlay(ctx)
	if err != nil {
		return Edited{}, err
	}
	e := edit{App: a, ctx: context.WithoutCancel(ctx), src: src, rows: rows, made: config.Change{Path: path, Value: value}, who: who, why: why}
	if how == config.WritesFile {
		out, err := e.inFile()
		if !errors.Is(err, config.ErrReadOnly) {
			return out, err
		}
		how = config.WritesOverlay
	}
	out, err := e.held()
	out.How = string(how)
	return out, err
}

// edit is one edit under way. It is not left half-way when its caller goes.
type edit struct {
	*App
	ctx  context.Context
	src  []byte // of the file
	rows []sqlite.HeldChange
	made config.Change
	who  history.Who
	why  string
}

// inFile makes the edit in the file. A change that is held at the same path would
// hide it, and goes.
func (e *edit) inFile() (Edited, error) {
	out := Edited{How: string(config.WritesFile)}
	after, err := e.made.Apply(e.src)
	if err != nil {
		return out, &EditError{err}
	}
	whole, err := e.others().Apply(after)
	if err != nil {
		return out, &EditError{err}
	}
	keep := func() (func() error, error) {
		if err := config.Save(e.ConfigPath, e.src, after); err != nil {
			return nil, err
		}
		undo := func() error {
			err := config.Save(e.ConfigPath, after, e.src)
			if err != nil {
				err = fmt.Errorf("the change stays in the file: %w", err)
			}
			return errors.Join(err, e.holdAgain())
		}
		if err := e.DB.Forget(e.ctx, e.made.Path); err != nil {
			return nil, errors.Join(err, undo())
		}
		return undo, nil
	}
	out.Result, err = e.apply(whole, change{keep: keep})
	return out, err
}

// held holds the edit apart from the file.
func (e *edit) held() (out Edited, err error) {
	others := e.others()
	before, err := others.Apply(e.src)
	if err != nil {
		return out, &EditError{err}
	}
	whole, err := e.made.Apply(before)
	if err != nil {
		return out, &EditError{err}
	}
	if out.Patch, err = config.Patch(e.ConfigPath, e.src, others.Set(e.made)); err != nil {
		return out, err
	}
	keep := func() (func() error, error) {
		return e.holdAgain, e.DB.Hold(e.ctx, e.made.Path, string(e.made.Value), e.Clock(), e.who.String(), history.Redact(e.why))
	}
	noted := func() error {
		_, err := e.History.Append(e.ctx, history.Change{
			Kind: history.KindOverlay, Subject: e.made.Path, Who: e.who, Why: e.why,
			Diff: history.Redact(config.Diff(e.ConfigPath, before, whole)),
		})
		return err
	}
	out.Result, err = e.apply(whole, change{keep: keep, noted: noted})
	return out, err
}

// apply takes the text into use that the edit makes of the file and all that is
// held over it.
func (e *edit) apply(whole []byte, c change) (Result, error) {
	l := e.reading(func(env config.Env) (*config.Config, config.Diagnostics) {
		return config.Parse(e.ConfigPath, whole, env)
	})
	if err := e.literal(l.ds); err != nil {
		return Result{Version: e.Fleet().Version}, err
	}
	c.who, c.why = e.who, e.why
	return e.take(e.ctx, l, c)
}

// literal refuses a secret that the edit would put into the file, or into the store,
// as it is.
func (e *edit) literal(ds config.Diagnostics) error {
	made := strings.ReplaceAll(e.made.Path, `"`, "")
	for _, d := range ds.Warnings() {
		where, found := strings.CutSuffix(d.Message, config.SecretInClear)
		where = strings.ReplaceAll(where, `"`, "")
		if found && len(e.made.Value) > 0 && (where == made || strings.HasPrefix(where, made+".") || strings.HasPrefix(made, where+".")) {
			return &EditError{fmt.Errorf("%s: secrets are set by reference, ${env:NAME} or ${file:/run/secrets/NAME}, so that none lies in the file or the state", where)}
		}
	}
	return nil
}

// others are the changes held at other paths.
func (e *edit) others() config.Overlay {
	return overlayOf(slices.DeleteFunc(slices.Clone(e.rows), e.same))
}

func (e *edit) same(h sqlite.HeldChange) bool { return h.Path == e.made.Path }

// holdAgain makes what is held at the path what it was before the edit.
func (e *edit) holdAgain() error {
	var err error
	if i := slices.IndexFunc(e.rows, e.same); i >= 0 {
		h := e.rows[i]
		err = e.DB.Hold(e.ctx, h.Path, h.Value, h.At, h.Who, h.Why)
	} else {
		err = e.DB.Forget(e.ctx, e.made.Path)
	}
	if err != nil {
		err = fmt.Errorf("the change of %s stays held: %w", e.made.Path, err)
	}
	return err
}
