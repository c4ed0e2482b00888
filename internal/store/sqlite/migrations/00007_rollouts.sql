-- Rollouts of workloads, the pairs of answers that they are decided by (without
-- texts), and what people say of those. Times are Unix microseconds, UTC.

-- +goose Up
CREATE TABLE rollouts (
    id       TEXT NOT NULL PRIMARY KEY,
    workload TEXT NOT NULL,
    started  INTEGER NOT NULL,
    ended    INTEGER NOT NULL, -- 0: it goes on
    state    TEXT NOT NULL     -- JSON: rollout.State
);
-- A workload has one at a time.
CREATE UNIQUE INDEX rollouts_open ON rollouts (workload) WHERE ended = 0;

CREATE TABLE rollout_pairs (
    seq     INTEGER NOT NULL PRIMARY KEY,
    rollout TEXT NOT NULL,
    request TEXT NOT NULL,
    pair    TEXT NOT NULL,     -- JSON: rollout.Pair
    UNIQUE (rollout, request)
);

CREATE TABLE rollout_labels (
    rollout TEXT NOT NULL,
    request TEXT NOT NULL,
    said_by TEXT NOT NULL,
    winner  TEXT NOT NULL,
    PRIMARY KEY (rollout, request, said_by)
) WITHOUT ROWID;
