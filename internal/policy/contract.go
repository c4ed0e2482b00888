package policy

import "time"

// Fact is a yes or no that may be unknown.
type Fact uint8

// The values of a Fact. The zero value is unknown, and fulfils no demand.
const (
	Unknown Fact = iota
	Yes
	No
)

// String is the fact in the words of config.yaml.
func (f Fact) String() string { return [...]string{"unknown", "yes", "no"}[f] }

// Contract is what the contract with a place's operator says.
type Contract struct {
	DPA           Fact // a data processing agreement is signed
	ZeroRetention Fact // nothing of a request is kept
	Training      Fact // requests are used for training
	// Expires is the time from which on the contract says nothing any more; the
	// zero time is never.
	Expires time.Time
}

// Terms are what a class demands of a contract. An Unknown term is no demand.
type Terms struct {
	DPA, ZeroRetention, Training Fact
}

// unmet says which demand the contract with a place does not fulfil, or "".
func (t Terms) unmet(p Place, now time.Time) string {
	if t == (Terms{}) {
		return ""
	}
	c := &p.Contract
	if !c.Expires.IsZero() && !now.Before(c.Expires) {
		return "the contract with provider " + p.Provider + " expired on " + c.Expires.UTC().Format(time.DateOnly)
	}
	for _, term := range []struct {
		name       string
		want, have Fact
	}{
		{"dpa", t.DPA, c.DPA}, {"zero_retention", t.ZeroRetention, c.ZeroRetention}, {"training", t.Training, c.Training},
	} {
		if term.want != Unknown && term.have != term.want {
			return "the contract with provider " + p.Provider + " has " + term.name + " " + term.have.String() + ", not " + term.want.String()
		}
	}
	return ""
}
