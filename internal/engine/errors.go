package engine

import (
	"context"
	"errors"
	"io/fs"
	"strings"
)

// Kind names a failure. It is itself an error, so that callers can ask
// errors.Is(err, engine.DiskFull).
type Kind string

// The failures.
const (
	BadSpec             Kind = "bad engine settings"
	BadWeights          Kind = "bad weights"
	PortTaken           Kind = "port taken"
	DiskFull            Kind = "disk full"
	DownloadCut         Kind = "download cut"
	DownloadRefused     Kind = "download refused"
	HashMismatch        Kind = "hash mismatch"
	NoNetwork           Kind = "no network"
	NoPython            Kind = "no python"
	UnsupportedPlatform Kind = "unsupported platform"
	InstallFailed       Kind = "install failed"
	Exited              Kind = "engine exited"
	Unresponsive        Kind = "engine unresponsive"
	CacheUnusable       Kind = "cache unusable"
)

// Error implements error.
func (k Kind) Error() string { return string(k) }

// lasting says that trying again without a change elsewhere would not help.
func (k Kind) lasting() bool {
	switch k {
	case BadSpec, BadWeights, HashMismatch, NoPython, UnsupportedPlatform, DownloadRefused, InstallFailed, CacheUnusable:
		return true
	default:
		return false
	}
}

// Error is one failure: what happened, where, and what to do about it. It never
// holds a token.
type Error struct {
	Kind  Kind
	What  string   // what happened, in words
	Where string   // file, port, address or engine it happened at
	Do    string   // what the reader can do
	Log   []string // the engine's last lines, oldest first
	Err   error    // the cause
}

// Error implements error: "where: what: cause (do)", then the log lines.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Where != "" {
		b.WriteString(e.Where + ": ")
	}
	b.WriteString(e.What)
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	if e.Do != "" {
		b.WriteString(" (" + e.Do + ")")
	}
	for _, l := range e.Log {
		b.WriteString("\n  | " + l)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is lets errors.Is compare with a Kind.
func (e *Error) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && e.Kind == k
}

// KindOf returns the kind of the failure, empty if it is none of ours.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return ""
}

// fileError wraps a failure to write under the cache: a full disk is told apart
// from a directory that cannot be used.
func fileError(what, path string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if isDiskFull(err) {
		return &Error{Kind: DiskFull, What: what + ": the disk is full", Where: path, Do: "free some space or set another cache directory, then start again", Err: err}
	}
	do := "check the directory's owner and mode, or set another cache directory"
	if errors.Is(err, fs.ErrNotExist) {
		do = "check that the path exists"
	}
	return &Error{Kind: CacheUnusable, What: what, Where: path, Do: do, Err: err}
}
