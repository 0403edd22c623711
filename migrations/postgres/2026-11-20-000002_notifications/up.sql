-- One row a user: the upsert that numbers a batch also serialises a user's writers, so that the
-- order of seq is the order of commits.
CREATE TABLE inboxes (
    user_id TEXT COLLATE "C" PRIMARY KEY,
    last_seq BIGINT NOT NULL,
    unread BIGINT NOT NULL CHECK (unread >= 0)
);

-- What was said. The columns are what is searched by; the rest, which never changes, is payload (JSON).
CREATE TABLE notifications (
    id TEXT COLLATE "C" PRIMARY KEY,
    user_id TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    category TEXT NOT NULL,
    booking_id TEXT COLLATE "C",
    payload TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    read_at BIGINT
);

-- The inbox: pages, replays and the promise that no seq is given twice.
CREATE UNIQUE INDEX notifications_by_seq ON notifications (user_id, seq);
-- Unread lists and mark-read of a long inbox touch the unread rows only.
CREATE INDEX notifications_unread ON notifications (user_id, seq) WHERE read_at IS NULL;
-- Cancelling a booking finds what was said about it.
CREATE INDEX notifications_by_booking ON notifications (booking_id) WHERE booking_id IS NOT NULL;
