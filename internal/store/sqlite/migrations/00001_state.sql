-- Runtime facts that are not the ledger: keys, history, overlay, and what this
-- installation knows of itself. Times are Unix microseconds, UTC.

-- +goose Up
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY, -- 'install_id', 'journal', ...
    value TEXT NOT NULL
);

CREATE TABLE keys (
    id           TEXT NOT NULL PRIMARY KEY,
    name         TEXT NOT NULL,
    hash         BLOB NOT NULL UNIQUE,         -- of the key; the key itself is never stored
    prefix       TEXT NOT NULL DEFAULT '',     -- the first characters, to recognize a key by
    family       TEXT NOT NULL DEFAULT '',     -- id of the first key of a chain of rotations
    replaces     TEXT,                         -- the id of the key that this one was rotated from
    created      INTEGER NOT NULL,
    created_by   TEXT NOT NULL DEFAULT '',
    expires      INTEGER,                      -- NULL: never
    revoked      INTEGER,                      -- NULL: not revoked
    scopes       TEXT NOT NULL DEFAULT '{}',   -- JSON
    limits       TEXT NOT NULL DEFAULT '{}',   -- JSON
    tags         TEXT NOT NULL DEFAULT '[]',   -- JSON
    data_classes TEXT NOT NULL DEFAULT '[]',   -- JSON
    admin        INTEGER NOT NULL DEFAULT 0,
    -- Grows with each write of any key, so that servers read only what changed
    -- since they last looked.
    rev          INTEGER NOT NULL UNIQUE
);

-- One row a record, and each fact in it once. Columns beside the hashed bytes
-- (kind, actor, diff) could be altered to show a reader something that no hash
-- covers, so there are none.
CREATE TABLE history (
    seq        INTEGER NOT NULL PRIMARY KEY, -- from 1, without gaps
    record     BLOB NOT NULL,                -- JSON, exactly the bytes that the leaf hash is over
    hashes     BLOB NOT NULL,                -- of the tree, 32 bytes each: the leaf's and of each subtree that it ends
    checkpoint BLOB NOT NULL                 -- signed note over records 1 to seq
);

CREATE TABLE overlay ( -- configuration changes that the file does not hold yet
    path  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    at    INTEGER NOT NULL,
    who   TEXT NOT NULL DEFAULT '',
    why   TEXT NOT NULL DEFAULT ''
);
