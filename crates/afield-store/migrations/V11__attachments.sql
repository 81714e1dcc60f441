-- Files that go with prompts: their bytes, stored once under their hash, and who needs them.

CREATE TABLE uploads (
    hash TEXT NOT NULL,            -- SHA-256 of body, hexadecimal
    org_id TEXT NOT NULL,
    media_type TEXT NOT NULL,      -- what the bytes are, as they say themselves
    bytes BIGINT NOT NULL,
    touched_at BIGINT NOT NULL,    -- when it was uploaded, or went with a command, last
    body BLOB NOT NULL,            -- as it came: images do not get smaller
    CONSTRAINT uploads_pk PRIMARY KEY (org_id, hash),
    CONSTRAINT uploads_not_empty CHECK (bytes > 0)
);
-- serves: the room an org has left, without reading bodies
CREATE INDEX uploads_of_org ON uploads (org_id, bytes);
-- serves: remove_unused_uploads
CREATE INDEX uploads_touched ON uploads (touched_at);

CREATE TABLE attachments (
    command_id TEXT NOT NULL,
    org_id TEXT NOT NULL,
    hash TEXT NOT NULL,
    CONSTRAINT attachments_pk PRIMARY KEY (command_id, hash)
) WITHOUT ROWID;
-- serves: whether somebody needs an upload
CREATE INDEX attachments_of_upload ON attachments (org_id, hash);
