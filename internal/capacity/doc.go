// Package capacity says how fast a language model is on given hardware, and how much
// hardware given traffic needs. It knows nothing of money, files or the network.
//
// A [Server] is a model on GPUs that share each layer. Its time is that of its steps
// ([Server.Step]): each reads the weights and the caches of the sequences that run, and
// multiplies for the tokens that it adds or takes in. How far an engine gets to what the
// hardware could do is an [Efficiency], fitted to measured rows ([Fit]) and scored on rows
// that it has not seen ([Validate]). [Simulate] runs traffic through such steps, so that
// queues, batches and a full cache come out of it, and utilisation with them.
//
// Sizes are bytes, rates are a second, times are seconds; types tell them apart.
package capacity

// Bytes is a size.
type Bytes float64

// GiB is 2^30 bytes.
const GiB Bytes = 1 << 30

// BytesPerSecond is a bandwidth.
type BytesPerSecond float64

// FLOPS is multiplications and additions a second.
type FLOPS float64

// Seconds is a time.
type Seconds float64

// Watts is power.
type Watts float64

// over is how long a size takes at a bandwidth.
func (b Bytes) over(rate BytesPerSecond) Seconds { return Seconds(float64(b) / float64(rate)) }
