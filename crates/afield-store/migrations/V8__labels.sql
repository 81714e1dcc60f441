-- What devices are for.

ALTER TABLE devices ADD COLUMN labels TEXT;        -- words its owner gave it, JSON; NULL: none
ALTER TABLE devices ADD COLUMN priority BIGINT NOT NULL DEFAULT 0; -- greater is asked first
