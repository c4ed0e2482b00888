-- What both stores of a vector index found for the same queries, by day. `freehold vectors
-- status` and /metrics read it; it begins anew with each move.

-- +goose Up
CREATE TABLE front_shadows (
    name     TEXT NOT NULL,
    day      TEXT NOT NULL, -- UTC, 2006-01-02
    queries  INTEGER NOT NULL,
    failed   INTEGER NOT NULL,
    overlap  REAL NOT NULL, -- the sum over those that did not fail
    pinecone BLOB NOT NULL, -- ledger.Histogram: how long each side took
    store    BLOB NOT NULL,
    PRIMARY KEY (name, day)
) WITHOUT ROWID;
