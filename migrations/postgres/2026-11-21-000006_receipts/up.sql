-- Who saw what, when, on which device, and what became of the mail: only ever appended to. What a step may
-- be is the program's to say and not checked here, so that a new one needs no change of the table that
-- grows most. The beginning is not kept: it is the notification's own created_at. Channel and device are
-- empty where there is none.
-- The key is the order in which a notification's trail is read, and what makes a batch that is written
-- twice, because nobody knows whether the first commit came through, recorded once.
CREATE TABLE receipts (
    notification_id TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    step TEXT COLLATE "C" NOT NULL,
    channel TEXT COLLATE "C" NOT NULL,
    device TEXT COLLATE "C" NOT NULL,
    error TEXT,
    PRIMARY KEY (notification_id, at, step, device)
);
