package judge

import (
	"fmt"
	"math"

	"freehold/internal/sequential"
)

// Reading is one sample with what is known of a judge's part in it.
type Reading struct {
	// Orders are those of the verdict; nil: no model was asked.
	Orders *[2]Winner
	Judge  Winner
	// Person is who won for the person that labelled it; empty: nobody did.
	Person Winner
	Longer Winner // see [LongerOf]
}

// LongerOf is the winner by the rule that the longer answer wins.
func LongerOf(s *Sample) Winner {
	return WinnerOf(float64(s.Candidate.Length() - s.Baseline.Length()))
}

// Share is a share of N samples with its 95 % interval, Wilson's.
type Share struct {
	N                int
	Value, Low, High float64
}

func share(sum float64, n int) Share {
	if n == 0 {
		return Share{High: 1}
	}
	const z = 1.959964
	mean, size := sum/float64(n), float64(n)
	centre := (mean + z*z/(2*size)) / (1 + z*z/size)
	half := z * math.Sqrt(mean*(1-mean)/size+z*z/(4*size*size)) / (1 + z*z/size)
	return Share{n, mean, max(0, min(mean, centre-half)), min(1, max(mean, centre+half))}
}

// Agreed is how well somebody agrees with people.
type Agreed struct {
	// Accuracy is over the samples in which the person saw a winner; a tie is
	// half right.
	Accuracy Share
	// Kappa is Cohen's over all labelled samples, ties included: 0 is what chance
	// does, 1 is always. Its interval is that of the share of equal labels, by the
	// chance at hand.
	Kappa Share
}

// State is whether a judge may decide.
type State string

// The states.
const (
	Reliable    State = "reliable"
	NotYetKnown State = "not yet known"
	Unreliable  State = "unreliable"
)

// alpha is the chance with which a judge is called reliable that is no better
// than the rule, or unreliable without cause, each: at all looks together, so
// that it may be looked at after each label.
const alpha = 0.025

// Reliability is what is known of a judge, and the figures it rests on.
type Reliability struct {
	State  State
	Reason string
	// Swap is the share of samples in which both orders of the answers had the
	// same outcome.
	Swap Share
	// Judge agrees with people so, and Longer is the rule that the longer answer
	// wins.
	Judge, Longer Agreed
	// Beats is the share in which the judge was nearer to the person, of the
	// samples in which it and the rule were not equally near.
	Beats Share
}

// evidence gathers what decides, by tests that hold at every look.
type evidence struct{ better, worse, turned *sequential.Bet }

// Rely says whether a judge is known to be better than the rule that the longer
// answer wins. One whose verdict mostly turns with the order of the answers is
// unreliable without any label. The intervals are those of a single look; the
// state holds at every one, if readings only grow at their end.
func Rely(readings []Reading) Reliability {
	var r Reliability
	var same, beats float64
	var asked, apart int
	judge, longer := agreement{}, agreement{}
	e := evidence{
		better: sequential.NewBet(-1, 1, 0, sequential.Above),
		worse:  sequential.NewBet(-1, 1, 0, sequential.Below),
		turned: sequential.NewBet(0, 1, 0.5, sequential.Below),
	}
	for _, x := range readings {
		if x.Orders != nil {
			asked++
			steady := 0.0
			if x.Orders[0] == x.Orders[1] {
				steady = 1
			}
			same += steady
			e.turned.Add(steady)
		}
		if x.Person == "" {
			continue
		}
		judge.add(x.Judge, x.Person)
		longer.add(x.Longer, x.Person)
		if x.Person == Tie {
			continue
		}
		d := near(x.Judge, x.Person) - near(x.Longer, x.Person)
		e.better.Add(d)
		e.worse.Add(d)
		if d != 0 {
			apart++
		}
		if d > 0 {
			beats++
		}
	}
	r.Swap, r.Beats = share(same, asked), share(beats, apart)
	r.Judge, r.Longer = judge.figures(), longer.figures()
	r.State, r.Reason = r.decide(e)
	return r
}

func (r *Reliability) decide(e evidence) (State, string) {
	figures := fmt.Sprintf("accuracy %.2f against %.2f for the longer answer, kappa %.2f, %d labels that name a winner",
		r.Judge.Accuracy.Value, r.Longer.Accuracy.Value, r.Judge.Kappa.Value, r.Judge.Accuracy.N)
	switch {
	case e.turned.Sure(alpha):
		return Unreliable, fmt.Sprintf("the order of the answers decides more often than what is in them: both orders agree in %.2f of %d samples", r.Swap.Value, r.Swap.N)
	case r.Judge.Accuracy.N == 0:
		return NotYetKnown, "nobody has labelled a sample with a winner yet"
	case e.worse.Sure(alpha):
		return Unreliable, "the longer answer is the better guess: " + figures
	case !e.better.Sure(alpha):
		return NotYetKnown, "not yet known to beat the longer answer: " + figures
	case r.Judge.Kappa.Low <= 0:
		return NotYetKnown, "kappa may still be 0: " + figures
	}
	return Reliable, figures
}

// near is how right a guess is: a tie is half right.
func near(guess, person Winner) float64 {
	switch guess {
	case person:
		return 1
	case Tie:
		return 0.5
	}
	return 0
}

// agreement counts labels of two.
type agreement struct {
	right   float64
	winners int // labels of people that name one
	equal   float64
	all     int
	guesses map[Winner]int
	people  map[Winner]int
}

func (a *agreement) add(guess, person Winner) {
	if a.guesses == nil {
		a.guesses, a.people = map[Winner]int{}, map[Winner]int{}
	}
	a.all++
	a.guesses[guess]++
	a.people[person]++
	if guess == person {
		a.equal++
	}
	if person != Tie {
		a.winners++
		a.right += near(guess, person)
	}
}

func (a *agreement) figures() Agreed {
	chance := 0.0
	for w, n := range a.people {
		chance += float64(n) * float64(a.guesses[w])
	}
	if a.all > 0 {
		chance /= float64(a.all) * float64(a.all)
	}
	equal := share(a.equal, a.all)
	kappa := Share{N: a.all, Low: -1, High: 1} // not known, also where all labels are one
	if a.all > 0 && chance < 1 {
		by := func(p float64) float64 { return max(-1, (p-chance)/(1-chance)) }
		kappa.Value, kappa.Low, kappa.High = by(equal.Value), by(equal.Low), by(equal.High)
	}
	return Agreed{share(a.right, a.winners), kappa}
}
