-- What was said first of an answer: rollouts count that, whatever is said later.
-- first_at 0: only one thing was said, or the rows are older than this; then at and
-- score stand for it.

-- +goose Up
ALTER TABLE feedback ADD COLUMN times INTEGER NOT NULL DEFAULT 1;
ALTER TABLE feedback ADD COLUMN first_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE feedback ADD COLUMN first_score REAL NOT NULL DEFAULT 0;
