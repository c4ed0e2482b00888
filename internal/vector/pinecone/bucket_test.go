package pinecone

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(10, time.Now, sleep)
		began := time.Now()
		for range 31 {
			if err := b.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		// Of 31 two may go at once: one for the tenth of a second before.
		if took := time.Since(began); took != 2900*time.Millisecond {
			t.Errorf("31 requests at 10 a second take %v", took)
		}
		b.pause(5 * time.Second)
		began = time.Now()
		if err := b.wait(t.Context()); err != nil || time.Since(began) != 5*time.Second {
			t.Errorf("after %v, %v", time.Since(began), err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("when nobody waits any more: %v", err)
		}
	})
}
