package admin

// The operations. Operations lists them all; a test holds that it does.
var (
	Status = define("status", "GET", "/admin/v1/status",
		"What runs: version, configuration, health, ledger, drift.", (*Service).status)
	Reload = define("reload", "POST", "/admin/v1/reload",
		"Reads config.yaml again and takes it into use if it is good.", (*Service).reload)

	Models = define("models", "GET", "/admin/v1/models",
		"Models with their deployments: class, health, price, latency.", (*Service).models)
	Workloads = define("workloads", "GET", "/admin/v1/workloads",
		"Workloads with their sovereignty class, health, price, latency.", (*Service).workloads)
	Explain = define("explain", "POST", "/admin/v1/explain",
		"Plans a request and sends nothing: who may answer, in which order, and who may not and why.", (*Service).explain)
	Engines = define("engines", "GET", "/admin/v1/engines",
		"Local engines that run, and the engines and weights that are installed.", (*Service).engines)

	Requests = define("requests", "GET", "/admin/v1/requests",
		"Single requests of the ledger, newest first.", (*Service).requests)
	Why = define("why", "GET", "/admin/v1/requests/{request_id}",
		"One request as it was decided and as it went: plan, attempts, seams, timings, money.", (*Service).why)
	Usage = define("usage", "GET", "/admin/v1/usage",
		"Requests, tokens, money and latency, grouped.", (*Service).usage)

	Portability = define("portability", "GET", "/admin/v1/portability",
		"What of a workload's recorded traffic would break or change at another model, with counts. Nothing is sent.", (*Service).portability)

	Cascaded = define("cascade.rated", "GET", "/admin/v1/cascades/rated",
		"Answers of a workload's cascade that stood and were rated: how sure the model was, and how good they were.", (*Service).cascaded)

	RouteUse = define("route.use", "POST", "/admin/v1/route/use",
		"Puts a routing model that is kept beside the state in use, once that is in the history.", (*Service).routeUse)

	ComparePlan = define("compare.plan", "POST", "/admin/v1/compare/plan",
		"What a comparison of models on a workload's requests would be: who may be asked, sizes, prices. Sends nothing.", (*Service).comparePlan)
	CompareAsk = define("compare.ask", "POST", "/admin/v1/compare/ask",
		"Asks one model, and no other, one request as the workload would: with its data classes, parameters and the model's variant.", (*Service).compareAsk)
	CompareJudge = define("compare.judge", "POST", "/admin/v1/compare/judge",
		"Asks a model which of two answers to a workload's request is better.", (*Service).compareJudge)

	EmbedPlan = define("embed.plan", "POST", "/admin/v1/embed/plan",
		"Which model would make vectors of texts, and whether they may go there. Sends nothing.", (*Service).embedPlan)
	EmbedAsk = define("embed.ask", "POST", "/admin/v1/embed/ask",
		"Asks one model, and no other, for vectors of texts, under the rules that requests have.", (*Service).embedAsk)

	Budgets = define("usage.budgets", "GET", "/admin/v1/usage/budgets",
		"Budgets with what is spent and reserved of them in their present periods.", (*Service).budgets)

	PerimeterReport = define("perimeter.report", "GET", "/admin/v1/perimeter/report",
		"Which data went where: by data class and tenant, every destination that received bytes.", (*Service).perimeterReport)
	PerimeterCheck = define("perimeter.check", "POST", "/admin/v1/perimeter/check",
		"Where each workload's requests may go by the configuration in use, and what differs from what is expected.", (*Service).perimeterCheck)

	RolloutStart = define("rollout.start", "POST", "/admin/v1/rollouts",
		"Starts to move a workload to another model, by the plan of the configuration.", (*Service).rolloutStart)
	RolloutList = define("rollout.list", "GET", "/admin/v1/rollouts",
		"Rollouts, the latest first.", (*Service).rolloutList)
	RolloutStatusOf = define("rollout.status", "GET", "/admin/v1/rollouts/{workload}",
		"The last rollout of a workload, or one by its id: where it is, what is known, what is missing to go on.", (*Service).rolloutStatus)
	RolloutPromote = define("rollout.promote", "POST", "/admin/v1/rollouts/{workload}/promote",
		"Goes to the next stage or step; at a cutover, the caller approves it.", (*Service).rolloutPromote)
	RolloutPause = define("rollout.pause", "POST", "/admin/v1/rollouts/{workload}/pause",
		"Keeps a rollout where it is: nothing follows but what protects clients.", (*Service).rolloutPause)
	RolloutResume = define("rollout.resume", "POST", "/admin/v1/rollouts/{workload}/resume",
		"Lets a paused rollout go on.", (*Service).rolloutResume)
	RolloutAbort = define("rollout.abort", "POST", "/admin/v1/rollouts/{workload}/abort",
		"Ends a rollout before its cutover: all requests go to the old model.", (*Service).rolloutAbort)
	RolloutBack = define("rollout.rollback", "POST", "/admin/v1/rollouts/{workload}/rollback",
		"Takes the old model back, also long after the cutover.", (*Service).rolloutBack)
	RolloutPairs = define("rollout.pairs", "GET", "/admin/v1/rollouts/{workload}/pairs",
		"Requests that both models answered, how they compare, and what people said of them.", (*Service).rolloutPairs)
	RolloutTexts = define("rollout.texts", "GET", "/admin/v1/rollouts/{workload}/pairs/{request_id}",
		"What was asked and both answers, where they are kept. That they are read is in the history.", (*Service).rolloutTexts)
	RolloutLabelOf = define("rollout.label", "POST", "/admin/v1/rollouts/{workload}/pairs/{request_id}/label",
		"Says which of two answers is better.", (*Service).rolloutLabel)
	RolloutReport = define("rollout.report", "GET", "/admin/v1/rollouts/{workload}/report",
		"All that is known of a rollout: quality as it became known, latencies, money, segments, transitions.", (*Service).rolloutReport)

	IndexList = define("index.list", "GET", "/admin/v1/indexes",
		"Vector indexes that applications reach here: where each is on its way from Pinecone.", (*Service).indexList)
	IndexStatus = define("index.status", "GET", "/admin/v1/indexes/{index}",
		"One index: phase, lag, the work under way, what both stores found.", (*Service).indexStatus)
	IndexSync = define("index.sync", "POST", "/admin/v1/indexes/{index}/sync",
		"Has the new store follow every write from now on, and begins to fill it.", (*Service).indexSync)
	IndexQuote = define("index.quote", "POST", "/admin/v1/indexes/{index}/quote",
		"What embedding the texts of an index by its new model will take. The model is asked once, with a text of freehold's own.", (*Service).indexQuote)
	IndexJudged = define("index.judged", "POST", "/admin/v1/indexes/{index}/gate",
		"Puts on record what a gate has found of an index's new model; a cutover asks for it.", (*Service).indexJudged)
	IndexCutover = define("index.cutover", "POST", "/admin/v1/indexes/{index}/cutover",
		"Begins the proof that the new store has all, behind which it answers and Pinecone follows.", (*Service).indexCutover)
	IndexRollback = define("index.rollback", "POST", "/admin/v1/indexes/{index}/rollback",
		"Pinecone answers again, with all that was written since the cutover.", (*Service).indexRollback)
	IndexLeave = define("index.leave", "POST", "/admin/v1/indexes/{index}/leave",
		"Ends a sync: the new store follows no more.", (*Service).indexLeave)
	IndexFinish = define("index.finish", "POST", "/admin/v1/indexes/{index}/finish",
		"Ends a cutover for good: Pinecone follows no more, and there is no way back.", (*Service).indexFinish)

	KeysList = define("keys.list", "GET", "/admin/v1/keys",
		"Virtual keys, without their secrets.", (*Service).keysList)
	KeysCreate = define("keys.create", "POST", "/admin/v1/keys",
		"Issues a virtual key. Its plain text is in this answer and nowhere else.", (*Service).keysCreate)
	KeysRevoke = define("keys.revoke", "POST", "/admin/v1/keys/{id}/revoke",
		"Ends a virtual key for good.", (*Service).keysRevoke)
	KeysRotate = define("keys.rotate", "POST", "/admin/v1/keys/{id}/rotate",
		"Issues a successor of a key; the old one works until the overlap is over.", (*Service).keysRotate)

	HistoryList = define("history.list", "GET", "/admin/v1/history",
		"The record of changes, newest first.", (*Service).historyList)
	HistoryShow = define("history.show", "GET", "/admin/v1/history/{seq}",
		"One change.", (*Service).historyShow)
	HistoryVerify = define("history.verify", "GET", "/admin/v1/history/verify",
		"Recomputes every hash and signature of the history.", (*Service).historyVerify)

	CaptureList = define("capture.list", "GET", "/admin/v1/captures",
		"Requests whose prompts and answers are kept. That they are listed is in the history.", (*Service).captureList)
	CaptureShow = define("capture.show", "GET", "/admin/v1/captures/{request_id}",
		"Prompt and answer of a request. That they are read is in the history.", (*Service).captureShow)
	CaptureRated = define("capture.rated", "GET", "/admin/v1/captures/rated",
		"Kept prompts of a workload whose answers were rated, to train the routing model on. That they are read is in the history.", (*Service).rated)
	CaptureExport = define("capture.export", "POST", "/admin/v1/captures/export",
		"Kept prompts and answers of a workload in the form of OpenAI chat, to compare with or to train on. That they are read is in the history.", (*Service).captureExport)
	CaptureErase = define("capture.erase", "POST", "/admin/v1/captures/erase",
		"Erases kept prompts and answers by request, workload, key or end user.", (*Service).captureErase)

	DrillStart = define("drill.start", "POST", "/admin/v1/drills",
		"Begins a drill: a bounded outage inside freehold, that ends by itself.", (*Service).drillStart)
	DrillStop = define("drill.stop", "POST", "/admin/v1/drills/stop",
		"Ends the drill under way.", (*Service).drillStop)
	DrillStatus = define("drill.status", "GET", "/admin/v1/drills/status",
		"The drill under way, and how many requests it has hit.", (*Service).drillStatus)
	DrillSelf = define("drill.self", "POST", "/admin/v1/drills/self",
		"Asks providers past the gateway, once for each workload: what applications could do without freehold.", (*Service).drillSelf)
	DrillList = define("drill.list", "GET", "/admin/v1/drills",
		"Drills with their reports, the latest first.", (*Service).drillList)
	DrillShow = define("drill.show", "GET", "/admin/v1/drills/{id}",
		"One drill with its report, and what the configuration says about its providers and stand-ins.", (*Service).drillShow)

	ConfigShow = define("config.show", "GET", "/admin/v1/config",
		"The configuration in use, secrets taken out.", (*Service).configShow)
	ConfigDrift = define("config.drift", "GET", "/admin/v1/config/drift",
		"Changes that are held apart from the file, beside what the file says.", (*Service).configDrift)
	ConfigSet = define("config.set", "POST", "/admin/v1/config/set",
		"Sets one value of the configuration, as server.config_writes says.", (*Service).configSet)
	ConfigUnset = define("config.unset", "POST", "/admin/v1/config/unset",
		"Takes one key out of the configuration.", (*Service).configUnset)
)

// Operations is the whole table, in the order of the document.
func Operations() []*Operation {
	return []*Operation{
		Status.Operation, Reload.Operation,
		Models.Operation, Workloads.Operation, Explain.Operation, Engines.Operation,
		Requests.Operation, Why.Operation, Usage.Operation, Portability.Operation, Cascaded.Operation, RouteUse.Operation, Budgets.Operation,
		ComparePlan.Operation, CompareAsk.Operation, CompareJudge.Operation, EmbedPlan.Operation, EmbedAsk.Operation,
		PerimeterReport.Operation, PerimeterCheck.Operation,
		RolloutStart.Operation, RolloutList.Operation, RolloutStatusOf.Operation, RolloutPromote.Operation, RolloutPause.Operation,
		RolloutResume.Operation, RolloutAbort.Operation, RolloutBack.Operation, RolloutPairs.Operation, RolloutTexts.Operation,
		RolloutLabelOf.Operation, RolloutReport.Operation,
		IndexList.Operation, IndexStatus.Operation, IndexSync.Operation, IndexQuote.Operation, IndexJudged.Operation, IndexCutover.Operation, IndexRollback.Operation, IndexLeave.Operation, IndexFinish.Operation,
		KeysList.Operation, KeysCreate.Operation, KeysRevoke.Operation, KeysRotate.Operation,
		HistoryList.Operation, HistoryShow.Operation, HistoryVerify.Operation,
		CaptureList.Operation, CaptureShow.Operation, CaptureRated.Operation, CaptureExport.Operation, CaptureErase.Operation,
		DrillStart.Operation, DrillStop.Operation, DrillStatus.Operation, DrillSelf.Operation, DrillList.Operation, DrillShow.Operation,
		ConfigShow.Operation, ConfigDrift.Operation, ConfigSet.Operation, ConfigUnset.Operation,
	}
}
