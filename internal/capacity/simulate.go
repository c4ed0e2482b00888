package capacity

import (
	"cmp"
	"container/heap"
	"slices"
	"sort"
)

// Request is one of a load.
type Request struct {
	At            Seconds
	Input, Output int // tokens
}

// Outcome is what a load comes to.
type Outcome struct {
	Took       Seconds // from the first arrival to the last answer
	Throughput float64 // tokens of output a second, over that time
	TTFT, TPOT Spread  // time to the first token; time between tokens, by request
	Busy       float64 // share of the time in which steps run
	Running    float64 // sequences that run, on average over steps
}

// Spread is how a time is distributed over requests.
type Spread struct{ Mean, P50, P95, P99 Seconds }

func spread(all []Seconds) (s Spread) {
	if len(all) == 0 {
		return s
	}
	slices.Sort(all)
	for _, t := range all {
		s.Mean += t / Seconds(len(all))
	}
	at := func(share float64) Seconds { return all[min(len(all)-1, int(share*float64(len(all))))] }
	s.P50, s.P95, s.P99 = at(0.50), at(0.95), at(0.99)
	return s
}

// sequence is a request that runs.
type sequence struct {
	*Request
	read  int // of its prompt
	first Seconds
	last  int // the step that makes its last token
}

// endings are sequences by their last step.
type endings []*sequence

func (e endings) Len() int           { return len(e) }
func (e endings) Less(i, j int) bool { return e[i].last < e[j].last }
func (e endings) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *endings) Push(x any)        { *e = append(*e, x.(*sequence)) } //nolint:forcetypeassert // heap pushes what Simulate gives it
func (e *endings) Pop() any {
	old := *e
	last := old[len(old)-1]
	*e = old[:len(old)-1]
	return last
}

// Simulate runs requests, in order of their arrival, through a server that batches
// continuously: each step gives one token to each sequence that runs, and takes in as much
// of waiting prompts as it has room for. A request runs when it has a slot, and the caches
// have room for its prompt and half of its answer, which is what sequences that run have
// on average; engines that run out of room put a sequence back.
func Simulate(s *Server, load []Request) Outcome {
	if len(load) == 0 {
		return Outcome{}
	}
	var (
		out     Outcome
		now     = load[0].At
		next    int
		step    int
		held    float64 // tokens that the caches have promised
		context float64 // tokens of sequences that make tokens
		making  endings
		taking  []*sequence // prompts that are being read, the first one first
		all     = make([]sequence, len(load))
		ttft    = make([]Seconds, 0, len(load))
		tpot    = make([]Seconds, 0, len(load))
		busy    Seconds
	)
	for len(ttft) < len(load) || len(making) > 0 {
		for next < len(load) && load[next].At <= now && len(making)+len(taking) < s.Slots {
			room := float64(load[next].Input) + float64(load[next].Output)/2
			if held+room > s.Cache && len(making)+len(taking) > 0 && s.Model.KV(s.Precision) > 0 {
				break
			}
			held += room
			all[next].Request = &load[next]
			taking = append(taking, &all[next])
			next++
		}
		if len(making)+len(taking) == 0 {
			now = load[next].At
			continue
		}
		n := float64(len(making))
		read, steps := 0, 1
		var took Seconds
		if len(taking) == 0 {
			// Nothing but answers, which get longer, until one ends or somebody comes. What
			// a step takes grows with the context, by the same each time.
			first := s.Step(Work{Sequences: n, Context: context})
			grows := s.Step(Work{Sequences: n, Context: context + n}) - first
			of := func(k int) Seconds { return Seconds(k)*first + grows*Seconds(k)*Seconds(k-1)/2 }
			steps = making[0].last - step
			if next < len(load) && load[next].At > now {
				wait := load[next].At - now
				steps = min(steps, 1+sort.Search(steps, func(i int) bool { return of(i+1) >= wait }))
			}
			took = of(steps)
		} else {
			w := Work{Sequences: n, Context: context}
			for room := max(1, s.Chunk-len(making)); read < len(taking) && room > 0; {
				q := taking[read]
				part := min(room, q.Input-q.read)
				w.Prompt += float64(part)
				w.Before += float64(part) * (float64(q.read) + float64(part)/2)
				q.read += part
				room -= part
				if q.read < q.Input {
					break
				}
				read++
			}
			took = s.Step(w)
		}
		now += took
		busy += took
		step += steps
		out.Running += n * float64(steps)
		context += n * float64(steps)
		for len(making) > 0 && making[0].last <= step {
			q, _ := heap.Pop(&making).(*sequence)
			context -= float64(q.Input + q.Output)
			held -= float64(q.Input) + float64(q.Output)/2
			if q.Output > 1 {
				tpot = append(tpot, (now-q.first)/Seconds(q.Output-1))
			}
		}
		for _, q := range taking[:read] { // their first token comes with this step
			ttft = append(ttft, now-q.At)
			q.first, q.last = now, step+max(0, q.Output-1)
			if q.last == step {
				held -= float64(q.Input) + float64(q.Output)/2
				continue
			}
			context += float64(q.Input + 1)
			heap.Push(&making, q)
		}
		taking = slices.Delete(taking, 0, read)
	}
	tokens := 0
	for i := range load {
		tokens += load[i].Output
	}
	out.Took = now - load[0].At
	out.Throughput = float64(tokens) / float64(cmp.Or(out.Took, 1))
	out.Busy = float64(busy / cmp.Or(out.Took, 1))
	out.Running /= float64(step)
	out.TTFT, out.TPOT = spread(ttft), spread(tpot)
	return out
}
