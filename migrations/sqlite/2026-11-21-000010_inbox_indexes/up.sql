-- First pages of a long inbox by category and by type, which without these look at everything that is not of it.
-- Every notification pays for them once when it is written: the load program's mode `history` says how much.
CREATE INDEX notifications_by_category ON notifications (user_id, category, seq);
CREATE INDEX notifications_by_kind ON notifications (user_id, kind, seq);
-- What is unread of a category may be little of much, in either direction. Read rows leave this one.
CREATE INDEX notifications_unread_by_category ON notifications (user_id, category, seq) WHERE read_at IS NULL;
