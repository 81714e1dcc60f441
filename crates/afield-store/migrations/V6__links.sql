-- A link is a pairing that was approved when it was made; browsers have keys instead of cookies.

ALTER TABLE pairings ADD COLUMN link BIGINT NOT NULL DEFAULT 0
    CONSTRAINT pairings_link_known CHECK (link IN (0, 1)); -- 1: who comes with its secret is let in

-- Browsers that signed in with a link of old had a cookie, which is no credential any more.
UPDATE devices SET expires_at = COALESCE(last_seen_at, created_at)
    WHERE revoked_at IS NULL AND id IN (SELECT redeemed_by FROM links);

DROP TABLE links;
