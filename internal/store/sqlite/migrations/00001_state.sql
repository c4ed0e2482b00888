-- Runtime facts that are not the ledger: keys, history, overlay, and what this
-- installation knows of itself. Times are Unix microseconds, UTC.

-- +goose Up
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY, -- 'install_id', 'journal', ...
    value TEXT NOT NULL
);

CREATE TABLE keys (
    id         TEXT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,
    hash       BLOB NOT NULL UNIQUE,         -- of the key; the key itself is never stored
    prefix     TEXT NOT NULL DEFAULT '',     -- the first characters, to recognize a key by
    created    INTEGER NOT NULL,
    expires    INTEGER,                      -- NULL: never
    revoked    INTEGER,                      -- NULL: not revoked
    replaces   TEXT,                         -- the id of the key that this one was rotated from
    scopes     TEXT NOT NULL DEFAULT '{}',   -- JSON
    limits     TEXT NOT NULL DEFAULT '{}',   -- JSON
    admin      INTEGER NOT NULL DEFAULT 0,
    created_by TEXT NOT NULL DEFAULT ''
);

CREATE TABLE history (
    seq         INTEGER NOT NULL PRIMARY KEY, -- the leaf's index in the tree, from 0
    at          INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    subject     TEXT NOT NULL DEFAULT '',
    actor       TEXT NOT NULL DEFAULT '',
    reason      TEXT NOT NULL DEFAULT '',
    git_commit  TEXT NOT NULL DEFAULT '',
    diff        TEXT NOT NULL DEFAULT '',     -- secrets redacted
    config_hash TEXT NOT NULL DEFAULT '',
    record_json BLOB NOT NULL,                -- the bytes that leaf_hash is over
    leaf_hash   BLOB NOT NULL
);

CREATE TABLE history_hashes ( -- the tree's stored hashes, at their tlog storage index
    idx  INTEGER NOT NULL PRIMARY KEY,
    hash BLOB NOT NULL
);

CREATE TABLE history_checkpoints (
    size INTEGER NOT NULL PRIMARY KEY, -- records that the checkpoint covers
    note TEXT NOT NULL,                -- signed note
    at   INTEGER NOT NULL
);

CREATE TABLE overlay ( -- configuration changes that the file does not hold yet
    path  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    at    INTEGER NOT NULL,
    who   TEXT NOT NULL DEFAULT '',
    why   TEXT NOT NULL DEFAULT ''
);
