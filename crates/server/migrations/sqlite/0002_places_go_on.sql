-- What was deleted leaves behind how far its numbers had come, so that whatever is made under the same id goes on
-- from there: a client that comes back with an old place must not take it for one of the new numbers.
-- The organization is named by its public id, since its row may be gone too.

CREATE TABLE retired (
    organization TEXT NOT NULL,
    -- `website:ID` or `conversation:ID`.
    channel TEXT NOT NULL,
    -- Of a website its newest offset; of a conversation the newest team_seq.
    head INTEGER NOT NULL,
    -- Of a conversation the newest visitor_seq; of a website 0.
    visitor_head INTEGER NOT NULL,
    PRIMARY KEY (organization, channel)
) STRICT, WITHOUT ROWID;
