-- How many notifications an inbox keeps. last_seq says how many there ever were: what is deleted or has
-- become too old leaves a hole in the sequence, so the two differ.
ALTER TABLE inboxes ADD COLUMN total BIGINT NOT NULL DEFAULT 0 CHECK (total >= 0);

-- The same by category, so that counting costs the same however long an inbox is. Changed by whoever holds
-- the inbox's row, in the statements that change the inbox.
CREATE TABLE inbox_categories (
    user_id TEXT COLLATE "C" NOT NULL,
    category TEXT COLLATE "C" NOT NULL,
    total BIGINT NOT NULL,
    unread BIGINT NOT NULL CHECK (unread >= 0 AND unread <= total),
    PRIMARY KEY (user_id, category)
);

-- What was there before is counted once.
INSERT INTO inbox_categories (user_id, category, total, unread)
SELECT user_id, category, COUNT(*), COUNT(*) - COUNT(read_at) FROM notifications GROUP BY user_id, category;

UPDATE inboxes SET total = COALESCE(
    (SELECT SUM(c.total) FROM inbox_categories AS c WHERE c.user_id = inboxes.user_id), 0);
