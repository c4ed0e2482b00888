package config

// enum is a string type with a fixed list of values; the decoder and the
// schema read the list from here.
type enum interface{ values() []string }

// Auth is who may call.
type Auth string

// Values of server.auth.
const (
	AuthNone Auth = "none"
	AuthKeys Auth = "keys"
)

func (Auth) values() []string { return []string{"none", "keys"} }

// UnknownModels is what becomes of a model name nobody configured.
type UnknownModels string

// Values of server.unknown_models.
const (
	UnknownRelay  UnknownModels = "relay"
	UnknownRefuse UnknownModels = "refuse"
)

func (UnknownModels) values() []string { return []string{"relay", "refuse"} }

// ResponseModel is the model name in an answer.
type ResponseModel string

// Values of server.response_model.
const (
	ResponseAsked    ResponseModel = "asked"
	ResponseProvider ResponseModel = "provider"
)

func (ResponseModel) values() []string { return []string{"asked", "provider"} }

// ConfigWrites is how a command changes the configuration.
type ConfigWrites string

// Values of server.config_writes.
const (
	WritesFile    ConfigWrites = "file"
	WritesOverlay ConfigWrites = "overlay"
	WritesPropose ConfigWrites = "propose"
)

func (ConfigWrites) values() []string { return []string{"file", "overlay", "propose"} }

// LogLevel is the least severity logged.
type LogLevel string

// Values of server.log.level.
const (
	LogDebug LogLevel = "debug"
	LogInfo  LogLevel = "info"
	LogWarn  LogLevel = "warn"
	LogError LogLevel = "error"
)

func (LogLevel) values() []string { return []string{"debug", "info", "warn", "error"} }

// LogFormat is the form of a log line.
type LogFormat string

// Values of server.log.format.
const (
	LogJSON LogFormat = "json"
	LogText LogFormat = "text"
)

func (LogFormat) values() []string { return []string{"json", "text"} }

// Durability is how hard the journal is written.
type Durability string

// Values of durability.
const (
	DurabilityProcess Durability = "process"
	DurabilityDisk    Durability = "disk"
)

func (Durability) values() []string { return []string{"process", "disk"} }

// Engine is a kind of local engine.
type Engine string

// EngineLlamaCpp is llama.cpp's own server.
const EngineLlamaCpp Engine = "llama.cpp"

func (Engine) values() []string { return []string{"llama.cpp"} }

// Dialect is the API that a provider speaks.
type Dialect string

// Values of providers.NAME.dialect.
const (
	DialectOpenAI    Dialect = "openai"
	DialectAnthropic Dialect = "anthropic"
	DialectCohere    Dialect = "cohere"
)

func (Dialect) values() []string { return []string{"openai", "anthropic", "cohere"} }

// Hosting is who runs the machines of a provider.
type Hosting string

// Values of providers.NAME.hosting.
const (
	HostingAPI        Hosting = "api"
	HostingManaged    Hosting = "managed"
	HostingServerless Hosting = "serverless"
	HostingKubernetes Hosting = "kubernetes"
	HostingSelf       Hosting = "self"
)

func (Hosting) values() []string {
	return []string{"api", "managed", "serverless", "kubernetes", "self"}
}

// RelayPath is the first segment after /v1/ of OpenAI paths that are relayed raw.
type RelayPath string

func (RelayPath) values() []string {
	return []string{"files", "batches", "audio", "images", "moderations"}
}

// Openness is whether a model's weights can be had.
type Openness string

// Values of models.NAME.openness.
const (
	OpennessOpen             Openness = "open"
	OpennessProprietary      Openness = "proprietary"
	OpennessProprietaryTuned Openness = "proprietary-tuned"
)

func (Openness) values() []string { return []string{"open", "proprietary", "proprietary-tuned"} }

// Balance is the order among the deployments of a model.
type Balance string

// Values of models.NAME.balance.
const (
	BalancePriority     Balance = "priority"
	BalanceWeighted     Balance = "weighted"
	BalanceLeastLatency Balance = "least-latency"
	BalanceLeastBusy    Balance = "least-busy"
	BalanceCheapest     Balance = "cheapest"
)

func (Balance) values() []string {
	return []string{"priority", "weighted", "least-latency", "least-busy", "cheapest"}
}

// Mode is what a model is for.
type Mode string

// Values of models.NAME.mode. A chat model also takes plain completions.
const (
	ModeChat       Mode = "chat"
	ModeCompletion Mode = "completion"
	ModeEmbedding  Mode = "embedding"
)

func (Mode) values() []string { return []string{"chat", "completion", "embedding"} }

// Pooling is how an engine makes the vector of a text of those of its tokens.
type Pooling string

// Values of providers.NAME.pooling; empty takes what the weights say.
const (
	PoolingMean Pooling = "mean"
	PoolingCLS  Pooling = "cls"
	PoolingLast Pooling = "last"
)

func (Pooling) values() []string { return []string{"mean", "cls", "last"} }

// Continuation is how a deployment carries on a cut answer.
type Continuation string

// Values of continuation.
const (
	ContinuationPrefill     Continuation = "prefill"
	ContinuationPrefillEcho Continuation = "prefill-echo"
	ContinuationInstruct    Continuation = "instruct"
	ContinuationNone        Continuation = "none"
)

func (Continuation) values() []string {
	return []string{"prefill", "prefill-echo", "instruct", "none"}
}

// Feature is something a deployment can or cannot do.
type Feature string

// Values under features.
const (
	FeatureTools         Feature = "tools"
	FeatureParallelTools Feature = "parallel_tools"
	FeatureJSONObject    Feature = "json_object"
	FeatureJSONSchema    Feature = "json_schema"
	FeatureImages        Feature = "images"
	FeatureReasoning     Feature = "reasoning"
	FeatureLogprobs      Feature = "logprobs"
	FeatureN             Feature = "n"
	FeatureSeed          Feature = "seed"
	FeatureLogitBias     Feature = "logit_bias"
	FeatureSuffix        Feature = "suffix"
	FeatureCacheControl  Feature = "cache_control"
)

func (Feature) values() []string {
	return []string{
		"tools", "parallel_tools", "json_object", "json_schema", "images", "reasoning",
		"logprobs", "n", "seed", "logit_bias", "suffix", "cache_control",
	}
}

// Continue is what happens after a cut in mid-answer.
type Continue string

// Values of workloads.NAME.continue.
const (
	ContinueAny       Continue = "any"
	ContinueSameModel Continue = "same-model"
	ContinueOff       Continue = "off"
)

func (Continue) values() []string { return []string{"any", "same-model", "off"} }

// Hold is what of an answer is held back until it is whole.
type Hold string

// Values of workloads.NAME.hold.
const (
	HoldTools      Hold = "tools"
	HoldStructured Hold = "structured"
	HoldOff        Hold = "off"
)

func (Hold) values() []string { return []string{"tools", "structured", "off"} }

// Reaction is what a refusal of a provider leads to.
type Reaction string

// Values of workloads.NAME.on_content_filter and on_context_length.
const (
	ReactReturn   Reaction = "return"
	ReactFallback Reaction = "fallback"
)

func (Reaction) values() []string { return []string{"return", "fallback"} }

// BudgetPer is what a budget limits.
type BudgetPer string

// Values of budgets[].per.
const (
	BudgetPerKey      BudgetPer = "key"
	BudgetPerWorkload BudgetPer = "workload"
	BudgetPerModel    BudgetPer = "model"
	BudgetPerTenant   BudgetPer = "tenant"
	BudgetPerAll      BudgetPer = "all"
)

func (BudgetPer) values() []string { return []string{"key", "workload", "model", "tenant", "all"} }

// BudgetEvery is the length of a budget's periods.
type BudgetEvery string

// Values of budgets[].every.
const (
	BudgetEveryHour  BudgetEvery = "hour"
	BudgetEveryDay   BudgetEvery = "day"
	BudgetEveryMonth BudgetEvery = "month"
)

func (BudgetEvery) values() []string { return []string{"hour", "day", "month"} }

// BudgetAction is what becomes of a request when a budget is spent.
type BudgetAction string

// Values of budgets[].on_exceed.
const (
	BudgetBlock    BudgetAction = "block"
	BudgetFallback BudgetAction = "fallback"
	BudgetWarn     BudgetAction = "warn"
)

func (BudgetAction) values() []string { return []string{"block", "fallback", "warn"} }
