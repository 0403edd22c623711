-- What guests asked for. Times are microseconds since 1970 UTC, which both databases keep exactly;
-- ids compare byte by byte (collation C), which is what they are and is faster than a language's rules.
CREATE TABLE bookings (
    id TEXT COLLATE "C" PRIMARY KEY,
    host_id TEXT COLLATE "C" NOT NULL,
    guest_id TEXT COLLATE "C" NOT NULL,
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
);
