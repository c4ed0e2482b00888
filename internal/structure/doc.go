// Package structure has no code: its tests hold how the module is built up.
// Who may import whom, that every package says what it is for, that files stay
// short, and what must not be in the repository at all. The tables in the tests
// are the rules; a new package gets a row in imports_test.go.
package structure
