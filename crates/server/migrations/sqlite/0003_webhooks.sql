-- Webhooks, and what they are still to be told.

CREATE TABLE webhooks (
    -- Never used twice: deliveries of a webhook that is gone are removed by and by.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    public_id TEXT NOT NULL UNIQUE,
    -- NULL once it was deleted.
    organization INTEGER REFERENCES organizations (id),
    url TEXT NOT NULL,
    secret BLOB NOT NULL,
    -- A bit for each event.
    events INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX webhooks_by_organization ON webhooks (organization, public_id);

-- status: 0 pending, 1 failed, 2 delivered, 3 dead.
-- event: see event_number; what it tells of is named by website and place, whose numbers are never used twice:
-- the offset of an event; of message.unseen (5) the conversation's row, with the stretch of team_seq and who has not
-- read (0 the visitor, 1 the team).
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook INTEGER NOT NULL,
    event INTEGER NOT NULL,
    website INTEGER NOT NULL,
    place INTEGER NOT NULL,
    since_seq INTEGER,
    upto_seq INTEGER,
    unseen_by INTEGER,
    at INTEGER NOT NULL,
    queued_at INTEGER NOT NULL,
    status INTEGER NOT NULL DEFAULT 0,
    -- How often it was sent once more by hand.
    round INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL,
    last_at INTEGER,
    last_status INTEGER,
    last_error TEXT
) STRICT;
CREATE INDEX deliveries_due ON deliveries (webhook, next_at) WHERE status <= 1;
CREATE INDEX deliveries_waiting ON deliveries (queued_at) WHERE status <= 1;
CREATE INDEX deliveries_ended ON deliveries (status, last_at) WHERE status >= 2;
CREATE INDEX deliveries_by_status ON deliveries (webhook, status);
CREATE INDEX deliveries_by_webhook ON deliveries (webhook);

-- One row for each conversation and side that has a public message to read of which webhooks were not told yet.
CREATE TABLE unseen (
    conversation INTEGER NOT NULL,
    -- Who is to read: 0 the visitor, 1 the team.
    unseen_by INTEGER NOT NULL,
    -- From which team_seq on.
    since_seq INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    PRIMARY KEY (conversation, unseen_by)
) STRICT, WITHOUT ROWID;
CREATE INDEX unseen_due ON unseen (due_at);
