package budget

import "time"

// Every is how long a budget's periods are.
type Every string

// Lengths of periods.
const (
	Hour  Every = "hour"
	Day   Every = "day"
	Month Every = "month"
)

// Period returns the period that t is in: from its beginning to the next one's.
// Days and months are those of the calendar in loc, however long daylight saving
// makes them. Hours are those of UTC: nowhere does a clock jump within them.
func (e Every) Period(t time.Time, loc *time.Location) (start, end time.Time) {
	if e == Hour {
		start = t.UTC().Truncate(time.Hour)
		return start, start.Add(time.Hour)
	}
	y, m, d := t.In(loc).Date()
	if e == Month {
		return midnight(y, m, 1, loc), midnight(y, m+1, 1, loc)
	}
	return midnight(y, m, d, loc), midnight(y, m, d+1, loc)
}

// quarter divides all changes of clocks there are.
const quarter = 15 * time.Minute

// midnight is when a day begins. Where clocks change at midnight, there may be
// no such time, or two; where a whole day was left out, it begins with the next.
func midnight(y int, m time.Month, d int, loc *time.Location) time.Time {
	y, m, d = time.Date(y, m, d, 12, 0, 0, 0, time.UTC).Date() // 32 January is 1 February
	before := func(t time.Time) bool {
		ty, tm, td := t.Date()
		return ty*10000+int(tm)*100+td < y*10000+int(m)*100+d
	}
	t := time.Date(y, m, d, 0, 0, 0, 0, loc)
	for before(t) {
		t = t.Add(quarter)
	}
	for !before(t.Add(-quarter)) {
		t = t.Add(-quarter)
	}
	return t
}
