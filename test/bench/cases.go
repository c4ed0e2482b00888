package main

import "time"

// scenario is one kind of load, at freehold and at the proxy in turns.
type scenario struct {
	group, name string
	goal, aim   float64 // of the ratio
	model       string  // at freehold
	mock        string  // settings of the mock
	load        load
	value       func(turn) float64 // what is compared
	unit        string             // of value
	// added: what the mock alone takes is measured too, and taken away.
	added bool
}

// The groups of figures, in the order of the report.
const (
	sameGroup    = "Processor time, same dialect (OpenAI to OpenAI)"
	crossGroup   = "Processor time, across dialects (OpenAI client, Anthropic provider)"
	latencyGroup = "Latency"
	memoryGroup  = "Memory and start"
	localGroup   = "Local path (start model on this machine)"
)

func perRequest(t turn) float64 { return t.PerReq }
func perEvent(t turn) float64   { return t.PerEvent }

const (
	burst = "latency=0&chunks=50&chunk-delay=0"
	paced = "latency=0&chunks=50&chunk-delay=5ms"
)

// scenarios are the loads; the goals are those that the project set itself.
func scenarios(d time.Duration) []scenario {
	warm := max(d/4, 300*time.Millisecond)
	plain := func(conns, body int) load { return load{conns: conns, body: body, time: d, warmup: warm} }
	stream := func(conns int) load { return load{conns: conns, body: 1000, stream: true, time: d, warmup: warm} }
	long := max(2*d, 3*time.Second) // streams cut off at both ends weigh less
	slow := load{conns: 40, body: 1000, stream: true, time: long, warmup: time.Second}
	steady := load{conns: 64, body: 1000, rate: 500, time: max(d, 2*time.Second), warmup: warm}
	return []scenario{
		{sameGroup, "plain, 1 KB", 1.3, 1.0, "mock-model", burst, plain(16, 1000), perRequest, "us/request", false},
		{sameGroup, "plain, 40 KB", 1.2, 0.8, "mock-model", burst, plain(16, 40000), perRequest, "us/request", false},
		{sameGroup, "stream, one paced event", 1.1, 0, "mock-model", paced, slow, perEvent, "us/event", false},
		{sameGroup, "stream, 50 events in a burst", 1.1, 0, "mock-model", burst, stream(16), perRequest, "us/stream", false},
		{crossGroup, "plain across, 1 KB", 2, 0, "crossing", burst, plain(16, 1000), perRequest, "us/request", false},
		{crossGroup, "plain across, 40 KB", 4, 0, "crossing", burst, plain(16, 40000), perRequest, "us/request", false},
		{crossGroup, "stream across, 50 events in a burst", 3, 0, "crossing", burst, stream(16), perRequest, "us/stream", false},
		{latencyGroup, "added p50 at one connection", 1.3, 0, "mock-model", burst, plain(1, 1000), func(t turn) float64 { return t.P50 }, "us", true},
		{latencyGroup, "p99 at 500 requests/s", 1.5, 0, "mock-model", burst, steady, func(t turn) float64 { return t.P99 }, "us", false},
	}
}
