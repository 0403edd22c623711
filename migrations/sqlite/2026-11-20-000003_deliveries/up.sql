-- One row per notification and channel beyond the devices: what becomes of it when no device confirms.
-- The primary key is what keeps a mail from being sent twice. escalate_at is when somebody must look at
-- it next: the deadline for devices, the next try of a mail, or the end of the lease of who is sending it.
CREATE TABLE deliveries (
    notification_id TEXT NOT NULL,
    channel TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('pending', 'confirmed', 'emailed', 'suppressed', 'withdrawn', 'failed')),
    attempts INTEGER NOT NULL,
    escalate_at BIGINT NOT NULL,
    error TEXT,
    finished_at BIGINT,
    PRIMARY KEY (notification_id, channel)
) WITHOUT ROWID;

-- What is overdue, oldest first; finished rows leave the index, so that it stays small.
CREATE INDEX deliveries_due ON deliveries (escalate_at) WHERE state = 'pending';
