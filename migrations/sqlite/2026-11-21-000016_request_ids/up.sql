-- Which request a notification comes of, so that who has the one finds the other in the log, also when its mail goes
-- hours later or from another instance. Not searched by, and therefore without an index; none for what was there before.
ALTER TABLE notifications ADD COLUMN request_id TEXT;
