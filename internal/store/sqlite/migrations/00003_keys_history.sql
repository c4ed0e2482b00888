-- +goose Up

-- History: one row a record, and each fact in it once. Columns beside the
-- hashed bytes (kind, actor, diff) could be altered to show a reader something
-- that no hash covers, so there are none. No release has written the old tables.
DROP TABLE history_hashes;
DROP TABLE history_checkpoints;
DROP TABLE history;
CREATE TABLE history (
    seq        INTEGER NOT NULL PRIMARY KEY, -- from 1, without gaps
    record     BLOB NOT NULL,                -- JSON, exactly the bytes that the leaf hash is over
    hashes     BLOB NOT NULL,                -- of the tree, 32 bytes each: the leaf's and of each subtree that it ends
    checkpoint BLOB NOT NULL                 -- signed note over records 1 to seq
);

-- Keys: rev grows with each write of any key, so that servers read only what
-- changed since they last looked.
ALTER TABLE keys ADD COLUMN rev INTEGER NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN family TEXT NOT NULL DEFAULT '';        -- id of the first key of a chain of rotations
ALTER TABLE keys ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';         -- JSON
ALTER TABLE keys ADD COLUMN data_classes TEXT NOT NULL DEFAULT '[]'; -- JSON
CREATE UNIQUE INDEX keys_rev ON keys (rev);
