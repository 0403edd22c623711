DROP INDEX audit_by_target;
DROP INDEX audit_by_actor;
CREATE INDEX audit_by_actor ON audit (actor_id, id);
CREATE INDEX audit_by_target ON audit (target, id);
DROP INDEX audit_by_time;
DROP INDEX receipts_by_time;
