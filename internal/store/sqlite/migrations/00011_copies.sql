-- Copies of vector stores: what is to be read, what the target has, and what could
-- not be copied. Times are Unix microseconds, UTC.

-- +goose Up
CREATE TABLE copies (
    id      TEXT NOT NULL PRIMARY KEY,
    started INTEGER NOT NULL,
    copy    TEXT NOT NULL -- JSON: transfer.Copy
);
CREATE TABLE copy_listings (
    copy      TEXT NOT NULL,
    namespace TEXT NOT NULL,
    next      TEXT NOT NULL,
    done      INTEGER NOT NULL,
    PRIMARY KEY (copy, namespace)
) WITHOUT ROWID;
CREATE TABLE copy_units (
    copy    TEXT NOT NULL,
    seq     INTEGER NOT NULL,
    unit    TEXT NOT NULL, -- JSON: vector.Unit; empty once it is done
    listed  INTEGER NOT NULL,
    done    INTEGER NOT NULL DEFAULT 0,
    copied  INTEGER NOT NULL DEFAULT 0,
    gone    INTEGER NOT NULL DEFAULT 0,
    bytes   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (copy, seq)
) WITHOUT ROWID;
CREATE INDEX copy_units_open ON copy_units (copy, seq) WHERE done = 0;
CREATE TABLE copy_refusals (
    copy      TEXT NOT NULL,
    namespace TEXT NOT NULL,
    id        TEXT NOT NULL,
    refusal   TEXT NOT NULL, -- JSON: transfer.Refusal
    PRIMARY KEY (copy, namespace, id)
) WITHOUT ROWID;
