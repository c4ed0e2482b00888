-- What was said first of an answer: rollouts count that, whatever is said later.
-- Where more than one thing was said before this migration, the last stands for it.

-- +goose Up
ALTER TABLE feedback ADD COLUMN times INTEGER NOT NULL DEFAULT 1;
ALTER TABLE feedback ADD COLUMN first_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE feedback ADD COLUMN first_score REAL NOT NULL DEFAULT 0;
UPDATE feedback SET first_at = at, first_score = score;
