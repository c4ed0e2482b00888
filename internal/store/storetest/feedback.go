package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/feedback"
	"freehold/internal/ledger"
)

// Feedback checks a [feedback.Store] beside the ledger's store that it goes with.
func Feedback(t *testing.T, open func(t *testing.T) (ledger.Store, feedback.Store)) {
	at := start.Add(time.Hour)
	about := func(id string, score float64) feedback.Feedback {
		return feedback.Feedback{Request: id, Time: at, KeyID: "key_1", Score: score, Task: "code", Comment: "größer\n" + id}
	}
	t.Run("feedback comes back whole, and the last counts", func(t *testing.T) {
		rows, s := open(t)
		odd := Row(2)
		odd.ID = "no uuid"
		apply(t, rows, Row(1), odd)
		firsts := map[string]feedback.First{}
		for _, want := range []feedback.Feedback{about(Row(1).ID, 0.1), about("no uuid", 1), about(Row(1).ID, 0), {Request: Row(1).ID, Time: at.Add(time.Second), Score: 0.5}} {
			first, err := s.PutFeedback(t.Context(), want)
			if err != nil {
				t.Fatal(err)
			}
			if _, said := firsts[want.Request]; said == first {
				t.Errorf("%s: first %v, said before %v", want.Request, first, said)
			}
			if first {
				firsts[want.Request] = feedback.First{Time: want.Time, Score: want.Score}
			}
			want.First = firsts[want.Request]
			got, err := s.Feedback(t.Context(), want.Request)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
	})
	t.Run("what is not in the ledger has none", func(t *testing.T) {
		rows, s := open(t)
		apply(t, rows, Row(1))
		if _, err := s.PutFeedback(t.Context(), about(Row(2).ID, 1)); !errors.Is(err, feedback.ErrNotFound) {
			t.Errorf("feedback of an unknown request: %v", err)
		}
		for _, id := range []string{Row(1).ID, Row(2).ID, ""} {
			if _, err := s.Feedback(t.Context(), id); !errors.Is(err, feedback.ErrNotFound) {
				t.Errorf("%q: %v", id, err)
			}
		}
	})
	t.Run("it is listed by time, and goes with its row", func(t *testing.T) {
		rows, s := open(t)
		list := func(since time.Time) (ids []string) {
			t.Helper()
			for f, err := range s.Feedbacks(t.Context(), since) {
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, f.Request)
			}
			return ids
		}
		for _, n := range []int{3, 1, 2} {
			apply(t, rows, Row(n))
			f := about(Row(n).ID, 1)
			f.Time = at.Add(time.Duration(n) * time.Minute)
			if _, err := s.PutFeedback(t.Context(), f); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff([]string{Row(1).ID, Row(2).ID, Row(3).ID}, list(time.Time{})); diff != "" {
			t.Errorf("all (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{Row(2).ID, Row(3).ID}, list(at.Add(2*time.Minute))); diff != "" {
			t.Errorf("since (-want +got):\n%s", diff)
		}
		for range s.Feedbacks(t.Context(), time.Time{}) {
			break
		}
		if _, err := rows.Prune(t.Context(), Row(3).Time, 10); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{Row(3).ID}, list(time.Time{})); diff != "" {
			t.Errorf("after pruning (-want +got):\n%s", diff)
		}
		if _, err := s.Feedback(t.Context(), Row(1).ID); !errors.Is(err, feedback.ErrNotFound) {
			t.Errorf("feedback of a row that is gone: %v", err)
		}
	})
}
