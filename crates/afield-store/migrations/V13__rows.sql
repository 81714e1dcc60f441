-- Commands are rows of a table again, beside the index of their ids.
--
-- SQLite keeps an entry of a tree clustered by its key to a quarter of a page and puts the rest into pages of
-- its own, which nearly every command needed; and each other index held the whole id, where the number of a
-- row has a few bytes. (To PostgreSQL it is all the same.)

CREATE TABLE commands_before AS SELECT * FROM commands;
DROP TABLE commands;

CREATE TABLE commands (
    id TEXT NOT NULL,
    org_id TEXT NOT NULL,
    project BIGINT NOT NULL,       -- projects.number
    lane TEXT NOT NULL,            -- ordering key within the project; '' is the project's own
    position BIGINT NOT NULL,      -- place in the lane; in steps, so that others fit in between
    head BIGINT NOT NULL,          -- 1: the first of its lane that is not final
    state TEXT NOT NULL,
    due_at BIGINT,                 -- it does not start before: as asked, or the wait of a retry
    for_limit BIGINT NOT NULL,     -- 1: that wait is for the end of the agent's usage limit
    expires_at BIGINT,             -- it does not start after
    wake_at BIGINT,                -- when it must be looked at although nothing happens
    priority BIGINT NOT NULL,      -- greater is more urgent
    held_by TEXT,                  -- the device that holds it
    session_id TEXT,               -- the one asked for; else, once leased, the one it is in
    request_id TEXT NOT NULL,      -- follows the work through all logs
    submitted_by TEXT NOT NULL,
    key TEXT,                      -- the device's own mark; a repetition gives the first command
    kind TEXT NOT NULL,
    agent TEXT NOT NULL,
    summary TEXT NOT NULL,         -- the beginning of what it asks for
    payload TEXT NOT NULL,         -- prompt and options, JSON
    edited BIGINT NOT NULL DEFAULT 0, -- 1: payload is no longer as it was submitted
    retry TEXT,                    -- retry policy, JSON; NULL: it is not tried again
    attempt BIGINT NOT NULL,       -- how often it was leased
    attempts_before BIGINT NOT NULL, -- attempts that no longer count: it was put back
    fence BIGINT NOT NULL,         -- grows with every lease
    applied BIGINT NOT NULL,       -- the last record of this attempt on disk here
    kill_requested_by TEXT,        -- who asked to stop it
    submitted_at BIGINT,           -- when its sender gave it away, where that was earlier
    created_at BIGINT NOT NULL,
    since BIGINT NOT NULL,         -- what waits longer rises: since it came, was due or was put back
    leased_at BIGINT,
    started_at BIGINT,
    finished_at BIGINT,
    outcome TEXT,                  -- JSON, of the last attempt that ended
    steer TEXT,                    -- what became of the wish to go into a turn
    into_id TEXT,                  -- the command whose turn it goes into
    told BIGINT NOT NULL DEFAULT 0, -- 1: its prompt is in the transcript
    CONSTRAINT commands_pk PRIMARY KEY (id),
    CONSTRAINT commands_kind_known CHECK (kind IN ('prompt', 'shell', 'new_session', 'kill')),
    CONSTRAINT commands_state_known CHECK (state IN ('queued', 'leased', 'running', 'succeeded',
        'failed', 'cancelled', 'expired', 'interrupted', 'dead')),
    CONSTRAINT commands_leased_once CHECK (state NOT IN ('leased', 'running') OR fence > 0),
    CONSTRAINT commands_head_waits CHECK (head = 0 OR finished_at IS NULL),
    CONSTRAINT commands_final_has_end CHECK (
        (finished_at IS NULL) = (state IN ('queued', 'leased', 'running')))
);

INSERT INTO commands (id, org_id, project, lane, position, head, state, due_at, for_limit, expires_at, wake_at, priority, held_by,
    session_id, request_id, submitted_by, key, kind, agent, summary, payload, edited, retry, attempt,
    attempts_before, fence, applied, kill_requested_by, submitted_at, created_at, since, leased_at, started_at,
    finished_at, outcome, steer, into_id, told)
SELECT id, org_id, project, lane, position, head, state, due_at, for_limit, expires_at, wake_at, priority, held_by,
    session_id, request_id, submitted_by, key, kind, agent, summary, payload, edited, retry, attempt,
    attempts_before, fence, applied, kill_requested_by, submitted_at, created_at, since, leased_at, started_at,
    finished_at, outcome, steer, into_id, told
FROM commands_before ORDER BY id;
DROP TABLE commands_before;

-- guards: one turn of a project at a time; what goes into it is beside it
CREATE UNIQUE INDEX commands_active ON commands (project)
    WHERE state IN ('leased', 'running') AND into_id IS NULL;
-- guards: two commands of a lane never have one place
-- serves: the next of a lane, the last place of a lane, what waits in a project
CREATE UNIQUE INDEX commands_lane ON commands (project, lane, position) WHERE finished_at IS NULL;
-- guards: a lane has one first command
-- serves: lease_commands
CREATE UNIQUE INDEX commands_head ON commands (project, lane) WHERE head = 1;
-- serves: submit_command with a key
CREATE UNIQUE INDEX commands_by_key ON commands (submitted_by, key) WHERE key IS NOT NULL;
-- serves: sweep_queue
CREATE INDEX commands_wake ON commands (wake_at) WHERE wake_at IS NOT NULL;
-- serves: commands(project) and the list of dead letters. Accepting a command does not touch it
CREATE INDEX commands_finished ON commands (project, id) WHERE finished_at IS NOT NULL;
-- serves: the dead letters
CREATE INDEX commands_dead ON commands (org_id, id) WHERE state = 'dead';
-- serves: what goes into a turn, and what was to go into it when it ends
CREATE INDEX commands_into ON commands (into_id)
    WHERE into_id IS NOT NULL AND finished_at IS NULL;
