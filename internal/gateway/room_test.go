package gateway

import (
	"testing"
)

func TestRoom(t *testing.T) {
	r := NewRoom(1 << 20)
	a, b := share{room: r}, share{room: r}
	if !a.Need(smallAnswer) || r.Used() != 0 {
		t.Errorf("a small answer is counted: %d", r.Used())
	}
	if !a.Need(700<<10) || !a.Need(600<<10) || r.Used() < 700<<10 || r.Used() > 700<<10+roomStep {
		t.Errorf("of 700 KiB %d are counted", r.Used())
	}
	if b.Need(500 << 10) {
		t.Error("two answers have more than there is")
	}
	used := r.Used()
	if b.Need(500<<10) || r.Used() != used {
		t.Errorf("a refusal takes room: %d, then %d", used, r.Used())
	}
	a.release()
	a.release()
	if r.Used() != 0 || !b.Need(1<<20) || b.Need(1<<20+1) {
		t.Errorf("after all was given back %d is used", r.Used())
	}
	b.release()
	if none := (share{}); !none.Need(1 << 40) {
		t.Error("without a room there is a bound")
	}
}
