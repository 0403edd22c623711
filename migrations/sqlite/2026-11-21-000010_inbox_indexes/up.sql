-- First pages of a long inbox by category, which without this look at everything that is not of it. Every
-- notification pays for it once when it is written: the load program's mode `history` says how much. Types have
-- none of their own: what that costs who books is more than who lists by type gains.
CREATE INDEX notifications_by_category ON notifications (user_id, category, seq);
