package drill

import "time"

// Facts are what the configuration and the history say about a drill: what its
// report cannot tell from requests alone.
type Facts struct {
	Config   string     `json:"config"` // version that they are of; that of the drill may be another
	Service  Service    `json:"service"`
	Vendors  []Place    `json:"vendors"` // that failed or were forbidden
	StandIns []StandIn  `json:"stand_ins"`
	Residual []Residual `json:"residual"`
	Record   *Record    `json:"record,omitempty"` // absent: the drill's end is not in the history
}

// Service is the workload of an exit drill.
type Service struct {
	Workload  string   `json:"workload"`
	Aliases   []string `json:"aliases"`
	Model     string   `json:"model"`
	Fallbacks []string `json:"fallbacks"`
	Classes   []string `json:"data_classes"`
}

// Place is a provider with what is known of it. Empty texts are unknown.
type Place struct {
	Provider     string `json:"provider"`
	Preset       string `json:"preset,omitempty"`
	Hosting      string `json:"hosting,omitempty"`
	Region       string `json:"region,omitempty"`
	Jurisdiction string `json:"jurisdiction,omitempty"`
	Inside       bool   `json:"inside"`
	// Own is an engine of freehold's own: it has no operator and no contract.
	Own           bool   `json:"own"`
	DPA           string `json:"dpa,omitempty"`
	ZeroRetention string `json:"zero_retention,omitempty"`
	Training      string `json:"training,omitempty"`
	Expires       string `json:"expires,omitempty"`
}

// StandIn is a deployment that may answer in the vendor's place, or did.
type StandIn struct {
	Place
	Model      string `json:"model"`
	Deployment string `json:"deployment"`
	Openness   string `json:"openness"`
	Class      int    `json:"class"` // sovereignty class, 1 to 5
	ClassName  string `json:"class_name"`
	Requests   int    `json:"requests"` // that it answered in the drill
	// Forbidden is why the workload's data may not go there, "" where it may.
	Forbidden string `json:"forbidden,omitempty"`
}

// Residual is something that still needs the vendor when the drill is over.
type Residual struct {
	What     string `json:"what"`
	Where    string `json:"where"` // path in config.yaml
	Provider string `json:"provider"`
}

// Record is where the drill's end stands in the history.
type Record struct {
	Seq  int64     `json:"seq"`
	Time time.Time `json:"time"`
	Hash string    `json:"hash"`
}
