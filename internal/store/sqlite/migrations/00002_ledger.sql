-- The ledger: one row a request, its attempts, and hourly rollups.
-- Times are Unix microseconds, durations microseconds, money decimal text in
-- US dollars.

-- +goose Up
CREATE TABLE requests (
    seq          INTEGER NOT NULL PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,     -- UUIDv7
    at           INTEGER NOT NULL,         -- when it arrived
    key_id       TEXT NOT NULL,
    workload     TEXT NOT NULL,
    asked        TEXT NOT NULL,            -- the model field as it was sent
    model        TEXT NOT NULL,
    deployment   TEXT NOT NULL,
    provider     TEXT NOT NULL,
    stream       INTEGER NOT NULL,
    status       INTEGER NOT NULL,
    outcome      TEXT NOT NULL,
    tokens_in    INTEGER NOT NULL,
    tokens_out   INTEGER NOT NULL,
    estimated    INTEGER NOT NULL,         -- the tokens are an estimate
    cost         TEXT,                     -- NULL: unknown
    first_token  INTEGER NOT NULL,         -- 0: none was sent
    total        INTEGER NOT NULL,
    record       BLOB NOT NULL             -- the whole row, as ledger.Row encodes it
);
CREATE INDEX requests_at ON requests (at);

-- What went to which deployment, and how that ended.
CREATE TABLE attempts (
    request    INTEGER NOT NULL,           -- requests.seq
    n          INTEGER NOT NULL,
    deployment TEXT NOT NULL,
    provider   TEXT NOT NULL,
    at         INTEGER NOT NULL,
    total      INTEGER NOT NULL,
    outcome    TEXT NOT NULL,
    fault      TEXT NOT NULL,
    status     INTEGER NOT NULL,
    PRIMARY KEY (request, n)
) WITHOUT ROWID;

CREATE TABLE rollups (
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
    PRIMARY KEY (hour, workload, model, provider, key_id, outcome)
);
