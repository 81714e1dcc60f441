-- The queue: many commands of a project wait in their order, are tried again, held and put back.
--
-- Commands and events are clustered by their keys: the hot path writes one tree for each instead
-- of a table and an index. (WITHOUT ROWID means nothing to PostgreSQL and is left out there.)

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
    CONSTRAINT commands_pk PRIMARY KEY (id),
    CONSTRAINT commands_kind_known CHECK (kind IN ('prompt', 'shell', 'new_session', 'kill')),
    CONSTRAINT commands_state_known CHECK (state IN ('queued', 'leased', 'running', 'succeeded',
        'failed', 'cancelled', 'expired', 'interrupted', 'dead')),
    CONSTRAINT commands_leased_once CHECK (state NOT IN ('leased', 'running') OR fence > 0),
    CONSTRAINT commands_head_waits CHECK (head = 0 OR finished_at IS NULL),
    CONSTRAINT commands_final_has_end CHECK (
        (finished_at IS NULL) = (state IN ('queued', 'leased', 'running')))
) WITHOUT ROWID;

INSERT INTO commands (id, org_id, project, lane, position, head, state, for_limit, priority,
    session_id, request_id, submitted_by, key, kind, agent, summary, payload, attempt,
    attempts_before, fence, applied, kill_requested_by, created_at, since, leased_at, started_at,
    finished_at, outcome)
SELECT id, org_id, project, '', 1048576, CASE WHEN finished_at IS NULL THEN 1 ELSE 0 END, state, 0, 1,
    session_id, request_id, submitted_by, key, kind, agent, '', payload, attempt, 0, fence, applied,
    kill_requested_by, created_at, created_at, leased_at, started_at, finished_at, outcome
FROM commands_before;
DROP TABLE commands_before;

-- guards: one command of a project is worked on at a time
CREATE UNIQUE INDEX commands_active ON commands (project) WHERE state IN ('leased', 'running');
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

-- Attempts that were followed by another; the last one is in the command's own row.
CREATE TABLE attempts (
    command_id TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    runner_id TEXT NOT NULL,
    leased_at BIGINT,
    started_at BIGINT,
    finished_at BIGINT,
    outcome TEXT,                  -- JSON
    CONSTRAINT attempts_pk PRIMARY KEY (command_id, attempt)
);

-- What keeps commands from starting. A held command says so in its own row.
CREATE TABLE holds (
    org_id TEXT NOT NULL,
    target TEXT NOT NULL,          -- a project's id, a runner's id, or '' for everything
    kind TEXT NOT NULL,
    held_by TEXT NOT NULL,
    held_at BIGINT NOT NULL,
    CONSTRAINT holds_pk PRIMARY KEY (org_id, target),
    CONSTRAINT holds_kind_known CHECK (kind IN ('project', 'runner', 'all'))
);

-- Results too long for their command, each stored once.
CREATE TABLE blobs (
    hash TEXT NOT NULL,            -- SHA-256 of body before compression, hexadecimal
    org_id TEXT NOT NULL,
    bytes BIGINT NOT NULL,         -- before compression
    created_at BIGINT NOT NULL,
    body BLOB NOT NULL,            -- zstd
    CONSTRAINT blobs_pk PRIMARY KEY (org_id, hash)
);

CREATE TABLE events_before AS SELECT * FROM events;
DROP TABLE events;
CREATE TABLE events (
    topic BIGINT NOT NULL,         -- topics.number
    seq BIGINT NOT NULL,           -- number of the last event in this row
    first_seq BIGINT NOT NULL,     -- number of the first: one operation's events share a row
    at BIGINT NOT NULL,
    crc BIGINT NOT NULL,           -- CRC-32 of body
    body BLOB NOT NULL,            -- the events' JSON, one per line
    CONSTRAINT events_pk PRIMARY KEY (topic, seq),
    CONSTRAINT events_in_order CHECK (first_seq BETWEEN 1 AND seq)
) WITHOUT ROWID;
INSERT INTO events SELECT topic, seq, first_seq, at, crc, body FROM events_before;
DROP TABLE events_before;
