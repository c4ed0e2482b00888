package fleet

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"freehold/internal/policy"
	"freehold/internal/upstream"
)

// Probe returns a function that asks a provider for path and reports whether
// it lives. Any answer below 500 is life: whether our key is good is not what
// a probe is for. No request's bytes go along, so every place is allowed.
func Probe(c *upstream.Client, keys *upstream.KeyRing, path string, place policy.Place) func(context.Context) error {
	permit, _ := policy.Perimeter{}.Permit(place, time.Time{})
	return func(ctx context.Context) error {
		key, _, ok := keys.Pick(time.Now())
		if !ok {
			return nil // rate limited is alive
		}
		r, err := c.Send(ctx, permit, &upstream.Call{Method: http.MethodGet, Path: path, Key: key})
		if err != nil {
			return err
		}
		if _, err := r.ReadAll(1 << 20); err != nil {
			return err
		}
		if r.Status >= 500 {
			return fmt.Errorf("status %d", r.Status)
		}
		return nil
	}
}
