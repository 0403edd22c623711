-- Who saw what and what administrators did, as one list in the order of time. The index on receipts grows at its end
-- only: recording a confirmation takes about a twentieth longer with it, accepting a booking none. One by user would
-- take a third more, so a list of one user's is looked through instead.
CREATE INDEX receipts_by_time ON receipts (at);
CREATE INDEX audit_by_time ON audit (at, id);
DROP INDEX audit_by_actor;
DROP INDEX audit_by_target;
CREATE INDEX audit_by_actor ON audit (actor_id, at, id);
CREATE INDEX audit_by_target ON audit (target, at, id);
