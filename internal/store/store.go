// Package store is the parent of the state stores: sqlite now, PostgreSQL
// later. It holds no code. Each domain declares the small store interface that
// it needs in its own package (ledger.Store, for one), and the packages below
// implement them; storetest holds the suites that every implementation passes.
package store
