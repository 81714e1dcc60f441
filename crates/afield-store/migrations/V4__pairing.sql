-- Devices with keys of their own: how they are paired, what is known of them, and the audit log.
--
-- The audit log is append-only: no statement changes or removes a row of it.

CREATE TABLE audit (
    org_id TEXT NOT NULL,
    number BIGINT NOT NULL,        -- 1, 2, 3, … within the org, without gaps
    body TEXT NOT NULL,            -- the entry, JSON; exactly these bytes are hashed
    hash BLOB NOT NULL,            -- SHA-256 of the hash before it, org, number and body
    CONSTRAINT audit_pk PRIMARY KEY (org_id, number),
    CONSTRAINT audit_numbered CHECK (number >= 1)
) WITHOUT ROWID;

CREATE TABLE audit_heads (
    org_id TEXT NOT NULL,
    number BIGINT NOT NULL,        -- of the last entry; its row is the lock that keeps numbers gapless
    hash BLOB NOT NULL,            -- of the last entry
    CONSTRAINT audit_heads_pk PRIMARY KEY (org_id)
);

ALTER TABLE devices ADD COLUMN public_key BLOB;    -- Ed25519; NULL for a device with a token
ALTER TABLE devices ADD COLUMN about TEXT;         -- what it said about itself when paired, JSON
ALTER TABLE devices ADD COLUMN last_address TEXT;  -- from where it was last seen
ALTER TABLE devices ADD COLUMN forgotten_at BIGINT; -- not shown any more; its row keeps its history

-- guards: a key is one device, also when it is paired again
-- serves: claims and approvals of a pairing
CREATE UNIQUE INDEX devices_by_key ON devices (public_key) WHERE public_key IS NOT NULL;

ALTER TABLE links ADD COLUMN created_by TEXT;      -- the device that made it; NULL: the server

CREATE TABLE pairings (
    id TEXT NOT NULL,
    org_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    created_by TEXT NOT NULL,      -- the trusted device that started it
    secret_hash BLOB NOT NULL,     -- SHA-256 of the secret in the QR code
    front_hash BLOB NOT NULL,      -- SHA-256 of the first half of the typed code
    code_hash BLOB NOT NULL,       -- SHA-256 of the whole code
    name TEXT,                     -- chosen by its maker; NULL: the new device's own
    scopes BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    tries BIGINT NOT NULL,         -- codes with the right first half and a wrong second one
    state TEXT NOT NULL,
    claimed_at BIGINT,
    public_key BLOB,               -- of the device that claims it
    claim TEXT,                    -- what that device says about itself, JSON
    device_id TEXT,                -- the device it became
    CONSTRAINT pairings_pk PRIMARY KEY (id),
    CONSTRAINT pairings_secret_unique UNIQUE (secret_hash),
    CONSTRAINT pairings_state_known CHECK (state IN ('open', 'claimed', 'approved', 'refused', 'locked')),
    CONSTRAINT pairings_claim_whole CHECK (
        (claimed_at IS NULL) = (public_key IS NULL) AND (claimed_at IS NULL) = (claim IS NULL)),
    CONSTRAINT pairings_approved_device CHECK ((device_id IS NOT NULL) = (state = 'approved')),
    CONSTRAINT pairings_org_fk FOREIGN KEY (org_id) REFERENCES orgs (id)
);
-- serves: claims by code
CREATE INDEX pairings_by_front ON pairings (front_hash);
-- serves: pairings(org), the limit on open ones
CREATE INDEX pairings_by_org ON pairings (org_id, expires_at);
