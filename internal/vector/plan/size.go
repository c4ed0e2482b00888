package plan

import (
	"fmt"
	"math"

	"github.com/shopspring/decimal"

	"freehold/internal/vector"
)

// Size is how much is moved, how long that takes, and what it costs.
type Size struct {
	Records int64 `json:"records"`
	// Bytes are vectors and payloads, by the mean record of the sample.
	Bytes int64 `json:"bytes"`
	// Seconds are by the source's rate limits alone; 0: it has none that are known.
	Seconds float64 `json:"seconds,omitempty"`
	// ReadUnits are what the source counts for a copy and for a verification.
	ReadUnits int64 `json:"read_units,omitempty"`
	// Reading and Egress are US dollars, once for the copy and once for verify.
	Reading decimal.Decimal `json:"reading_usd"`
	Egress  decimal.Decimal `json:"egress_usd"`
}

// Memory is what the target needs, with a way to keep vectors.
type Memory struct {
	Vectors string          `json:"vectors"` // float32, int8, binary
	RAM     int64           `json:"ram_bytes"`
	Disk    int64           `json:"disk_bytes"`
	Monthly decimal.Decimal `json:"usd_per_month"`
}

// Prices are in US dollars. What is zero is taken from [DefaultPrices].
type Prices struct {
	MillionReadUnits decimal.Decimal
	EgressGB         decimal.Decimal
	RAMGBMonth       decimal.Decimal
	DiskGBMonth      decimal.Decimal
}

// DefaultPrices are list prices, without discounts: Pinecone Standard, AWS us-east-1
// (pinecone.io/pricing; aws.amazon.com/ec2/pricing/on-demand: data transfer out, an
// r7g.4xlarge by its memory, gp3), as of 2025-09.
func DefaultPrices() Prices {
	of := decimal.RequireFromString
	return Prices{MillionReadUnits: of("16"), EgressGB: of("0.09"), RAMGBMonth: of("4.89"), DiskGBMonth: of("0.08")}
}

// Pinecone's published limits and counts (docs.pinecone.io, "Database limits" and
// "Understanding cost"): 200 list requests a second with 100 ids each, 100 fetches a
// second; a fetch is a read unit for each ten records, a list request one.
const (
	pineconeFetches    = 100.0
	pineconeLists      = 200.0
	pineconeFetched    = 100.0 // ids of a fetch, so that an answer stays small
	pineconeListed     = 100.0
	pineconePerUnit    = 10.0
	qdrantOverhead     = 1.5 // qdrant.tech/documentation/guides/capacity-planning: vectors x 4 bytes x 1.5
	gigabyte           = 1e9
	readsOfCopyAndBack = 2 // the copy, and verify
)

// count is how many records are copied.
func (p *Plan) count(source *vector.Description) {
	for _, ns := range source.Namespaces {
		for _, name := range p.Namespaces {
			if ns.Name == name {
				p.Found.Size.Records += ns.Count
			}
		}
	}
}

func (p *Plan) size(source *vector.Description, sample []vector.Record, prices Prices) {
	if prices == (Prices{}) {
		prices = DefaultPrices()
	}
	s := &p.Found.Size
	n := float64(s.Records)
	var bytes, payload float64
	for i := range sample {
		bytes += float64(sample[i].Size())
		payload += float64(sample[i].Payload.Size())
	}
	if len(sample) > 0 {
		bytes, payload = bytes/float64(len(sample)), payload/float64(len(sample))
	}
	s.Bytes = int64(n * bytes)
	if source.Store == "pinecone" {
		s.Seconds = max(n/pineconeListed/pineconeLists, n/pineconeFetched/pineconeFetches)
		s.ReadUnits = readsOfCopyAndBack * int64(math.Ceil(n/pineconePerUnit)+math.Ceil(n/pineconeListed))
		s.Reading = prices.MillionReadUnits.Mul(decimal.NewFromInt(s.ReadUnits)).DivRound(decimal.NewFromInt(1_000_000), 2)
		p.Found.Assumed = append(p.Found.Assumed,
			fmt.Sprintf("Pinecone: %g list requests a second of %g ids, %g fetches of %g; a read unit for each %g records fetched and each list request, %s USD a million",
				pineconeLists, pineconeListed, pineconeFetches, pineconeFetched, pineconePerUnit, prices.MillionReadUnits))
	}
	if source.Store != "file" {
		s.Egress = prices.EgressGB.Mul(decimal.NewFromFloat(readsOfCopyAndBack * float64(s.Bytes) / gigabyte)).Round(2)
		p.Found.Assumed = append(p.Found.Assumed, fmt.Sprintf("%s USD for each GB that leaves the source's cloud, for the copy and for verify", prices.EgressGB))
	}
	if to := scheme(p.To); to != "file" && to != "pinecone" { // whose memory is not the user's to size
		p.memory(n, payload, prices)
	}
}

// memory is what the target needs for its vectors and payloads.
func (p *Plan) memory(n, payload float64, prices Prices) {
	dims := 0.0
	for _, v := range p.Create.Vectors {
		dims += float64(v.Dim)
	}
	if dims == 0 {
		return
	}
	full := n * dims * 4
	for _, x := range []struct {
		name  string
		share float64 // of what float32 takes, in memory
	}{{"float32", 1}, {"int8 in memory, float32 on disk", 0.25}, {"binary in memory, float32 on disk", 1.0 / 32}} {
		m := Memory{Vectors: x.name, RAM: int64(full * x.share * qdrantOverhead), Disk: int64(full*(1+x.share) + n*payload)}
		if x.share == 1 {
			m.Disk = int64(full + n*payload)
		}
		m.Monthly = prices.RAMGBMonth.Mul(decimal.NewFromFloat(float64(m.RAM) / gigabyte)).Add(prices.DiskGBMonth.Mul(decimal.NewFromFloat(float64(m.Disk) / gigabyte))).Round(2)
		p.Found.Memory = append(p.Found.Memory, m)
	}
	p.Found.Assumed = append(p.Found.Assumed,
		fmt.Sprintf("memory: vectors x %g, as Qdrant advises; %s USD for each GB of memory and %s for each of disk in a month", qdrantOverhead, prices.RAMGBMonth, prices.DiskGBMonth))
}
