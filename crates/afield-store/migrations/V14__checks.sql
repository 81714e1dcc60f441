-- What a state or kind may be is said without lists.
--
-- SQLite makes a table in memory for each list of more than two texts, fills it and throws it away, each time a row
-- is written: eleven times for a command on its way. (To PostgreSQL it is all the same.)
--
-- And what waits behind others is looked at when its time is over, not only when its turn comes.

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
    CONSTRAINT commands_kind_known CHECK (kind = 'prompt' OR kind = 'shell' OR kind = 'new_session'
        OR kind = 'kill'),
    CONSTRAINT commands_state_known CHECK (state = 'queued' OR state = 'leased' OR state = 'running'
        OR state = 'succeeded' OR state = 'failed' OR state = 'cancelled' OR state = 'expired'
        OR state = 'interrupted' OR state = 'dead'),
    CONSTRAINT commands_leased_once CHECK (state NOT IN ('leased', 'running') OR fence > 0),
    CONSTRAINT commands_head_waits CHECK (head = 0 OR finished_at IS NULL),
    CONSTRAINT commands_final_has_end CHECK (
        (finished_at IS NULL) = (state = 'queued' OR state = 'leased' OR state = 'running'))
);

INSERT INTO commands (id, org_id, project, lane, position, head, state, due_at, for_limit, expires_at, wake_at, priority, held_by,
    session_id, request_id, submitted_by, key, kind, agent, summary, payload, edited, retry, attempt,
    attempts_before, fence, applied, kill_requested_by, submitted_at, created_at, since, leased_at, started_at,
    finished_at, outcome, steer, into_id, told)
SELECT id, org_id, project, lane, position, head, state, due_at, for_limit, expires_at,
    CASE WHEN state = 'queued' AND head = 0 THEN expires_at ELSE wake_at END, priority, held_by,
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

CREATE TABLE projects_before AS SELECT * FROM projects;
DROP TABLE projects;

CREATE TABLE projects (
    number INTEGER PRIMARY KEY,    -- stands for the id in the commands' indexes
    id TEXT NOT NULL,
    org_id TEXT NOT NULL,
    runner_id TEXT NOT NULL,
    path TEXT NOT NULL,            -- canonical, as the runner resolved it
    path_key TEXT NOT NULL,        -- equal for two spellings of one directory
    state TEXT NOT NULL,
    reason TEXT,                   -- why it is in ERROR
    session_id TEXT,               -- the next prompt continues it
    settings TEXT NOT NULL,        -- JSON
    created_at BIGINT NOT NULL,
    last_active BIGINT NOT NULL,   -- but for a command that waits: its own created_at counts
    deleted_at BIGINT,             -- its history stays
    CONSTRAINT projects_id_unique UNIQUE (id),
    CONSTRAINT projects_state_known CHECK (state = 'IDLE' OR state = 'EXECUTING' OR state = 'ERROR'),
    CONSTRAINT projects_reason_of_error CHECK (reason IS NULL OR state = 'ERROR'),
    CONSTRAINT projects_org_fk FOREIGN KEY (org_id) REFERENCES orgs (id),
    CONSTRAINT projects_runner_fk FOREIGN KEY (runner_id) REFERENCES devices (id)
);

INSERT INTO projects (number, id, org_id, runner_id, path, path_key, state, reason, session_id, settings,
    created_at, last_active, deleted_at)
SELECT number, id, org_id, runner_id, path, path_key, state, reason, session_id, settings,
    created_at, last_active, deleted_at
FROM projects_before;
DROP TABLE projects_before;
-- postgres: SELECT setval(pg_get_serial_sequence('projects', 'number'), COALESCE((SELECT MAX(number) FROM projects), 0) + 1, false);

-- guards: one live project of a directory
-- serves: nesting in create_project, lease_commands, reconcile_runner, answers_to_deliver
CREATE UNIQUE INDEX projects_by_runner ON projects (runner_id, path_key) WHERE deleted_at IS NULL;
-- serves: projects(org), the limit in create_project
CREATE INDEX projects_by_org ON projects (org_id, id) WHERE deleted_at IS NULL;
-- guards: one waiting room of an org
-- serves: waiting_room
CREATE UNIQUE INDEX projects_room ON projects (org_id) WHERE path = '';
