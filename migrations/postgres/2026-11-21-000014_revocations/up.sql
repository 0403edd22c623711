-- What administrators ordered of users' tokens and connections. Instances read what is new by ascending `id`, so ids
-- must become visible in their order: whoever adds a row holds the table against others who do, and takes the next
-- id after the newest, which is therefore never removed. `kind` is disconnect, token or issued_before, and decides
-- which of `token_id` and `issued_before` is there.
CREATE TABLE revocations (
    id BIGINT PRIMARY KEY NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    token_id TEXT COLLATE "C",
    issued_before BIGINT,
    at BIGINT NOT NULL
);
