-- The ledger: hourly rollups, and one row a request. Times are Unix
-- microseconds, durations microseconds, money decimal text in US dollars.

-- +goose Up
CREATE TABLE rollups (
    id            INTEGER NOT NULL PRIMARY KEY,
    hour          INTEGER NOT NULL,        -- its beginning
    workload      TEXT NOT NULL,
    model         TEXT NOT NULL,
    provider      TEXT NOT NULL,
    key_id        TEXT NOT NULL,
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
    UNIQUE (hour, workload, model, provider, key_id, outcome)
);

-- What requests are looked for by, and the whole of each in its record. Its
-- rollup has the workload, model, provider, key and outcome.
CREATE TABLE requests (
    seq    INTEGER NOT NULL PRIMARY KEY, -- in the order in which they ended
    id     BLOB NOT NULL UNIQUE,         -- 16 bytes of a UUID; any other id as text
    at     INTEGER NOT NULL,             -- when it arrived
    rollup INTEGER NOT NULL,             -- rollups.id: where it counts
    record BLOB NOT NULL                 -- as ledger.Row encodes it
);
CREATE INDEX requests_at ON requests (at);
