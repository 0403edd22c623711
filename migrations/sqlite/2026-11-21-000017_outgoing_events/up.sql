-- What the broker is to be told: that something was delivered or read. Written in the transaction in which that
-- happened, so that a crash loses none, and removed when the broker has confirmed that it has it. The id says what
-- happened to which notification and where; it is the message's own id, the same however often it is sent. due_at is
-- when somebody may send it: whoever takes it moves that ahead, and who dies leaves it to others. Only filled where a
-- broker is configured.
CREATE TABLE outgoing_events (
    id TEXT PRIMARY KEY NOT NULL,
    event TEXT NOT NULL,
    notification_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    channel TEXT NOT NULL,
    device TEXT NOT NULL,
    at BIGINT NOT NULL,
    due_at BIGINT NOT NULL
) WITHOUT ROWID;

CREATE INDEX outgoing_events_due ON outgoing_events (due_at);
CREATE INDEX outgoing_events_at ON outgoing_events (at);
