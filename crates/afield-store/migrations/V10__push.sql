-- Web Push: who is notified through which service, of what, and what became of it.

CREATE TABLE push_devices (
    device_id TEXT NOT NULL,
    org_id TEXT NOT NULL,
    settings TEXT NOT NULL,        -- afield-proto's PushSettings, JSON; kept without a subscription
    endpoint TEXT,                 -- who knows it can send to the device; NULL: not subscribed
    keys TEXT,                     -- afield-proto's PushKeys, JSON
    subscribed_at BIGINT,
    CONSTRAINT push_devices_pk PRIMARY KEY (device_id),
    CONSTRAINT push_devices_whole CHECK (
        (endpoint IS NULL) = (keys IS NULL) AND (endpoint IS NULL) = (subscribed_at IS NULL))
);
-- serves: push_listeners
CREATE INDEX push_devices_subscribed ON push_devices (org_id) WHERE endpoint IS NOT NULL;

CREATE TABLE push_log (
    number INTEGER PRIMARY KEY,    -- the order they were sent in
    org_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    content TEXT NOT NULL          -- afield-proto's PushDelivery, JSON
);
-- serves: push_log, keeping it short
CREATE INDEX push_log_of_device ON push_log (device_id, number);

-- What answers one approval once, for one device, without another credential.
CREATE TABLE approval_tokens (
    hash BLOB NOT NULL,            -- SHA-256 of the token
    approval_id TEXT NOT NULL,
    org_id TEXT NOT NULL,
    device_id TEXT NOT NULL,       -- in whose name it answers
    expires_at BIGINT NOT NULL,
    CONSTRAINT approval_tokens_pk PRIMARY KEY (hash)
);
-- serves: forgetting what is over
CREATE INDEX approval_tokens_over ON approval_tokens (expires_at);
