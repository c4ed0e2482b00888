package structure

import (
	"go/ast"
	"strings"
	"testing"
)

// traps are the wire traps that a serious gateway must know, by the numbers under
// which comments name them, and the tests that fail when one of them is no longer
// handled (PACKAGE TEST; beside them, test/sdk shows to the official SDKs what
// comes of it). later is a trap of a provider that freehold does not speak to yet.
var traps = []struct {
	number int
	rule   string
	tests  string
	later  bool
}{
	{1, "include_usage: one more chunk with choices [], usage null before it; it may never come",
		"internal/dialect/openaichat TestTrap1UsageChunk, internal/dialect/openaichat TestRewriteEvent", false},
	{2, "usage also comes on a chunk with choices: it counts, and the chunk stays",
		"internal/dialect/openaichat TestTrap2UsageBesideChoices, internal/dialect/openaichat TestRewriteEvent", false},
	{3, "Anthropic's message_delta.usage is cumulative", "internal/dialect/anthropic TestTrap3UsageIsCumulative", false},
	{4, "an error inside a 200 stream",
		"internal/dialect/anthropic TestTrap4ErrorInTheStream, internal/dialect/openaichat TestErrorInStream, internal/gateway TestNoFailureIsSeen", false},
	{5, "start events are no output", "internal/gateway TestTrap5StartsAreHeldBack, internal/dialect/openaichat TestRoleIsNoOutput", false},
	{6, "an end without finish reason is a cut",
		"internal/dialect/anthropic TestTrap6CutStreamIsNotWhole, internal/dialect/openaichat TestCut, internal/gateway TestCutAnywhere", false},
	{7, "characters, fields and line ends may be split at any byte, events may be megabytes",
		"internal/sse TestAnySplit, internal/sse TestReader, internal/gateway TestTrap31Megabytes", false},
	{8, "thinking to text closes a block and opens another",
		"internal/dialect/anthropic TestTrap8ThinkingToText, internal/dialect/anthropic TestAnyOrderOfEventsIsShownWhole", false},
	{9, "each parallel tool call has its own number, which is no block's",
		"internal/dialect/anthropic TestTrap9ParallelTools, internal/dialect/openaichat TestTrap9ToolNumbers", false},
	{10, "a tool call without arguments has {}",
		"internal/dialect/anthropic TestTrap10And11ToolArguments, internal/dialect/openaichat TestTrap10And11Arguments", false},
	{11, "a tool call cut by the limit is incomplete",
		"internal/dialect/anthropic TestTrap10And11ToolArguments, internal/dialect/openaichat TestTrap10And11Arguments, internal/gateway TestTrap11CutToolCall", false},
	{12, "a refusal has its own delta and is content_filter to others",
		"internal/dialect/anthropic TestRefusal, internal/dialect/openaichat TestTrap12And34FinishReasons", false},
	{13, "keep-alives in the client's dialect; limits for first token, silence and all",
		"internal/gateway TestKeepAlive, internal/gateway TestTrap13SignsOfLifeAreNoContent, internal/gateway TestNothingLeft, internal/gateway TestDeadline, internal/upstream/h1 TestLimits", false},
	{14, "who leaves frees the provider at once", "internal/gateway TestClientLeaves", false},
	{15, "reasoning models of OpenAI refuse max_tokens",
		"internal/catalog TestWireFacts, internal/dialect/openaichat TestForward, internal/dialect/openaichat TestParameters", false},
	{16, "Anthropic needs max_tokens", "internal/dialect/anthropic TestTrap16MaxTokensIsInjected, internal/gateway TestTrap16DefaultLimit", false},
	{17, "tool_choice and parallel calls have other names", "internal/dialect/anthropic TestTrap17ToolChoice, internal/dialect/anthropic TestCrossAnthropicClientOpenAIProvider", false},
	{18, "a forced tool excludes thinking", "internal/dialect/anthropic TestTrap18ForcedToolExcludesThinking", false},
	{19, "thinking is replayed unchanged, first, with its signature",
		"internal/dialect/anthropic TestTrap19ThinkingIsReplayed, internal/dialect/openaichat TestThinkingSentBack", false},
	{20, "thinking budgets have bounds; newest Claude models think adaptively", "internal/dialect/anthropic TestTrap20Thinking, internal/catalog TestWireFacts", false},
	{21, "Gemini's thought_signature survives an OpenAI client", "internal/dialect/openaichat TestTrap21ThoughtSignature", false},
	{22, "orphan results, tool history without tools, schemas without type", "internal/dialect/anthropic TestTrap22ToolResults", false},
	{23, "Mistral: any, random_seed, prefix, its finish reasons, names on tool messages only",
		"internal/catalog TestWireFacts, internal/dialect/openaichat TestForward, internal/dialect/openaichat TestContinue, internal/dialect/openaichat TestTrap23MistralNames, internal/dialect/openaichat TestTrap23MistralFinishReasons", false},
	{24, "Ollama: no tool_choice, n, logit_bias, image addresses; a short context, cut silently", "internal/gateway TestTrap24Ollama, internal/catalog TestWireFacts", false},
	{25, "vLLM says reasoning", "internal/catalog TestWireFacts, internal/dialect/openaichat TestForeign, internal/dialect/openaichat TestDialect", false},
	{26, "Anthropic refuses stop sequences of white space", "internal/dialect/anthropic TestTrap26StopSequencesOfWhiteSpace", false},
	{27, "what has no equivalent is refused, or dropped and told", "internal/dialect/anthropic TestTrap27NoEquivalent, internal/gateway TestTrap27Dropped", false},
	{28, "json_schema is native or a forced tool", "internal/dialect/anthropic TestTrap28ResponseFormat, internal/dialect TestUnwrapTool", false},
	{29, "cache_control survives or is dropped on purpose", "internal/dialect/anthropic TestTrap29CacheControl, internal/dialect/openaichat TestForeign, internal/dialect/openaichat TestForeignTools", false},
	{30, "system and developer turns keep their order", "internal/dialect/anthropic TestTrap30SystemTurns", false},
	{31, "bodies and replies of megabytes", "internal/gateway TestTrap31Megabytes", false},
	{32, "cached tokens are inside (OpenAI) or beside (Anthropic) the input",
		"internal/dialect/anthropic TestTrap32CachedTokensAreNotCountedTwice, internal/meter TestCost, internal/meter TestNothingIsBilledTwice", false},
	{33, "Gemini's totals count thoughts too", "", true},
	{34, "finish reasons of both dialects", "internal/dialect/anthropic TestTrap12And34StopReasons, internal/dialect/openaichat TestTrap12And34FinishReasons", false},
	{35, "Gemini's STOP with calls; a blocked prompt has no candidate", "", true},
	{36, "errors have the client's envelope and status", "internal/dialect/anthropic TestTrap36ErrorEnvelope, internal/dialect/openaichat TestDialect, internal/gateway TestNothingLeft", false},
	{37, "retry-after-ms, then Retry-After; retries are not multiplied",
		"internal/dialect TestRetryAfter, internal/upstream TestRetryAfter, internal/gateway TestRounds, internal/gateway TestTrap37ShouldRetry", false},
	{38, "a failure of ours is never the caller's 401", "internal/gateway TestNothingLeft, internal/auth TestOtherProcess, test/e2e TestFullDisk", false},
	{39, "context-length errors have many texts; Claude Code knows one",
		"internal/dialect/openaichat TestDialect, internal/dialect/anthropic TestTrap39PromptIsTooLong, internal/gateway TestContextLength", false},
	{40, "a provider's request id is no key", "internal/gateway TestTrap40RequestIDs", false},
	{41, "a failed stream is no success at no cost", "internal/gateway TestTrap41FailedStreamsAreNoSuccess", false},
}

// TestTraps holds that each trap has its tests.
func TestTraps(t *testing.T) {
	have := map[string]bool{}
	for _, s := range sources(t) {
		for _, d := range s.ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && s.test && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				have[s.pkg+" "+f.Name.Name] = true
			}
		}
	}
	for i, trap := range traps {
		if trap.number != i+1 {
			t.Errorf("trap %d stands at %d", trap.number, i+1)
		}
		if trap.later != (trap.tests == "") {
			t.Errorf("trap %d (%s) has no test", trap.number, trap.rule)
		}
		for test := range strings.SplitSeq(trap.tests, ", ") {
			if test != "" && !have[test] {
				t.Errorf("trap %d (%s): there is no %s", trap.number, trap.rule, test)
			}
		}
	}
	if len(traps) != 41 {
		t.Errorf("%d traps are listed, not 41", len(traps))
	}
}
