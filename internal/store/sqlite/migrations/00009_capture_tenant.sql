-- Whose a captured request was.

-- +goose Up
ALTER TABLE captures ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
CREATE INDEX captures_tenant ON captures (tenant) WHERE tenant <> '';
