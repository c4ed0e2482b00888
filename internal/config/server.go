package config

import "time"

// Server is the listener and everything that holds for the whole process.
type Server struct {
	// Host and port to listen on. A public address is refused without auth.
	Listen string `yaml:"listen" jsonschema:"default=127.0.0.1:4000"`
	// Who may call: none (loopback only) or keys (virtual keys made with freehold keys create).
	Auth Auth `yaml:"auth" jsonschema:"default=none"`
	// Key of the admin API; a reference such as ${env:FREEHOLD_ADMIN_KEY}.
	AdminKey Secret `yaml:"admin_key"`
	// Whose law binds this machine and its local engines, such as EU. Absent means unknown, and unknown fails closed.
	Jurisdiction string `yaml:"jurisdiction"`
	// Where this machine and its local engines stand, such as eu-central-1.
	Region string `yaml:"region"`
	// Time zone of hours, days and months, such as Europe/Berlin: in rules and budgets.
	Timezone string `yaml:"timezone" jsonschema:"default=UTC"`
	// What becomes of a vendor's own model name (gpt-4o): relay to the configured provider that owns it, or refuse.
	UnknownModels UnknownModels `yaml:"unknown_models" jsonschema:"default=relay"`
	// The model an answer names: asked (as the application sent it) or provider (as the provider answered).
	ResponseModel ResponseModel `yaml:"response_model" jsonschema:"default=asked"`
	// Serve HTTPS with this certificate.
	TLS *ServerTLS `yaml:"tls"`
	// Silence after which a stream that waits for its model is kept alive with a comment or ping..
	KeepAlive time.Duration `yaml:"keep_alive" jsonschema:"default=15s"`
	// Bounds that keep a slow client, a huge body or a flood from taking the gateway down.
	Limits Limits `yaml:"limits"`
	// How commands and the admin API change the configuration: file (edit it), overlay (hold the change in the store) or propose (hold it and print a patch).
	ConfigWrites ConfigWrites `yaml:"config_writes" jsonschema:"default=file"`
	// Drop parameters that the answering provider cannot honour instead of refusing the request; the header x-freehold-dropped then names them.
	DropUnsupported bool `yaml:"drop_unsupported" jsonschema:"default=false"`
	// Log of the process.
	Log Log `yaml:"log"`
	// OpenTelemetry export. Prometheus metrics are always at /metrics.
	Telemetry Telemetry `yaml:"telemetry"`
	// The tamper-evident change record.
	History History `yaml:"history"`
}

func (s *Server) defaults() {
	s.Listen = "127.0.0.1:4000"
	s.Auth = AuthNone
	s.Timezone = "UTC"
	s.UnknownModels = UnknownRelay
	s.ResponseModel = ResponseAsked
	s.ConfigWrites = WritesFile
	s.KeepAlive = 15 * time.Second
	s.Limits.defaults()
	s.Log = Log{Level: LogInfo, Format: LogJSON}
	s.Telemetry.defaults()
}

// ServerTLS is the certificate of the listener.
type ServerTLS struct {
	// PEM file with the certificate chain; read again when it changes.
	Cert Path `yaml:"cert" jsonschema:"required"`
	// PEM file with the private key.
	Key Path `yaml:"key" jsonschema:"required"`
}

// Limits bound what the listener accepts.
type Limits struct {
	// Largest request body; more answers 413.
	Body Size `yaml:"body" jsonschema:"default=32MiB"`
	// Memory for the answers under way, all together: those read whole, and what of streams is held back. An answer that needs more fails with 429 and Retry-After.
	Answers Size `yaml:"answers" jsonschema:"default=512MiB"`
	// Largest request header.
	Header Size `yaml:"header" jsonschema:"default=64KiB"`
	// Requests at work at once, streams included; more wait in the queue.
	Concurrency int `yaml:"concurrency" jsonschema:"minimum=1,default=16384"`
	// Requests that may wait for a place; more are shed with 429 and Retry-After.
	Queue int `yaml:"queue" jsonschema:"minimum=0,default=1024"`
	// Longest wait in the queue before a request is shed.
	QueueWait time.Duration `yaml:"queue_wait" jsonschema:"default=5s"`
	// Time a client has to send its request header.
	HeaderTimeout time.Duration `yaml:"header_timeout" jsonschema:"default=10s"`
	// Time a client has to send its request body.
	BodyTimeout time.Duration `yaml:"body_timeout" jsonschema:"default=60s"`
	// Time a client may take to accept one write of the answer.
	WriteTimeout time.Duration `yaml:"write_timeout" jsonschema:"default=30s"`
	// Time an unused keep-alive connection stays open.
	IdleTimeout time.Duration `yaml:"idle_timeout" jsonschema:"default=2m"`
}

func (l *Limits) defaults() {
	*l = Limits{
		Body: 32 << 20, Answers: 512 << 20, Header: 64 << 10, Concurrency: 16384, Queue: 1024,
		QueueWait: 5 * time.Second, HeaderTimeout: 10 * time.Second, BodyTimeout: time.Minute,
		WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
	}
}

// Log is what the process writes to standard error.
type Log struct {
	// Least severity written.
	Level LogLevel `yaml:"level" jsonschema:"default=info"`
	// One JSON object a line, or text for people.
	Format LogFormat `yaml:"format" jsonschema:"default=json"`
}

// Telemetry is OpenTelemetry export over OTLP/HTTP.
type Telemetry struct {
	// OTLP/HTTP endpoint, such as http://127.0.0.1:4318. Absent means nothing is exported.
	OTLP string `yaml:"otlp"`
	// Extra headers of the export, such as an authorization by reference.
	Headers map[string]Secret `yaml:"headers"`
	// Export traces under the GenAI conventions.
	Traces bool `yaml:"traces" jsonschema:"default=true"`
	// Export metrics under the GenAI conventions.
	Metrics bool `yaml:"metrics" jsonschema:"default=true"`
	// Share of requests traced when the caller has not decided, 0 to 1.
	Sample float64 `yaml:"sample" jsonschema:"minimum=0,maximum=1,default=1"`
	// Name under which this process reports itself.
	ServiceName string `yaml:"service_name" jsonschema:"default=freehold"`
}

func (t *Telemetry) defaults() {
	t.Traces, t.Metrics, t.Sample, t.ServiceName = true, true, 1, "freehold"
}

// History is the change record's link to the outside.
type History struct {
	// File to which every signed checkpoint is also appended. On another machine's disk it proves that the record was not rewritten as a whole.
	CheckpointCopy Path `yaml:"checkpoint_copy"`
}

// Timeouts limit one attempt. Zero means not set here.
type Timeouts struct {
	// Until the connection stands, TLS included; 3s where nobody says.
	Connect time.Duration `yaml:"connect"`
	// Until the first content of the answer; 30s where nobody says.
	FirstToken time.Duration `yaml:"first_token"`
	// Longest silence within an answer that has begun; 30s where nobody says.
	Idle time.Duration `yaml:"idle"`
	// Whole attempt; 10m where nobody says.
	Total time.Duration `yaml:"total"`
}

// Override returns t with every limit that inner sets taken from inner.
func (t Timeouts) Override(inner Timeouts) Timeouts {
	pick := func(o, i time.Duration) time.Duration {
		if i != 0 {
			return i
		}
		return o
	}
	return Timeouts{
		Connect:    pick(t.Connect, inner.Connect),
		FirstToken: pick(t.FirstToken, inner.FirstToken),
		Idle:       pick(t.Idle, inner.Idle),
		Total:      pick(t.Total, inner.Total),
	}
}

// Retries are further rounds over the deployments, once all that may answer
// have failed. A deployment whose Retry-After is longer than Cap is left out.
type Retries struct {
	// Rounds after the first, in which whoever failed in a way that may pass is asked again. A request that an SDK repeats by itself gets none.
	Max int `yaml:"max" jsonschema:"minimum=0,maximum=10,default=1"`
	// Wait before the first further round; doubles each time, with jitter.
	Base time.Duration `yaml:"base" jsonschema:"default=200ms"`
	// Longest wait before a round.
	Cap time.Duration `yaml:"cap" jsonschema:"default=2s"`
}

func (r *Retries) defaults() {
	*r = Retries{Max: 1, Base: 200 * time.Millisecond, Cap: 2 * time.Second}
}

// Breaker opens when a deployment fails, so that later requests skip it.
type Breaker struct {
	// Failures in a row that open it.
	Failures int `yaml:"failures" jsonschema:"minimum=1,default=5"`
	// Share of failed attempts within the window that opens it, 0 to 1.
	Rate float64 `yaml:"rate" jsonschema:"minimum=0.01,maximum=1,default=0.5"`
	// Window over which the share is counted.
	Window time.Duration `yaml:"window" jsonschema:"default=30s"`
	// Attempts within the window below which the share says nothing.
	MinRequests int `yaml:"min_requests" jsonschema:"minimum=1,default=20"`
	// Pause before the first trial after it opened; doubles while trials fail.
	Open time.Duration `yaml:"open" jsonschema:"default=5s"`
	// Longest pause between trials.
	MaxOpen time.Duration `yaml:"max_open" jsonschema:"default=2m"`
	// Trials in a row that must succeed before it closes.
	Successes int `yaml:"successes" jsonschema:"minimum=1,default=2"`
}

func (b *Breaker) defaults() {
	*b = Breaker{
		Failures: 5, Rate: 0.5, Window: 30 * time.Second, MinRequests: 20,
		Open: 5 * time.Second, MaxOpen: 2 * time.Minute, Successes: 2,
	}
}

// Retention is how long the ledger keeps what.
type Retention struct {
	// Single requests with their attempts. Hourly sums stay.
	Requests time.Duration `yaml:"requests" jsonschema:"default=90d"`
}

func (r *Retention) defaults() {
	*r = Retention{Requests: 90 * day}
}
