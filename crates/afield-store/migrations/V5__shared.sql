-- What a person's devices share: preferences, pins, read markers, drafts.

CREATE TABLE state_heads (
    user_id TEXT NOT NULL,
    org_id TEXT NOT NULL,
    version BIGINT NOT NULL,       -- the last one given; its row is the lock that orders writes
    CONSTRAINT state_heads_pk PRIMARY KEY (user_id)
) WITHOUT ROWID;

CREATE TABLE state_registers (
    user_id TEXT NOT NULL,
    key TEXT NOT NULL,             -- such as 'draft:<session>'
    org_id TEXT NOT NULL,
    version BIGINT NOT NULL,       -- of the person's state when it was changed last
    bytes BIGINT NOT NULL,         -- of content
    changed_at BIGINT NOT NULL,
    deleted_at BIGINT,             -- it stays for a while, so that devices that were away learn of it
    content TEXT NOT NULL,         -- afield-proto's Stored, JSON
    CONSTRAINT state_registers_pk PRIMARY KEY (user_id, key)
) WITHOUT ROWID;
-- serves: state(user, after)
CREATE UNIQUE INDEX state_registers_by_version ON state_registers (user_id, version);

-- Where each person's focus is: at most one screen holds it.
CREATE TABLE handoffs (
    user_id TEXT NOT NULL,
    org_id TEXT NOT NULL,
    held BIGINT NOT NULL,          -- 1: somebody holds it
    content TEXT NOT NULL,         -- afield-proto's Handoff, JSON
    CONSTRAINT handoffs_pk PRIMARY KEY (user_id)
) WITHOUT ROWID;

-- Messages from device to device that wait for their receiver, or were delivered lately.
CREATE TABLE messages (
    number INTEGER PRIMARY KEY,    -- the order they came in
    id TEXT NOT NULL,              -- chosen by the sender
    org_id TEXT NOT NULL,
    to_device TEXT NOT NULL,
    from_user TEXT NOT NULL,       -- is told when it is delivered
    state TEXT NOT NULL,
    expires_at BIGINT NOT NULL,    -- until then it waits; until then a repetition is known
    content TEXT NOT NULL,         -- afield-proto's DeviceMessage, JSON
    CONSTRAINT messages_id_unique UNIQUE (org_id, id),
    CONSTRAINT messages_state_known CHECK (state IN ('held', 'delivered'))
);
-- serves: next_held_message, the limit in hold_message
CREATE INDEX messages_held ON messages (to_device, number) WHERE state = 'held';
-- serves: forgetting what is over in hold_message
CREATE INDEX messages_over ON messages (to_device, expires_at);
