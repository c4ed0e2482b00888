package history

import (
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"time"
)

// Kind says what changed. The values are stable; packages may add their own.
type Kind string

// The kinds of this step.
const (
	KindConfig     Kind = "config.accept"
	KindOverlay    Kind = "config.overlay"
	KindKeyCreate  Kind = "key.create"
	KindKeyRotate  Kind = "key.rotate"
	KindKeyRevoke  Kind = "key.revoke"
	KindCapture    Kind = "capture.switch"
	KindRouteUse   Kind = "route.use"   // a routing model
	KindHistoryKey Kind = "history.key" // written by this package: a signing key begins
)

// Change is what a caller records. It must hold no secret: see [Diff] and
// [Redact] for configuration.
type Change struct {
	Kind    Kind   `json:"kind"`
	Subject string `json:"subject,omitempty"` // what it happened to: a file, a key id, a workload
	Who     Who    `json:"who"`
	Why     string `json:"why,omitempty"` // --reason
	Git     *Git   `json:"git,omitempty"` // where the configuration lies in a Git checkout

	ConfigVersion int64  `json:"config_version,omitempty"` // number of the accepted configuration
	ConfigHash    string `json:"config_hash,omitempty"`    // of the file's bytes; see [ConfigHash]
	Diff          string `json:"diff,omitempty"`           // unified, redacted

	// Details are further facts of the kind.
	Details map[string]string `json:"details,omitempty"`
}

// Record is a change with its place in the history.
type Record struct {
	Seq  int64     `json:"seq"` // from 1, without gaps
	Time time.Time `json:"time"`
	Change
	// Hash is the record's leaf hash (RFC 6962), base64. It is computed from
	// the stored bytes, not stored in them.
	Hash string `json:"hash,omitempty"`
}

// Who made a change.
type Who struct {
	Via  string `json:"via"` // "os", "key", "git", "server"
	Name string `json:"name"`
	// Person is the name of the virtual key that was shown: what stays the same
	// when it is rotated. Empty: it can be anybody who reaches freehold so.
	Person string `json:"person,omitempty"`
}

// String is via:name.
func (w Who) String() string { return w.Via + ":" + w.Name }

// OSUser is the user of this process. Where the system has no name for it, as
// in many containers, it is the number.
func OSUser() Who {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return Who{Via: "os", Name: u.Username}
	}
	return Who{Via: "os", Name: "uid " + strconv.Itoa(os.Getuid())}
}

// encode is the stored form of a record: one line of JSON.
func encode(r Record) ([]byte, error) {
	r.Hash = ""
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode the record: %w", err)
	}
	return data, nil
}

func decode(data []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return Record{}, fmt.Errorf("its content cannot be read: %w", err)
	}
	return r, nil
}
