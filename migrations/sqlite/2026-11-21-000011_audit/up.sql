-- What administrators did and looked at: one row before each is done or answered. `id` is ordered by time and is
-- the cursor of lists; `target` is whom or what it concerned, `detail` is JSON. Rows are never changed.
CREATE TABLE audit (
    id TEXT PRIMARY KEY NOT NULL,
    at BIGINT NOT NULL,
    actor_id TEXT NOT NULL,
    device TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT,
    detail TEXT,
    request_id TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX audit_by_actor ON audit (actor_id, id);
CREATE INDEX audit_by_target ON audit (target, id);
