-- What all instances of one deployment share and nobody else knows, and what a restart must not change:
-- 32 random bytes a row, in base64. The first instance that needs a secret makes it. Who can read this
-- table can forge what is signed with it, so a backup is as secret as the program's configuration.
CREATE TABLE secrets (
    name TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL,
    created_at BIGINT NOT NULL
) WITHOUT ROWID;
