package budget_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"freehold/internal/budget"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestPeriod(t *testing.T) {
	for _, c := range []struct {
		every      budget.Every
		zone, at   string
		start, end string
		comment    string
	}{
		{every: budget.Hour, zone: "UTC", at: "2026-03-01T11:59:59Z", start: "2026-03-01T11:00:00Z", end: "2026-03-01T12:00:00Z"},
		{every: budget.Hour, zone: "UTC", at: "2026-03-01T12:00:00Z", start: "2026-03-01T12:00:00Z", end: "2026-03-01T13:00:00Z"},
		{every: budget.Hour, zone: "Europe/Berlin", at: "2026-10-25T00:30:00Z", start: "2026-10-25T00:00:00Z", end: "2026-10-25T01:00:00Z", comment: "the first of two hours from 2 to 3"},
		{every: budget.Hour, zone: "Asia/Kolkata", at: "2026-03-01T00:10:00Z", start: "2026-03-01T00:00:00Z", end: "2026-03-01T01:00:00Z", comment: "hours are UTC's"},
		{every: budget.Day, zone: "UTC", at: "2026-02-28T23:59:59.999999999Z", start: "2026-02-28T00:00:00Z", end: "2026-03-01T00:00:00Z"},
		{every: budget.Day, zone: "Asia/Kolkata", at: "2026-03-01T18:30:00Z", start: "2026-03-01T18:30:00Z", end: "2026-03-02T18:30:00Z"},
		{every: budget.Day, zone: "Asia/Kolkata", at: "2026-03-01T18:29:59Z", start: "2026-02-28T18:30:00Z", end: "2026-03-01T18:30:00Z"},
		{every: budget.Day, zone: "Europe/Berlin", at: "2026-03-29T12:00:00Z", start: "2026-03-28T23:00:00Z", end: "2026-03-29T22:00:00Z", comment: "a day of 23 hours"},
		{every: budget.Day, zone: "Europe/Berlin", at: "2026-10-25T12:00:00Z", start: "2026-10-24T22:00:00Z", end: "2026-10-25T23:00:00Z", comment: "a day of 25 hours"},
		{every: budget.Day, zone: "America/New_York", at: "2026-03-08T04:59:59Z", start: "2026-03-07T05:00:00Z", end: "2026-03-08T05:00:00Z"},
		{every: budget.Day, zone: "America/New_York", at: "2026-03-08T05:00:00Z", start: "2026-03-08T05:00:00Z", end: "2026-03-09T04:00:00Z"},
		{every: budget.Day, zone: "America/Sao_Paulo", at: "2018-11-04T12:00:00Z", start: "2018-11-04T03:00:00Z", end: "2018-11-05T02:00:00Z", comment: "begins at 1:00, there is no midnight"},
		{every: budget.Day, zone: "America/Sao_Paulo", at: "2018-02-17T12:00:00Z", start: "2018-02-17T02:00:00Z", end: "2018-02-18T03:00:00Z", comment: "its last hour comes twice"},
		{every: budget.Day, zone: "Pacific/Apia", at: "2011-12-30T09:59:00Z", start: "2011-12-29T10:00:00Z", end: "2011-12-30T10:00:00Z", comment: "the day after was left out"},
		{every: budget.Day, zone: "Pacific/Apia", at: "2011-12-30T10:00:00Z", start: "2011-12-30T10:00:00Z", end: "2011-12-31T10:00:00Z"},
		{every: budget.Month, zone: "UTC", at: "2026-12-31T23:59:59Z", start: "2026-12-01T00:00:00Z", end: "2027-01-01T00:00:00Z"},
		{every: budget.Month, zone: "UTC", at: "2028-02-29T12:00:00Z", start: "2028-02-01T00:00:00Z", end: "2028-03-01T00:00:00Z"},
		{every: budget.Month, zone: "Europe/Berlin", at: "2026-03-31T22:30:00Z", start: "2026-03-31T22:00:00Z", end: "2026-04-30T22:00:00Z", comment: "April in Berlin already"},
		{every: budget.Month, zone: "Europe/Berlin", at: "2026-03-31T21:59:59Z", start: "2026-02-28T23:00:00Z", end: "2026-03-31T22:00:00Z", comment: "over the change of clocks"},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		start, end := c.every.Period(at, zone(t, c.zone))
		if got := start.UTC().Format(time.RFC3339) + " " + end.UTC().Format(time.RFC3339); got != c.start+" "+c.end {
			t.Errorf("%s in %s at %s: %s, want %s %s %s", c.every, c.zone, c.at, got, c.start, c.end, c.comment)
		}
	}
}

// Every time is in its own period, and periods follow each other without gaps.
func TestPeriodsHangTogether(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "America/Havana", "Asia/Beirut", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca", "America/Santiago"}
	rapid.Check(t, func(rt *rapid.T) {
		loc := zone(t, rapid.SampledFrom(zones).Draw(rt, "zone"))
		every := rapid.SampledFrom([]budget.Every{budget.Hour, budget.Day, budget.Month}).Draw(rt, "every")
		at := time.Unix(rapid.Int64Range(1_500_000_000, 2_000_000_000).Draw(rt, "at"), 0)
		start, end := every.Period(at, loc)
		if at.Before(start) || !at.Before(end) {
			rt.Fatalf("%s is not from %s to %s", at.In(loc), start, end)
		}
		if s, e := every.Period(start, loc); !s.Equal(start) || !e.Equal(end) {
			rt.Fatalf("the period of %s begins %s and ends %s, not %s", start, s, e, end)
		}
		if s, _ := every.Period(end, loc); !s.Equal(end) {
			rt.Fatalf("behind the period to %s comes one from %s", end, s)
		}
		if s, e := every.Period(start.Add(-1), loc); !e.Equal(start) {
			rt.Fatalf("before %s is a period from %s to %s", start, s, e)
		}
	})
}
