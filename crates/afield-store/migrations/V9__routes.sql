-- Commands that were sent to whichever runner fits: what was asked for, and where they went.
--
-- What has no runner yet waits in its org's waiting room: a project without a path, born deleted so
-- that nothing is ever leased from it, on a device that nobody can be.

CREATE TABLE routes (
    command_id TEXT NOT NULL,
    org_id TEXT NOT NULL,
    wish TEXT NOT NULL,            -- afield-proto's RouteWish, JSON
    ask TEXT NOT NULL,             -- what its sender gave, without any project's own options, JSON
    decisions TEXT NOT NULL,       -- afield-proto's RouteDecision, a list, JSON; the oldest first
    waits BIGINT NOT NULL,         -- 1: it may still be given another place
    CONSTRAINT routes_pk PRIMARY KEY (command_id)
) WITHOUT ROWID;
-- serves: waiting_routes, orgs_with_routes
CREATE INDEX routes_waiting ON routes (org_id, command_id) WHERE waits = 1;

-- guards: one waiting room of an org
-- serves: waiting_room
CREATE UNIQUE INDEX projects_room ON projects (org_id) WHERE path = '';
