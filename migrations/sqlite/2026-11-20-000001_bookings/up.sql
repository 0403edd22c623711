-- What guests asked for. Times are microseconds since 1970 UTC, which both databases keep exactly.
CREATE TABLE bookings (
    id TEXT NOT NULL PRIMARY KEY,
    host_id TEXT NOT NULL,
    guest_id TEXT NOT NULL,
    guest_name TEXT,
    listing_id TEXT NOT NULL,
    listing_name TEXT,
    check_in DATE NOT NULL,
    check_out DATE NOT NULL,
    guests INTEGER NOT NULL,
    note TEXT,
    status TEXT NOT NULL CHECK (status IN ('pending', 'accepted', 'completed', 'cancelled')),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
) WITHOUT ROWID;
