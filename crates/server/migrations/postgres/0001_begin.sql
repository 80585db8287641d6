-- Ids from outside stand once, as public_id; everything else refers by integer.
-- A row's numbers (head, team_seq, visitor_seq, event_offset) are given under the lock of its website's row.
-- Names are compared byte by byte, whatever the database's locale: lists are in that order.

CREATE TABLE organizations (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id TEXT COLLATE "C" NOT NULL UNIQUE,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE websites (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization BIGINT NOT NULL REFERENCES organizations (id),
    public_id TEXT COLLATE "C" NOT NULL,
    head BIGINT NOT NULL DEFAULT 0,
    name TEXT NOT NULL,
    accent TEXT,
    questions TEXT NOT NULL,
    allowed_domains TEXT NOT NULL,
    typing_preview TEXT NOT NULL,
    unseen_after BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (organization, public_id)
) WITH (fillfactor = 50);

-- kind: 0 public, 1 secret (its SHA-256), 2 HS256, 3 public key for tokens.
CREATE TABLE keys (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id TEXT COLLATE "C" NOT NULL UNIQUE,
    organization BIGINT NOT NULL REFERENCES organizations (id),
    website BIGINT REFERENCES websites (id),
    kind SMALLINT NOT NULL,
    material BYTEA NOT NULL,
    algorithm TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX keys_by_organization ON keys (organization);
CREATE INDEX keys_by_website ON keys (website) WHERE website IS NOT NULL;
-- What a caller is told apart by names one key.
CREATE UNIQUE INDEX keys_by_material ON keys (kind, material) WHERE kind <= 1;

CREATE TABLE revocations (
    organization BIGINT NOT NULL REFERENCES organizations (id),
    kind SMALLINT NOT NULL,
    person TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (organization, kind, person)
);

-- kind: 0 visitor (of one website), 1 user, 2 ai_agent (of the organization: website is 0).
-- A visitor that was merged into another one keeps its row, with alias_of, and owns nothing.
-- words: what a search finds a visitor by, folded and prefixed by website and kind.
CREATE TABLE people (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization BIGINT NOT NULL REFERENCES organizations (id),
    kind SMALLINT NOT NULL,
    public_id TEXT COLLATE "C" NOT NULL,
    website BIGINT NOT NULL,
    alias_of BIGINT REFERENCES people (id),
    external_id TEXT COLLATE "C",
    name TEXT,
    email TEXT,
    avatar_url TEXT,
    page TEXT,
    first_seen_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    words TSVECTOR,
    UNIQUE (organization, kind, public_id, website)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX people_by_external_id ON people (website, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX people_by_alias ON people (alias_of) WHERE alias_of IS NOT NULL;
CREATE INDEX people_by_website ON people (website) WHERE website > 0;
CREATE INDEX people_by_words ON people USING gin (words) WHERE words IS NOT NULL;

CREATE TABLE members (
    website BIGINT NOT NULL REFERENCES websites (id),
    person BIGINT NOT NULL REFERENCES people (id),
    PRIMARY KEY (website, person)
);
CREATE INDEX members_by_person ON members (person);

-- status: 0 open, 1 pending, 2 resolved, 3 closed.
CREATE TABLE conversations (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization BIGINT NOT NULL REFERENCES organizations (id),
    public_id TEXT COLLATE "C" NOT NULL,
    website BIGINT NOT NULL REFERENCES websites (id),
    visitor BIGINT NOT NULL REFERENCES people (id),
    status SMALLINT NOT NULL,
    assignee TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    last_activity_at BIGINT NOT NULL,
    visitor_activity_at BIGINT NOT NULL,
    team_head BIGINT NOT NULL,
    visitor_head BIGINT NOT NULL,
    UNIQUE (organization, public_id)
) WITH (fillfactor = 80);
-- Lists are read one status at a time, so that each is a walk along one index whatever the filter.
CREATE INDEX conversations_by_status ON conversations (website, status, last_activity_at, public_id);
CREATE INDEX conversations_by_assignee ON conversations (website, assignee, status, last_activity_at, public_id);
CREATE INDEX conversations_by_visitor ON conversations (visitor, status, last_activity_at, public_id);
-- A visitor's own list: notes, which it may not know of, move nothing in it.
CREATE INDEX conversations_of_visitor ON conversations (visitor, status, visitor_activity_at, public_id);

-- kind: 0 created, 1 message, 2 updated (message: which), 3 status, 4 assigned.
-- What the visitor may not see has no visitor_seq; a message without one is a note.
-- References are not checked by the database here: each would cost every message a look-up.
CREATE TABLE events (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    website BIGINT NOT NULL,
    event_offset BIGINT NOT NULL,
    conversation BIGINT NOT NULL,
    team_seq BIGINT NOT NULL,
    visitor_seq BIGINT,
    at BIGINT NOT NULL,
    message BIGINT,
    sender BIGINT,
    updated_at BIGINT,
    kind SMALLINT NOT NULL,
    status SMALLINT,
    deleted SMALLINT NOT NULL DEFAULT 0,
    assignee TEXT COLLATE "C",
    changed_by TEXT COLLATE "C",
    public_id TEXT COLLATE "C",
    sender_name TEXT,
    key TEXT COLLATE "C",
    fingerprint BYTEA,
    metadata TEXT,
    content TEXT,
    words TSVECTOR
);
CREATE UNIQUE INDEX events_by_offset ON events (website, event_offset);
-- These two answer pages, replays and unread counts.
CREATE INDEX events_by_team_seq ON events (conversation, team_seq, visitor_seq, kind, sender, deleted);
CREATE INDEX events_by_visitor_seq ON events (conversation, visitor_seq, kind, sender, deleted)
    WHERE visitor_seq IS NOT NULL;
CREATE UNIQUE INDEX messages_by_key ON events (conversation, sender, key) WHERE kind = 1;
CREATE UNIQUE INDEX messages_by_public_id ON events (conversation, public_id) WHERE kind = 1;
CREATE INDEX messages_by_words ON events USING gin (words) WHERE words IS NOT NULL;

CREATE TABLE seen (
    conversation BIGINT NOT NULL,
    person BIGINT NOT NULL,
    team_seq BIGINT NOT NULL,
    visitor_seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    name TEXT,
    avatar_url TEXT,
    PRIMARY KEY (conversation, person)
) WITH (fillfactor = 80);

-- What was deleted leaves behind how far its numbers had come, so that whatever is made under the same id goes on
-- from there. The organization is named by its public id, since its row may be gone too.
CREATE TABLE retired (
    organization TEXT COLLATE "C" NOT NULL,
    -- `website:ID` or `conversation:ID`.
    channel TEXT COLLATE "C" NOT NULL,
    -- Of a website its newest offset; of a conversation the newest team_seq.
    head BIGINT NOT NULL,
    -- Of a conversation the newest visitor_seq; of a website 0.
    visitor_head BIGINT NOT NULL,
    PRIMARY KEY (organization, channel)
);

CREATE TABLE webhooks (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id TEXT COLLATE "C" NOT NULL UNIQUE,
    -- NULL once it was deleted.
    organization BIGINT REFERENCES organizations (id),
    url TEXT NOT NULL,
    secret BYTEA NOT NULL,
    -- A bit for each event.
    events BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX webhooks_by_organization ON webhooks (organization, public_id);

-- status: 0 pending, 1 failed, 2 delivered, 3 dead.
-- event: see event_number; what it tells of is named by website and place, whose numbers are never used twice:
-- the offset of an event; of message.unseen (5) the conversation's row, with the stretch of team_seq and who has not
-- read (0 the visitor, 1 the team).
CREATE TABLE deliveries (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook BIGINT NOT NULL,
    event SMALLINT NOT NULL,
    website BIGINT NOT NULL,
    place BIGINT NOT NULL,
    since_seq BIGINT,
    upto_seq BIGINT,
    unseen_by SMALLINT,
    at BIGINT NOT NULL,
    queued_at BIGINT NOT NULL,
    status SMALLINT NOT NULL DEFAULT 0,
    -- How often it was sent once more by hand.
    round INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at BIGINT NOT NULL,
    last_at BIGINT,
    last_status INTEGER,
    last_error TEXT,
    -- Which node has it in the works, and until when others leave it alone.
    leased_by BIGINT NOT NULL DEFAULT 0,
    leased_until BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 80);
CREATE INDEX deliveries_due ON deliveries (webhook, next_at, id) WHERE status <= 1;
CREATE INDEX deliveries_waiting ON deliveries (queued_at) WHERE status <= 1;
CREATE INDEX deliveries_ended ON deliveries (status, last_at) WHERE status >= 2;
CREATE INDEX deliveries_by_status ON deliveries (webhook, status, id);
CREATE INDEX deliveries_by_webhook ON deliveries (webhook, id);

-- One row for each conversation and side that has a public message to read of which webhooks were not told yet.
CREATE TABLE unseen (
    conversation BIGINT NOT NULL,
    -- Who is to read: 0 the visitor, 1 the team.
    unseen_by SMALLINT NOT NULL,
    -- From which team_seq on.
    since_seq BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    PRIMARY KEY (conversation, unseen_by)
);
CREATE INDEX unseen_due ON unseen (due_at);

-- One row for each process that writes: the number of its last transaction, by which it knows after a broken connection
-- whether that one stands.
CREATE TABLE writers (
    id BIGINT PRIMARY KEY,
    last BIGINT NOT NULL,
    at TIMESTAMPTZ NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
