-- What callers say of answers. A row goes with the request's. Times are Unix
-- microseconds, UTC.

-- +goose Up
CREATE TABLE feedback (
    id      BLOB NOT NULL PRIMARY KEY, -- the request's, as in requests
    at      INTEGER NOT NULL,          -- when it came
    key_id  TEXT NOT NULL,             -- the virtual key that said it
    score   REAL NOT NULL,             -- 0 to 1
    task    TEXT NOT NULL,
    comment TEXT NOT NULL
);
CREATE INDEX feedback_at ON feedback (at);
