package fleet

// Standing says for which of its two models a workload stands that makes the embeddings
// of a vector index: the index decides it, by where it is on its way. ok is false of
// workloads that are no index's.
type Standing func(workload string) (s Stands, ok bool)

// Stands is why a workload stands for a model.
type Stands struct {
	Index, Phase string
	// Newer: for the model of the index's new store, else for its own.
	Newer bool
	// Err is that nobody knows it now: nothing may be asked then, since vectors of the
	// wrong model would be searched.
	Err error
}

// String is the reason in a few words.
func (s *Stands) String() string { return "index " + s.Index + " in phase " + s.Phase }

// Workload is the route of a workload, with the model that it stands for now; nil: there
// is no such workload.
func (f *Fleet) Workload(name string) *Route {
	if r := f.Workloads[name]; r != nil {
		return f.standing(r)
	}
	return nil
}

// standing is a route as its index has it now; of most workloads, the route itself.
func (f *Fleet) standing(r *Route) *Route {
	newer := f.newer[r.Workload]
	if newer == nil || f.stands == nil {
		return r
	}
	s, ok := f.stands(r.Workload)
	if !ok {
		return r
	}
	now := *r
	now.Stands = &s
	if s.Newer {
		now.Models, now.Balanced = []*Model{newer}, newer.Balanced()
	}
	return &now
}
