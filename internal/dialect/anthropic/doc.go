// Package anthropic is the codec of the Anthropic Messages API (POST
// /v1/messages and /v1/messages/count_tokens, anthropic-version 2023-06-01),
// for clients and for providers. Shapes follow the API reference and the
// official SDKs' types.
//
// What the canonical model and the Messages API do not share is decided here,
// always the same way; nothing is left out without an error or an entry in
// Outgoing.Dropped.
//
//   - System and developer turns: the leading ones become `system`. Later ones
//     stay in place (role "system", which newest models accept) when the client
//     itself spoke this dialect; of other clients they are appended to `system`
//     in their order, because most models refuse them anywhere else.
//   - Turns alternate: consecutive turns of one role are joined, tool messages
//     become tool_result blocks of one user turn, before its other blocks. A
//     conversation that does not begin with the user gets the user turn ".".
//   - Every tool call needs its result in the next turn and the other way
//     round: an orphan is a 400. An empty result is sent without content, which
//     the API takes as empty; only an empty result marked as an error is a 400.
//   - Blocks of white space only are refused by the API and carry nothing: they
//     are left out. The last assistant turn (prefill) loses trailing white space.
//   - A conversation with tool calls but without `tools` gets declarations for
//     the tools it used and tool_choice none.
//   - A tool schema without "type" gets "type": "object".
//   - Thinking is replayed unchanged when it is signed. Unsigned thinking comes
//     from other models; the API refuses it, so it is left out and reported as
//     "reasoning_content". To know it again, clients are shown it under the
//     signature "freehold-unsigned", which they replay; Forward takes such
//     blocks out too.
//   - Tool call ids with characters the API refuses are rewritten, in requests
//     and in answers, always in the same way.
//   - reasoning_effort becomes adaptive thinking with output_config.effort
//     (Quirks.AdaptiveThinking), else a thinking budget: minimal 1024, low 2048,
//     medium 8192, high 16384, xhigh 24576, lowered to fit into max_tokens, or
//     added to max_tokens when the client gave none. A max_tokens of 1024 or
//     less leaves no room: 400. An explicit budget is never changed.
//   - With a thinking budget, a tool loop whose last turn holds no signed
//     thinking is sent without thinking (the API would refuse it), reported.
//   - temperature above 1, temperature with thinking or at a model that refuses
//     sampling parameters: 400, or dropped and reported. The neutral value 1 of
//     temperature or top_p is left out wherever the API would refuse it.
//   - response_format json_schema is output_config.format where the model has
//     it (Quirks.NativeSchema) and the schema closes every object, as the API
//     demands; else it, and json_object always, is a forced tool
//     (Outgoing.Tool, dialect.UnwrapTool). A forced tool excludes thinking: 400.
//   - A continued answer is a prefill or an instruction; with a prefill thinking
//     is off. A format is left out and reported: the text so far shows it.
//
// Errors keep freehold's HTTP status; error.type follows the status with the
// API's own names (503 and 529 are overloaded_error, 504 timeout_error), and
// freehold's stable code is the extra member error.code.
package anthropic
