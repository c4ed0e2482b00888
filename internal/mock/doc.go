// Package mock is a deterministic provider of language models for tests: it
// serves every dialect that freehold serves, without a model, a key or a
// network, and fails on demand in every way that providers fail.
//
// It is read from the published contracts, on purpose apart from freehold's
// own codecs, and is strict about what it is sent, as the real ones are:
//
//   - OpenAI: chat completions, completions, embeddings, models, errors and
//     rate limits of https://platform.openai.com/docs/api-reference
//   - Anthropic: messages, count_tokens, models, streaming, errors, extended
//     thinking of https://docs.anthropic.com/en/api
//   - Azure OpenAI paths (https://learn.microsoft.com/azure/ai-services/openai/reference),
//     Mistral (https://docs.mistral.ai/api/), vLLM, llama.cpp's llama-server
//     and Ollama as far as they differ from OpenAI: see [Profile].
//
// # Answers
//
// The text of an answer is a pure function of [Options.Seed] and the
// conversation: system and other texts, images, tool calls and results. The
// model's name, the dialect, sampling parameters and thinking do not count, and
// runs of white space count as one, so that two mocks that stand for two
// providers say the same. An answer of which the beginning is given (a last
// assistant message where the profile continues it, the same followed by a user
// message that asks to continue, or a completion prompt that ends with it) goes
// on exactly there: what was cut plus what follows is the uncut text. A foreign
// beginning is continued too, and in the same way however often it is cut.
//
// Lines of the last user message that begin with "mock:" say what to answer:
//
//	mock: say TEXT           this text (a Go string in quotes may hold \n)
//	mock: length N           N words
//	mock: echo               the rest of the last user message
//	mock: json               a JSON object (a given schema is obeyed without this)
//	mock: tools NAME {"a":1} [NAME {...}]...   tool calls, until results follow
//	mock: think [N]          N words of thinking first (where thinking may be shown)
//	mock: refuse             a refusal
//	mock: filter             a part of the text, then the content filter
//	mock: pause              stop reason pause_turn (Anthropic)
//	mock: empty              no text
//	mock: cached N           N prompt tokens read from the cache
//	mock: cache-write N      N prompt tokens written to it
//
// One token is one word with the white space before it; four bytes of tool
// arguments are one.
//
// # Faults
//
// See [ParseFault]. Faults are given in [Options.Faults], per request in the
// header X-Mock-Fault, and at run time with [Server.SetFaults] or
// PUT /mock/faults (text, or a JSON list of strings). GET /mock/faults,
// GET /mock/stats and POST /mock/reset serve tests in other languages.
//
// # Recordings
//
// [Recorder] stands before a real provider and keeps its exchanges in a
// directory, scrubbed of secrets; [Replay] answers from such a directory.
package mock
