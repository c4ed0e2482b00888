package engine

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// pidRecord is what is kept on disk of a running engine, so that the next
// freehold can end it should all else have failed.
type pidRecord struct {
	PID        int    `json:"pid"` // leader of the engine's process group
	Start      string `json:"start"`
	Owner      int    `json:"owner"` // the freehold that started it
	OwnerStart string `json:"owner_start"`
	Name       string `json:"name"`
	Port       int    `json:"port"`
}

// notePID records a running engine; the returned function forgets it. Where
// processes cannot be told apart for sure, nothing is recorded.
func (c cache) notePID(pid int, name string, port int) (func(), error) {
	r := pidRecord{PID: pid, Start: startOf(pid), Owner: os.Getpid(), OwnerStart: startOf(os.Getpid()), Name: name, Port: port}
	if r.Start == "" || r.OwnerStart == "" {
		return func() {}, nil
	}
	path := c.path("run", fmt.Sprintf("%d-%d.json", r.Owner, pid))
	if err := saveJSON(path, r); err != nil {
		return func() {}, err
	}
	return func() { os.Remove(path) }, nil
}

// endLeftovers kills engines whose freehold is gone. A process is ours only if
// its id still began at the moment that was recorded, and its freehold's does
// not.
func (c cache) endLeftovers(log *slog.Logger) {
	entries, err := os.ReadDir(c.path("run"))
	if err != nil {
		return // no engine ever ran from here
	}
	for _, e := range entries {
		path := filepath.Join(c.path("run"), e.Name())
		var r pidRecord
		if !strings.HasSuffix(e.Name(), ".json") || loadJSON(path, &r) != nil || r.PID <= 1 {
			continue
		}
		if r.OwnerStart != "" && startOf(r.Owner) == r.OwnerStart {
			continue
		}
		if r.Start != "" && startOf(r.PID) == r.Start {
			log.Warn("ending an engine that an earlier freehold left behind", "engine", r.Name, "pid", r.PID, "port", r.Port)
			if err := killLeftover(r.PID); err != nil {
				log.Warn("it cannot be ended", "engine", r.Name, "pid", r.PID, "err", err)
				continue
			}
		}
		os.Remove(path)
	}
}
