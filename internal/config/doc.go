// Package config reads config.yaml, the one file that says who answers:
// types for every key, all problems at once with their place in the file,
// secrets that cannot be printed, and edits that keep the owner's comments.
//
// The way of a file: text is guarded (size, encoding, depth), parsed into a
// tree that keeps every position, decoded into Config with ${env:...} and
// ${file:...} expanded on the parsed scalars, then checked as a whole. Nothing
// here opens a socket or keeps global state; environment, files and the
// provider presets come in through Env.
package config
