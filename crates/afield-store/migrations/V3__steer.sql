-- Prompts that go into the running turn, and a place for commands that were over long ago.

ALTER TABLE commands ADD COLUMN steer TEXT;   -- what became of the wish to go into a turn
ALTER TABLE commands ADD COLUMN into_id TEXT; -- the command whose turn it goes into
ALTER TABLE commands ADD COLUMN told BIGINT NOT NULL DEFAULT 0; -- 1: its prompt is in the transcript

-- The first version told a prompt when it was submitted, and knew no summaries.
UPDATE commands SET told = 1
WHERE state = 'queued' AND attempt = 0 AND summary = '' AND kind IN ('prompt', 'shell');

-- guards: one turn of a project at a time; what goes into it is beside it
DROP INDEX commands_active;
CREATE UNIQUE INDEX commands_active ON commands (project)
    WHERE state IN ('leased', 'running') AND into_id IS NULL;
-- serves: what goes into a turn, and what was to go into it when it ends
CREATE INDEX commands_into ON commands (into_id)
    WHERE into_id IS NOT NULL AND finished_at IS NULL;

-- Commands that were over long ago: shown by their id, in no list.
CREATE TABLE archive (
    id TEXT NOT NULL,
    org_id TEXT NOT NULL,
    finished_at BIGINT NOT NULL,
    body BLOB NOT NULL,            -- all that was known of it, JSON, zstd
    CONSTRAINT archive_pk PRIMARY KEY (id)
) WITHOUT ROWID;
