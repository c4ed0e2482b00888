package app

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"freehold/internal/config"
	"freehold/internal/history"
	"freehold/internal/rollout/runner"
)

// useCapture takes the capture settings of a configuration into use.
func (a *App) useCapture(cfg *config.Config) {
	keep := map[string]time.Duration{}
	for name, w := range cfg.Workloads {
		if c := w.Capture; c != nil && c.Enabled {
			keep[name] = c.Retention
			keep[runner.Label(name)] = c.Retention // copies for its rollout
		}
	}
	secret := cfg.Capture.Key.Reveal()
	if secret == Unset {
		secret = "" // of a lenient configuration: there are no texts to be read with it
	}
	a.Captures.Use(secret, keep)
}

// metaCapture remembers the capture settings accepted last: JSON, workload to
// what [captureSetting] says; workloads without capture are not in it.
const metaCapture = "capture_accepted"

// record puts an accepted configuration into the history, and each workload
// whose capture it switches.
func (a *App) record(ctx context.Context, cfg *config.Config, who history.Who, why string) error {
	if err := a.recordConfig(ctx, cfg, who, why); err != nil {
		return err
	}
	return a.recordCapture(ctx, cfg, who, why)
}

// recordCapture compares settings rather than texts of configurations: enabled
// may come out of the environment.
func (a *App) recordCapture(ctx context.Context, cfg *config.Config, who history.Who, why string) error {
	text, err := a.DB.Meta(ctx, metaCapture)
	if err != nil {
		return err
	}
	before, now := map[string]string{}, map[string]string{}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &before); err != nil {
			return fmt.Errorf("the capture settings accepted last cannot be read: %w", err)
		}
	}
	for name, w := range cfg.Workloads {
		if s := captureSetting(w.Capture); s != captureOff {
			now[name] = s
		}
	}
	if maps.Equal(before, now) {
		return nil
	}
	all := maps.Clone(before)
	maps.Copy(all, now)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		was, is := cmp.Or(before[name], captureOff), cmp.Or(now[name], captureOff)
		if was == is {
			continue
		}
		if _, err := a.History.Append(ctx, history.Change{
			Kind: history.KindCapture, Subject: name, Who: who, Why: why, ConfigHash: history.ConfigHash(cfg.Source()),
			Details: map[string]string{"before": was, "after": is},
		}); err != nil {
			return err
		}
	}
	data, err := json.Marshal(now)
	if err != nil {
		return err
	}
	return a.DB.SetMeta(ctx, map[string]string{metaCapture: string(data)})
}

const captureOff = "off"

// captureSetting is a workload's capture in words: "on for 7d, share 1".
func captureSetting(c *config.Capture) string {
	if c == nil || !c.Enabled {
		return captureOff
	}
	keep := c.Retention.String()
	if day := 24 * time.Hour; c.Retention%day == 0 {
		keep = strconv.FormatInt(int64(c.Retention/day), 10) + "d"
	}
	return "on for " + keep + ", share " + strconv.FormatFloat(c.Share, 'g', -1, 64)
}
