-- When the parties of a booking were reminded of its check-in: marked in the transaction that tells them, so that
-- whoever looks next, here or on another instance, leaves it alone. The index holds what may still be told, in the
-- order of check-in, of which a look reads the one or two days that are due: stays of long ago that nobody was ever
-- reminded of lie before them and are not touched.
ALTER TABLE bookings ADD COLUMN reminded_at BIGINT;
CREATE INDEX bookings_to_remind ON bookings (check_in) WHERE status = 'accepted' AND reminded_at IS NULL;
