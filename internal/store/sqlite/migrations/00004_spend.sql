-- What attempts have cost, by the hour in which their requests arrived: what
-- budgets count. Rollups know of each request only the model that answered.

-- +goose Up
CREATE TABLE spends (
    id       INTEGER NOT NULL PRIMARY KEY,
    hour     INTEGER NOT NULL,           -- its beginning
    key_id   TEXT NOT NULL,
    workload TEXT NOT NULL,
    tenant   TEXT NOT NULL,
    model    TEXT NOT NULL,              -- that was asked
    part     INTEGER NOT NULL DEFAULT 0, -- of what was taken over from a rollup: its id
    tokens   INTEGER NOT NULL,           -- read and written
    cost     TEXT NOT NULL,              -- US dollars, of the attempts whose cost is known
    unpriced INTEGER NOT NULL,           -- attempts whose cost is not
    UNIQUE (hour, key_id, workload, tenant, model, part)
);
INSERT INTO spends (hour, key_id, workload, tenant, model, part, tokens, cost, unpriced)
    SELECT hour, key_id, workload, '', model, id, tokens_in + tokens_out, cost, cost_unknown FROM rollups;
