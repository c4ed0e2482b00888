-- Outage drills, with what they found. Times are Unix microseconds, UTC.

-- +goose Up
CREATE TABLE drills (
    id      TEXT NOT NULL PRIMARY KEY,
    started INTEGER NOT NULL,
    drill   TEXT NOT NULL -- JSON: drill.Drill
);
