-- Indexes of vectors that are served while they move from one store to another: where
-- each is on its way, writes that one of the stores does not have yet, what was
-- written since a copy began, and which ids the new store has. Times are Unix
-- microseconds, UTC.

-- +goose Up
CREATE TABLE front_moves (
    name TEXT NOT NULL PRIMARY KEY,
    move TEXT NOT NULL -- JSON: front.Move
);
CREATE TABLE front_writes (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    name      TEXT NOT NULL,
    namespace TEXT NOT NULL,
    op        TEXT NOT NULL,
    ids       TEXT NOT NULL, -- JSON: a list of texts
    body      BLOB NOT NULL,
    state     INTEGER NOT NULL, -- front.State
    why       TEXT NOT NULL DEFAULT '',
    at        INTEGER NOT NULL
);
CREATE INDEX front_writes_state ON front_writes (name, state, seq);
CREATE TABLE front_touched (
    name      TEXT NOT NULL,
    namespace TEXT NOT NULL,
    id        TEXT NOT NULL,
    seq       INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (name, namespace, id, seq)
) WITHOUT ROWID;
CREATE TABLE front_barriers (
    seq       INTEGER NOT NULL PRIMARY KEY,
    name      TEXT NOT NULL,
    namespace TEXT NOT NULL,
    op        TEXT NOT NULL,
    body      BLOB NOT NULL,
    at        INTEGER NOT NULL
);
CREATE TABLE front_ids (
    name      TEXT NOT NULL,
    namespace TEXT NOT NULL,
    id        TEXT NOT NULL,
    PRIMARY KEY (name, namespace, id)
) WITHOUT ROWID;
CREATE TABLE front_counts (
    name      TEXT NOT NULL,
    namespace TEXT NOT NULL,
    n         INTEGER NOT NULL,
    PRIMARY KEY (name, namespace)
) WITHOUT ROWID;
