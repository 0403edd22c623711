-- Whom mail can be written to: what tokens said (address, name, language, zone) and, as JSON, what
-- the person chose, which goes first.
CREATE TABLE recipients (
    user_id TEXT NOT NULL PRIMARY KEY,
    email TEXT,
    name TEXT,
    locale TEXT,
    time_zone TEXT,
    preferences TEXT NOT NULL,
    updated_at BIGINT NOT NULL
) WITHOUT ROWID;

-- Who holds a role, for notifications to a role.
CREATE TABLE recipient_roles (
    role TEXT NOT NULL,
    user_id TEXT NOT NULL,
    PRIMARY KEY (role, user_id)
) WITHOUT ROWID;

CREATE INDEX recipient_roles_by_user ON recipient_roles (user_id);
