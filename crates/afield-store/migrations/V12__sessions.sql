-- What is known of a conversation beside its messages.

ALTER TABLE sessions ADD COLUMN title TEXT;          -- the beginning of its first prompt
ALTER TABLE sessions ADD COLUMN agent TEXT;          -- the agent of its last prompt
ALTER TABLE sessions ADD COLUMN last_used_at BIGINT; -- when a prompt was last started in it
ALTER TABLE sessions ADD COLUMN facts TEXT;          -- what its agent told, added up, JSON; NULL: nothing yet
ALTER TABLE sessions ADD COLUMN setup TEXT;          -- what its agent announced last, JSON
-- serves: sessions(org)
CREATE INDEX sessions_used ON sessions (org_id, last_used_at, id) WHERE last_used_at IS NOT NULL;
-- serves: sessions(project)
CREATE INDEX sessions_of_project ON sessions (project_id, last_used_at, id)
WHERE last_used_at IS NOT NULL;
UPDATE sessions SET last_used_at = used.at
FROM (SELECT session_id, MAX(started_at) AS at FROM commands
    WHERE kind = 'prompt' AND started_at IS NOT NULL GROUP BY session_id) used
WHERE used.session_id = sessions.id;
