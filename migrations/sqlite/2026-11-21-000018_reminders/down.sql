DROP INDEX bookings_to_remind;
ALTER TABLE bookings DROP COLUMN reminded_at;
