// Package admin holds the operations of administration: what the commands, the
// admin API and later the console do. Each is defined once, in the table of
// table.go: its name, its place in the API, the types of what goes in and comes
// out, and the function that does it. From that table come the HTTP handler
// (Handler), the OpenAPI document (OpenAPI) and the client (Client).
//
// An operation is called through a Runner: Client asks a running server,
// Local does the same on an App of this process.
//
//	out, err := admin.Usage.Call(ctx, runner, admin.UsageIn{By: []string{"model"}})
package admin
