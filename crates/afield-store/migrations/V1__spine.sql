-- The spine: who may connect, projects and their commands, approvals, and the log of every topic.
--
-- Written for SQLite. The text for PostgreSQL is derived by two replacements (see src/migrate.rs):
-- BLOB becomes BYTEA, INTEGER PRIMARY KEY becomes an identity column.
-- Times are unix milliseconds. Ids are UUIDs as text. Every row belongs to an org.
-- Foreign keys are declared where rows are rare; on the hot path the operation itself has just
-- read the parent in the same transaction.

CREATE TABLE meta (
    name TEXT NOT NULL,            -- what it is, such as 'probe'
    value BIGINT NOT NULL,
    CONSTRAINT meta_pk PRIMARY KEY (name)
);

CREATE TABLE orgs (
    id TEXT NOT NULL,
    name TEXT NOT NULL,            -- 'default' for the first one, made at the first start
    created_at BIGINT NOT NULL,
    CONSTRAINT orgs_pk PRIMARY KEY (id),
    CONSTRAINT orgs_name_unique UNIQUE (name)
);

CREATE TABLE users (
    id TEXT NOT NULL,
    org_id TEXT NOT NULL,
    name TEXT NOT NULL,            -- 'owner' for the first one
    created_at BIGINT NOT NULL,
    CONSTRAINT users_pk PRIMARY KEY (id),
    CONSTRAINT users_name_unique UNIQUE (org_id, name),
    CONSTRAINT users_org_fk FOREIGN KEY (org_id) REFERENCES orgs (id)
);

CREATE TABLE devices (
    id TEXT NOT NULL,
    org_id TEXT NOT NULL,
    user_id TEXT NOT NULL,         -- its owner
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    scopes BIGINT NOT NULL,        -- bits, as afield-proto's Scopes
    token_hash BLOB NOT NULL,      -- SHA-256 of the credential; the credential itself is nowhere
    created_by TEXT,               -- the device that made it; NULL for the first ones
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT,
    expires_at BIGINT,
    revoked_at BIGINT,
    facts TEXT,                    -- of a runner: what it said about itself, JSON
    CONSTRAINT devices_pk PRIMARY KEY (id),
    CONSTRAINT devices_token_unique UNIQUE (token_hash),
    CONSTRAINT devices_kind_known CHECK (kind IN ('console', 'cli', 'browser', 'editor', 'runner')),
    CONSTRAINT devices_org_fk FOREIGN KEY (org_id) REFERENCES orgs (id),
    CONSTRAINT devices_user_fk FOREIGN KEY (user_id) REFERENCES users (id)
);
-- serves: devices(org), runners(org)
CREATE INDEX devices_by_org ON devices (org_id, id);

CREATE TABLE links (
    secret_hash BLOB NOT NULL,     -- SHA-256 of the secret in the pairing link
    org_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL,            -- what a device made with it is at most
    scopes BIGINT NOT NULL,        -- what a device made with it may do at most
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    redeemed_at BIGINT,            -- one use only
    redeemed_by TEXT,              -- the device it made
    CONSTRAINT links_pk PRIMARY KEY (secret_hash),
    CONSTRAINT links_redeemed_whole CHECK ((redeemed_at IS NULL) = (redeemed_by IS NULL)),
    CONSTRAINT links_org_fk FOREIGN KEY (org_id) REFERENCES orgs (id)
);

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
    CONSTRAINT projects_state_known CHECK (state IN ('IDLE', 'EXECUTING', 'ERROR')),
    CONSTRAINT projects_reason_of_error CHECK (reason IS NULL OR state = 'ERROR'),
    CONSTRAINT projects_org_fk FOREIGN KEY (org_id) REFERENCES orgs (id),
    CONSTRAINT projects_runner_fk FOREIGN KEY (runner_id) REFERENCES devices (id)
);
-- guards: one live project of a directory
-- serves: nesting in create_project, lease_commands, reconcile_runner, answers_to_deliver
CREATE UNIQUE INDEX projects_by_runner ON projects (runner_id, path_key) WHERE deleted_at IS NULL;
-- serves: projects(org), the limit in create_project
CREATE INDEX projects_by_org ON projects (org_id, id) WHERE deleted_at IS NULL;

CREATE TABLE sessions (
    id TEXT NOT NULL,
    org_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    native_id TEXT,                -- the agent's own id of the conversation
    created_at BIGINT NOT NULL,
    lost_at BIGINT,                -- when the agent no longer knew it
    CONSTRAINT sessions_pk PRIMARY KEY (id)
);

CREATE TABLE commands (
    id TEXT NOT NULL,
    org_id TEXT NOT NULL,
    project BIGINT NOT NULL,       -- projects.number
    session_id TEXT NOT NULL,
    request_id TEXT NOT NULL,      -- follows the work through all logs
    submitted_by TEXT NOT NULL,
    key TEXT,                      -- the device's own mark; a repetition gives the first command
    kind TEXT NOT NULL,
    agent TEXT NOT NULL,
    payload TEXT NOT NULL,         -- prompt and options, JSON
    state TEXT NOT NULL,
    waiting_for TEXT,              -- for people, while queued or leased
    attempt BIGINT NOT NULL,       -- how often it was leased
    fence BIGINT NOT NULL,         -- grows with every lease
    applied BIGINT NOT NULL,       -- the last record of this attempt on disk here
    kill_requested_by TEXT,        -- who asked to stop it
    created_at BIGINT NOT NULL,
    leased_at BIGINT,
    started_at BIGINT,
    finished_at BIGINT,
    outcome TEXT,                  -- JSON, once it is final
    CONSTRAINT commands_pk PRIMARY KEY (id),
    CONSTRAINT commands_kind_known CHECK (kind IN ('prompt', 'shell')),
    CONSTRAINT commands_state_known CHECK (state IN ('queued', 'leased', 'running', 'succeeded',
        'failed', 'cancelled', 'expired', 'interrupted', 'dead')),
    CONSTRAINT commands_leased_once CHECK (state NOT IN ('leased', 'running') OR fence > 0),
    CONSTRAINT commands_final_has_end CHECK (
        (finished_at IS NULL) = (state IN ('queued', 'leased', 'running')))
);
-- serves: submit_command with a key
CREATE UNIQUE INDEX commands_by_key ON commands (submitted_by, key) WHERE key IS NOT NULL;
-- guards: one command of a project at a time is not final
-- serves: everything that asks for it, above all submit_command and lease_commands
CREATE UNIQUE INDEX commands_active ON commands (project) WHERE finished_at IS NULL;
-- serves: commands(project). Accepting a command does not touch it
CREATE INDEX commands_finished ON commands (project, id) WHERE finished_at IS NOT NULL;

CREATE TABLE approvals (
    id TEXT NOT NULL,              -- chosen by the runner
    org_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    command_id TEXT NOT NULL,
    runner_id TEXT NOT NULL,
    attempt BIGINT NOT NULL,       -- which attempt asked
    fence BIGINT NOT NULL,
    state TEXT NOT NULL,
    ask TEXT NOT NULL,             -- JSON, exactly as asked
    answer TEXT,                   -- JSON
    requested_at BIGINT NOT NULL,
    resolved_at BIGINT,
    resolved_by TEXT,              -- the device that answered
    CONSTRAINT approvals_pk PRIMARY KEY (id),
    CONSTRAINT approvals_state_known CHECK (state IN ('open', 'allowed', 'denied', 'withdrawn')),
    CONSTRAINT approvals_resolved_at CHECK ((resolved_at IS NULL) = (state = 'open')),
    CONSTRAINT approvals_answered_whole CHECK (
        (answer IS NOT NULL) = (state IN ('allowed', 'denied')))
);
-- serves: withdrawing what a command still asks, answers_to_deliver
CREATE INDEX approvals_by_command ON approvals (command_id);
-- serves: approvals(org)
CREATE INDEX approvals_by_org ON approvals (org_id, id);

CREATE TABLE topics (
    number INTEGER PRIMARY KEY,    -- stands for the name in the log's tables
    org_id TEXT NOT NULL,          -- what its events, segments and damage belong to
    name TEXT NOT NULL,            -- such as 'project:<id>'
    last_seq BIGINT NOT NULL,      -- PostgreSQL: the last number given, under this row's lock.
                                   -- SQLite: not kept up, the one writer remembers it
    rotated_to BIGINT NOT NULL,    -- the last number moved into a segment
    CONSTRAINT topics_name_unique UNIQUE (name)
);

CREATE TABLE events (
    topic BIGINT NOT NULL,         -- topics.number
    seq BIGINT NOT NULL,           -- number of the last event in this row
    first_seq BIGINT NOT NULL,     -- number of the first: one operation's events share a row
    at BIGINT NOT NULL,
    crc BIGINT NOT NULL,           -- CRC-32 of body
    body BLOB NOT NULL,            -- the events' JSON, one per line
    CONSTRAINT events_pk PRIMARY KEY (topic, seq),
    CONSTRAINT events_in_order CHECK (first_seq BETWEEN 1 AND seq)
);

CREATE TABLE segments (
    topic BIGINT NOT NULL,         -- topics.number
    last_seq BIGINT NOT NULL,
    first_seq BIGINT NOT NULL,
    events BIGINT NOT NULL,
    bytes BIGINT NOT NULL,         -- before compression
    created_at BIGINT NOT NULL,
    codec TEXT NOT NULL,
    sha256 BLOB NOT NULL,          -- of body
    body BLOB NOT NULL,            -- zstd frames of JSON lines {"seq":…,"at":…,"event":{…}}
    CONSTRAINT segments_pk PRIMARY KEY (topic, last_seq),
    CONSTRAINT segments_codec_known CHECK (codec IN ('zstd')),
    CONSTRAINT segments_whole CHECK (events = last_seq - first_seq + 1 AND events > 0)
);

CREATE TABLE damage (
    topic BIGINT NOT NULL,         -- topics.number
    first_seq BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,
    what TEXT NOT NULL,            -- what was found, for people
    noticed_at BIGINT NOT NULL,
    CONSTRAINT damage_pk PRIMARY KEY (topic, first_seq, last_seq)
);
