package config

import (
	"path/filepath"
	"time"
)

// Config is one valid configuration. It is immutable after Load: a reload
// makes a new one.
type Config struct {
	// Address, authentication, limits and identity of this freehold.
	Server Server `yaml:"server"`
	// Where runtime facts (ledger, keys, history) live: sqlite:FILE. A relative file stands beside config.yaml.
	State string `yaml:"state" jsonschema:"default=sqlite:freehold.db"`
	// Time limits of an attempt; providers, models and workloads may set their own, the innermost wins.
	Timeouts Timeouts `yaml:"timeouts"`
	// Further rounds over the deployments when all that may answer have failed.
	Retries Retries `yaml:"retries"`
	// When a deployment counts as down, and for how long it is left alone.
	Breaker Breaker `yaml:"breaker"`
	// How hard an attempt is journaled before its bytes leave: process survives a killed freehold, disk also a power cut.
	Durability Durability `yaml:"durability" jsonschema:"default=process"`
	// How long the ledger keeps what.
	Retention Retention `yaml:"retention"`
	// Encryption of the prompts and answers that workloads with capture keep.
	Capture CaptureKey `yaml:"capture"`
	// Newer data than this program's own: prices, facts about models, presets of providers.
	Catalog CatalogFiles `yaml:"catalog"`
	// Places that serve models, by a name of your own.
	Providers map[string]*Provider `yaml:"providers"`
	// Vector stores by a name of your own, for freehold vectors.
	Stores map[string]*Store `yaml:"stores"`
	// Vector indexes that applications reach here as they reach Pinecone's, while they move to another store and after.
	Indexes map[string]*Index `yaml:"indexes"`
	// Models by a name of your own, each served by one or more deployments.
	Models map[string]*Model `yaml:"models"`
	// Rules for where bytes of a class may go. A request with several classes obeys all of them.
	DataClasses map[string]*DataClass `yaml:"data_classes"`
	// What to look for in the text of requests before any of it leaves, and what then becomes of them.
	Detectors map[string]*Detector `yaml:"detectors"`
	// Customers on whose behalf requests are made, by a name of your own: each may forbid what another uses.
	Tenants map[string]*Tenant `yaml:"tenants"`
	// What applications ask for in their model field: a name for a job.
	Workloads map[string]*Workload `yaml:"workloads"`
	// How workloads are moved from one model to another, by workload: the plans of freehold rollout start.
	Rollouts map[string]*Rollout `yaml:"rollouts"`
	// Limits of what may be spent. A request obeys all that it counts in.
	Budgets []Budget `yaml:"budgets"`

	path  string
	doc   *document
	files []string
}

// CaptureKey is what captured texts are encrypted with, in the state.
type CaptureKey struct {
	// Key of the encryption, by reference: 32 bytes as base64 or hex, or a passphrase of at least 20 characters. Texts kept under another key stay unreadable without it.
	Key Secret `yaml:"key"`
}

// CatalogFiles name data that is newer than the program's own. The files are
// read with the configuration, and again when they change.
type CatalogFiles struct {
	// Price list in the form of LiteLLM's model_prices_and_context_window.json, plain or gzipped.
	Prices Path `yaml:"prices"`
	// Date of the price list, YYYY-MM-DD; absent takes the file's own.
	PricesAsOf string `yaml:"prices_as_of"`
	// Facts about models: licence, context, features, retirement.
	Models Path `yaml:"models"`
	// Directory of provider presets, NAME.yaml each.
	Presets Path `yaml:"presets"`
}

// Path is the file that Load read, as it was given.
func (c *Config) Path() string { return c.path }

// Resolve makes a file name of the configuration absolute or relative to the
// working directory: relative names stand beside the configuration file.
func (c *Config) Resolve(name string) string { return resolve(c.path, name) }

// Files lists every file behind the configuration, apart from itself: those
// named by ${file:...} and the certificates. A watcher reloads when one of
// them changes. Sorted, without duplicates.
func (c *Config) Files() []string { return append([]string(nil), c.files...) }

// Source is the text that was loaded. It may hold literal secrets: for
// anything that is shown or kept, use Redacted.
func (c *Config) Source() []byte { return append([]byte(nil), c.doc.src...) }

// Pos is where the value at path stands in the file ("workloads.chat.model").
// ok is false where the file does not say (a default) or there is no such key.
func (c *Config) Pos(path string) (p Pos, ok bool) {
	e := c.doc.root.lookup(path)
	if e == nil {
		return Pos{}, false
	}
	return e.pos, true
}

// TimeoutsFor gives the limits of an attempt: the top level, overridden by
// the provider's, the model's, the deployment's and the workload's own. Nil
// arguments are skipped.
func (c *Config) TimeoutsFor(d *Deployment, m *Model, w *Workload) Timeouts {
	t := c.Timeouts
	if d != nil {
		if p := c.Providers[d.Provider]; p != nil {
			t = t.Override(p.Timeouts)
		}
	}
	if m != nil {
		t = t.Override(m.Timeouts)
	}
	if d != nil {
		t = t.Override(d.Timeouts)
	}
	if w != nil {
		t = t.Override(w.Timeouts)
	}
	return t
}

func resolve(configPath, name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(configPath), name)
}

func (c *Config) defaults() {
	c.State = "sqlite:freehold.db"
	c.Durability = DurabilityProcess
	c.Timeouts = Timeouts{
		Connect:    3 * time.Second,
		FirstToken: 30 * time.Second,
		Idle:       30 * time.Second,
		Total:      10 * time.Minute,
	}
	c.Retries.defaults()
	c.Breaker.defaults()
	c.Retention.defaults()
	c.Server.defaults()
}
