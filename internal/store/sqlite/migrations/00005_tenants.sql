-- The hourly rollups, by tenant too. SQLite cannot widen the key of a table, so
-- the rollups move to another one, under their ids. The old table stays as it
-- is, for an older freehold that reads this file.

-- +goose Up
CREATE TABLE tenant_rollups (
    id            INTEGER NOT NULL PRIMARY KEY,
    hour          INTEGER NOT NULL,        -- its beginning
    workload      TEXT NOT NULL,
    model         TEXT NOT NULL,
    provider      TEXT NOT NULL,
    key_id        TEXT NOT NULL,
    tenant        TEXT NOT NULL,           -- empty: none
    outcome       TEXT NOT NULL,
    requests      INTEGER NOT NULL,
    streams       INTEGER NOT NULL,
    attempts      INTEGER NOT NULL,
    seams         INTEGER NOT NULL,
    tokens_in     INTEGER NOT NULL,
    tokens_out    INTEGER NOT NULL,
    tokens_cached INTEGER NOT NULL,
    tokens_cache_write INTEGER NOT NULL,
    tokens_reasoning   INTEGER NOT NULL,
    estimated     INTEGER NOT NULL,        -- requests whose tokens are estimates
    cost          TEXT NOT NULL,           -- of the requests whose cost is known
    cost_unknown  INTEGER NOT NULL,        -- requests whose cost is not
    bytes_in      INTEGER NOT NULL,
    bytes_out     INTEGER NOT NULL,
    first_token   BLOB NOT NULL,           -- ledger.Histogram
    total         BLOB NOT NULL,           -- ledger.Histogram
    features      TEXT NOT NULL,           -- JSON: requests that used each
    UNIQUE (hour, workload, model, provider, key_id, tenant, outcome)
);
INSERT INTO tenant_rollups
SELECT id, hour, workload, model, provider, key_id, '', outcome, requests, streams, attempts, seams,
       tokens_in, tokens_out, tokens_cached, tokens_cache_write, tokens_reasoning, estimated,
       cost, cost_unknown, bytes_in, bytes_out, first_token, total, features
FROM rollups;
