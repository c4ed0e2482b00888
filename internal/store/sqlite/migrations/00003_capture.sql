-- Captured prompts and answers, sealed. Times are Unix microseconds, UTC.

-- +goose Up
CREATE TABLE captures (
    seq          INTEGER NOT NULL PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,      -- the request's
    at           INTEGER NOT NULL,          -- when it arrived
    expires      INTEGER NOT NULL,
    workload     TEXT NOT NULL,
    key_id       TEXT NOT NULL,             -- the virtual key's
    user_mark    BLOB,                      -- keyed hash of the end user's name; NULL: none was said
    data_classes TEXT NOT NULL,             -- JSON
    dialect      TEXT NOT NULL,
    operation    TEXT NOT NULL,
    outcome      TEXT NOT NULL,
    seal_key     TEXT NOT NULL,             -- id of the key that seals the text
    size         INTEGER NOT NULL,          -- of text, bytes
    text         BLOB NOT NULL              -- last, so that a listing does not read it
);
CREATE INDEX captures_expires ON captures (expires);
CREATE INDEX captures_workload ON captures (workload, at);
CREATE INDEX captures_key ON captures (key_id);
CREATE INDEX captures_user ON captures (user_mark) WHERE user_mark IS NOT NULL;
