-- The log: one number says topic and place, so that a row is a row of a table and no key.
--
-- SQLite keeps at most a quarter of a page of a key in its page, and the rest in pages of its own:
-- rows of two kilobytes and more, nearly all of the log, cost one or two pages each. A row of a
-- table with a number as its key fills pages, and those of a topic still lie together.

ALTER TABLE events RENAME TO events_before;
CREATE TABLE events (
    place INTEGER PRIMARY KEY,     -- topics.number * 68719476736 (2^36) + number of the last event in this row
    first_seq BIGINT NOT NULL,     -- number of the first: one operation's events share a row
    at BIGINT NOT NULL,
    crc BIGINT NOT NULL,           -- CRC-32 of body
    body BLOB NOT NULL,            -- the events' JSON, one per line
    CONSTRAINT events_of_a_topic CHECK (place >= 68719476736),
    CONSTRAINT events_numbered CHECK (first_seq BETWEEN 1 AND place % 68719476736)
);
INSERT INTO events (place, first_seq, at, crc, body)
SELECT topic * 68719476736 + seq, first_seq, at, crc, body FROM events_before ORDER BY topic, seq;
DROP TABLE events_before;
