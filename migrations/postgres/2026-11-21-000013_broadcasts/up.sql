-- What administrators send to everybody, or to all who hold a role. Each is worked off in portions: a portion's
-- notifications and the place that it reached are one transaction, and the row is locked meanwhile, so that whoever
-- goes on after a crash, here or on another instance, tells nobody twice and leaves nobody out. due_at is when
-- somebody looks at it next: it lets several take turns, and one that fails wait.
CREATE TABLE broadcasts (
    id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    -- None for everybody.
    role TEXT COLLATE "C",
    kind TEXT NOT NULL,
    category TEXT NOT NULL,
    payload TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    request_id TEXT,
    created_at BIGINT NOT NULL,
    -- Everybody up to and with this user has it.
    reached TEXT COLLATE "C" NOT NULL,
    told BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    finished_at BIGINT
);

-- What is to be worked off; the others leave the index.
CREATE INDEX broadcasts_due ON broadcasts (due_at) WHERE finished_at IS NULL;
