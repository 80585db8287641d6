-- Ids from outside stand once, as public_id; everything else refers by integer.
-- A row's numbers (head, team_seq, visitor_seq, event_offset) are given by the one writer, in the row's transaction.

CREATE TABLE organizations (
    id INTEGER PRIMARY KEY,
    public_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE websites (
    -- Never used twice: the words of the search index carry it.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    organization INTEGER NOT NULL REFERENCES organizations (id),
    public_id TEXT NOT NULL,
    head INTEGER NOT NULL DEFAULT 0,
    name TEXT NOT NULL,
    accent TEXT,
    questions TEXT NOT NULL,
    allowed_domains TEXT NOT NULL,
    typing_preview TEXT NOT NULL,
    unseen_after INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (organization, public_id)
) STRICT;

-- kind: 0 public, 1 secret (its SHA-256), 2 HS256, 3 public key for tokens.
CREATE TABLE keys (
    id INTEGER PRIMARY KEY,
    public_id TEXT NOT NULL UNIQUE,
    organization INTEGER NOT NULL REFERENCES organizations (id),
    website INTEGER REFERENCES websites (id),
    kind INTEGER NOT NULL,
    material BLOB NOT NULL,
    algorithm TEXT,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX keys_by_organization ON keys (organization);
CREATE INDEX keys_by_website ON keys (website) WHERE website IS NOT NULL;
-- What a caller is told apart by names one key.
CREATE UNIQUE INDEX keys_by_material ON keys (kind, material) WHERE kind <= 1;

CREATE TABLE revocations (
    organization INTEGER NOT NULL REFERENCES organizations (id),
    kind INTEGER NOT NULL,
    person TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (organization, kind, person)
) STRICT, WITHOUT ROWID;

-- kind: 0 visitor (of one website), 1 user, 2 ai_agent (of the organization: website is 0).
-- A visitor that was merged into another one keeps its row, with alias_of, and owns nothing.
CREATE TABLE people (
    id INTEGER PRIMARY KEY,
    organization INTEGER NOT NULL REFERENCES organizations (id),
    kind INTEGER NOT NULL,
    public_id TEXT NOT NULL,
    website INTEGER NOT NULL,
    alias_of INTEGER REFERENCES people (id),
    external_id TEXT,
    name TEXT,
    email TEXT,
    avatar_url TEXT,
    page TEXT,
    first_seen_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    UNIQUE (organization, kind, public_id, website)
) STRICT;
CREATE UNIQUE INDEX people_by_external_id ON people (website, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX people_by_alias ON people (alias_of) WHERE alias_of IS NOT NULL;
CREATE INDEX people_by_website ON people (website) WHERE website > 0;

CREATE TABLE members (
    website INTEGER NOT NULL REFERENCES websites (id),
    person INTEGER NOT NULL REFERENCES people (id),
    PRIMARY KEY (website, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_person ON members (person);

-- status: 0 open, 1 pending, 2 resolved, 3 closed.
CREATE TABLE conversations (
    id INTEGER PRIMARY KEY,
    organization INTEGER NOT NULL REFERENCES organizations (id),
    public_id TEXT NOT NULL,
    website INTEGER NOT NULL REFERENCES websites (id),
    visitor INTEGER NOT NULL REFERENCES people (id),
    status INTEGER NOT NULL,
    assignee TEXT,
    created_at INTEGER NOT NULL,
    last_activity_at INTEGER NOT NULL,
    visitor_activity_at INTEGER NOT NULL,
    team_head INTEGER NOT NULL,
    visitor_head INTEGER NOT NULL,
    UNIQUE (organization, public_id)
) STRICT;
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
    id INTEGER PRIMARY KEY,
    website INTEGER NOT NULL,
    event_offset INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    team_seq INTEGER NOT NULL,
    visitor_seq INTEGER,
    kind INTEGER NOT NULL,
    at INTEGER NOT NULL,
    message INTEGER,
    status INTEGER,
    assignee TEXT,
    changed_by TEXT,
    public_id TEXT,
    sender INTEGER,
    sender_name TEXT,
    key TEXT,
    fingerprint BLOB,
    updated_at INTEGER,
    deleted INTEGER NOT NULL DEFAULT 0,
    metadata TEXT,
    content TEXT
) STRICT;
CREATE UNIQUE INDEX events_by_offset ON events (website, event_offset);
-- These two answer pages, replays and unread counts, the latter without touching a row.
CREATE INDEX events_by_team_seq ON events (conversation, team_seq, visitor_seq, kind, sender, deleted);
CREATE INDEX events_by_visitor_seq ON events (conversation, visitor_seq, kind, sender, deleted)
    WHERE visitor_seq IS NOT NULL;
CREATE UNIQUE INDEX messages_by_key ON events (conversation, sender, key) WHERE kind = 1;
CREATE UNIQUE INDEX messages_by_public_id ON events (conversation, public_id) WHERE kind = 1;

CREATE TABLE seen (
    conversation INTEGER NOT NULL,
    person INTEGER NOT NULL,
    team_seq INTEGER NOT NULL,
    visitor_seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    name TEXT,
    avatar_url TEXT,
    PRIMARY KEY (conversation, person)
) STRICT, WITHOUT ROWID;

-- One document for each message (rowid: twice its id) and for each visitor with a name or an e-mail address
-- (rowid: twice its id, plus one). Words arrive folded and prefixed by website and kind, so that one website's search
-- reads nothing of another's: `12phello` public, `12nhello` note, `12vhello` visitor.
CREATE VIRTUAL TABLE search USING fts5 (words, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii');
