-- Tickets that nobody has shown yet: whoever shows one is let in at one door, once, as its bearer. Only the
-- digest is kept, so that who can read this table, or a backup of it, cannot enter with it. The bearer is what
-- the token said, as JSON. Rows go when they are shown, or soon after they have expired.
CREATE TABLE tickets (
    digest TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    door TEXT COLLATE "C" NOT NULL,
    bearer TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- How many somebody holds, and whose time is over.
CREATE INDEX tickets_by_user ON tickets (user_id, expires_at);
CREATE INDEX tickets_by_expiry ON tickets (expires_at);
