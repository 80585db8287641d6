//! Every statement of the running store, in one table, so that a test can look at each one's plan.
//!
//! They are written for SQLite; what Postgres says otherwise is changed by rules when one is prepared there, and what is
//! between `/*pg` and `*/` is for Postgres alone.

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* pub(in crate::store) const $name: &str = $sql;)*

        /// Name and text of each.
        #[cfg(test)]
        pub(in crate::store) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

/// What `rows::event` reads. A message's own columns come through `m`, which is the event itself for a message and
/// the message that was changed for an update, so both carry the newest content.
macro_rules! events {
    ($rest:literal) => {
        concat!(
            "SELECT e.event_offset, e.team_seq, e.visitor_seq, e.kind, e.at, c.public_id, v.public_id, ",
            "m.public_id, m.visitor_seq, m.at, m.updated_at, m.deleted, p.kind, p.public_id, m.sender_name, m.key, ",
            "m.content, m.metadata, e.status, e.assignee, e.changed_by ",
            "FROM events e CROSS JOIN conversations c ON c.id = e.conversation ",
            "CROSS JOIN people v ON v.id = c.visitor ",
            "LEFT JOIN events m ON m.id = coalesce(e.message, e.id) LEFT JOIN people p ON p.id = m.sender ",
            $rest
        )
    };
}

/// What `outbox::delivery` reads.
macro_rules! deliveries {
    ($rest:literal) => {
        concat!(
            "SELECT id, event, at, status, attempts, last_at, next_at, last_status, last_error FROM deliveries ",
            $rest
        )
    };
}

/// What `rows::conversation` reads.
macro_rules! conversations {
    ($from:literal) => {
        concat!(
            "SELECT c.id, c.public_id, c.website, w.public_id, c.visitor, v.public_id, c.status, c.assignee, ",
            "c.created_at, c.last_activity_at, c.team_head, c.visitor_head, c.organization, w.head, ",
            "v.external_id, v.email, v.name, c.visitor_activity_at ",
            $from
        )
    };
}

/// Unread messages by one of the two numberings.
macro_rules! unread {
    ($seq:literal) => {
        concat!(
            "SELECT c.id, (SELECT count(*) FROM (SELECT 1 FROM events e WHERE e.conversation = c.id AND e.",
            $seq,
            " > coalesce(s.",
            $seq,
            ", 0) AND e.kind = 1 AND e.deleted = 0 AND e.sender IS DISTINCT FROM coalesce(a.alias_of, a.id) LIMIT ?4) u) \
            FROM json_each(?1) k CROSS JOIN conversations c ON c.id = k.value \
            LEFT JOIN people a ON a.organization = c.organization AND a.kind = ?2 AND a.public_id = ?3 \
            AND a.website = CASE ?2 WHEN 0 THEN c.website ELSE 0 END \
            LEFT JOIN seen s ON s.conversation = c.id AND s.person = coalesce(a.alias_of, a.id)"
        )
    };
}

/// The conversations of two arrays, organizations and ids, each with its organization's id as the last column.
pub(in crate::store) const THREADS: &str = conversations!(
    ", o.public_id FROM unnest(?1, ?2) AS k (organization, id) \
    CROSS JOIN organizations o ON o.public_id = k.organization \
    CROSS JOIN conversations c ON c.organization = o.id AND c.public_id = k.id \
    CROSS JOIN websites w ON w.id = c.website CROSS JOIN people v ON v.id = c.visitor"
);

/// How far one side of a conversation has read, as the team counts: its visitor for 0, any user for 1.
macro_rules! read_by {
    ($select:literal, $side:literal, $from:literal) => {
        concat!(
            $select,
            " CASE WHEN ",
            $side,
            " = 0 THEN coalesce((SELECT s.team_seq FROM seen s WHERE s.conversation = c.id AND s.person = c.visitor), 0) \
            ELSE coalesce((SELECT max(s.team_seq) FROM seen s CROSS JOIN people p ON p.id = s.person \
            WHERE s.conversation = c.id AND p.kind = 1), 0) END ",
            $from
        )
    };
}

statements! {
    // ---- names to rows ----
    ORGANIZATION = "SELECT id FROM organizations WHERE public_id = ?1";
    SITE = "SELECT w.id, o.id, w.head FROM organizations o \
        CROSS JOIN websites w ON w.organization = o.id AND w.public_id = ?2 WHERE o.public_id = ?1";
    /// A website that is to stand until the transaction ends, unless somebody is deleting it.
    HOLD_SITE = "SELECT id FROM websites WHERE id = ?1 /*pg FOR KEY SHARE SKIP LOCKED */";
    /// One that is to be deleted in it.
    LOCK_SITE = "SELECT id FROM websites WHERE id = ?1 /*pg FOR UPDATE */";
    SITES_OF_ORGANIZATION = "SELECT w.id, w.public_id FROM organizations o \
        CROSS JOIN websites w ON w.organization = o.id WHERE o.public_id = ?1 ORDER BY w.public_id";
    CONVERSATION = conversations!("FROM organizations o \
        CROSS JOIN conversations c ON c.organization = o.id AND c.public_id = ?2 \
        CROSS JOIN websites w ON w.id = c.website CROSS JOIN people v ON v.id = c.visitor WHERE o.public_id = ?1");
    /// Those of some rows, in any order.
    CONVERSATIONS_BY_ID = conversations!("FROM json_each(?1) k CROSS JOIN conversations c ON c.id = k.value \
        CROSS JOIN websites w ON w.id = c.website CROSS JOIN people v ON v.id = c.visitor");

    // ---- messages and conversations: writes ----
    INSERT_CONVERSATION = "INSERT INTO conversations \
        (organization, public_id, website, visitor, status, created_at, last_activity_at, \
        visitor_activity_at, team_head, visitor_head) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?6, 0, 0)";
    UPDATE_CONVERSATION = "UPDATE conversations SET status = ?2, assignee = ?3, last_activity_at = ?4, \
        team_head = ?5, visitor_head = ?6, visitor_activity_at = ?7 WHERE id = ?1";
    UPDATE_HEAD = "UPDATE websites SET head = ?2 WHERE id = ?1";
    INSERT_EVENT = "INSERT INTO events (website, event_offset, conversation, team_seq, visitor_seq, kind, at, \
        message, status, assignee, changed_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    INSERT_MESSAGE = "INSERT INTO events (website, event_offset, conversation, team_seq, visitor_seq, kind, at, \
        public_id, sender, sender_name, key, fingerprint, content, metadata) \
        VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
    MESSAGE_BY_KEY = "SELECT public_id, team_seq, visitor_seq, at, fingerprint FROM events \
        WHERE conversation = ?1 AND sender = ?2 AND key = ?3 AND kind = 1";
    MESSAGE_FACTS = "SELECT m.id, m.visitor_seq, m.at, m.deleted, p.kind, p.public_id FROM events m \
        CROSS JOIN people p ON p.id = m.sender WHERE m.conversation = ?1 AND m.public_id = ?2 AND m.kind = 1";
    EDIT_MESSAGE = "UPDATE events SET content = ?2, updated_at = ?3 WHERE id = ?1";
    DELETE_MESSAGE = "UPDATE events SET content = NULL, metadata = NULL, updated_at = ?2, deleted = 1 WHERE id = ?1";
    VISITOR_SEQ_AT = "SELECT visitor_seq FROM events \
        WHERE conversation = ?1 AND team_seq <= ?2 AND visitor_seq IS NOT NULL ORDER BY team_seq DESC LIMIT 1";
    TEAM_SEQ_AT = "SELECT team_seq FROM events WHERE conversation = ?1 AND visitor_seq = ?2";
    SEEN = "SELECT team_seq, visitor_seq FROM seen WHERE conversation = ?1 AND person = ?2";
    PUT_SEEN = "INSERT INTO seen (conversation, person, team_seq, visitor_seq, at, name, avatar_url) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (conversation, person) DO UPDATE SET team_seq = excluded.team_seq, \
        visitor_seq = excluded.visitor_seq, at = excluded.at, name = excluded.name, avatar_url = excluded.avatar_url";

    // ---- messages and conversations: reads ----
    SEEN_OF_CONVERSATION = "SELECT p.kind, p.public_id, s.name, s.avatar_url, s.team_seq, s.visitor_seq, s.at \
        FROM seen s CROSS JOIN people p ON p.id = s.person WHERE s.conversation = ?1";
    TEAM_EVENTS = events!("WHERE e.conversation = ?1 AND e.team_seq > ?2 AND e.team_seq <= ?3 \
        ORDER BY e.team_seq LIMIT ?4");
    VISITOR_EVENTS = events!("WHERE e.conversation = ?1 AND e.visitor_seq > ?2 AND e.visitor_seq <= ?3 \
        ORDER BY e.visitor_seq LIMIT ?4");
    WEBSITE_EVENTS = events!("WHERE e.website = ?1 AND e.event_offset > ?2 AND e.event_offset <= ?3 \
        ORDER BY e.event_offset LIMIT ?4");
    TEAM_MESSAGES_UP = events!("WHERE e.conversation = ?1 AND e.team_seq > ?2 AND e.team_seq < ?3 AND e.kind = 1 \
        ORDER BY e.team_seq LIMIT ?4");
    TEAM_MESSAGES_DOWN = events!("WHERE e.conversation = ?1 AND e.team_seq > ?2 AND e.team_seq < ?3 AND e.kind = 1 \
        ORDER BY e.team_seq DESC LIMIT ?4");
    VISITOR_MESSAGES_UP = events!("WHERE e.conversation = ?1 AND e.visitor_seq > ?2 AND e.visitor_seq < ?3 \
        AND e.kind = 1 ORDER BY e.visitor_seq LIMIT ?4");
    VISITOR_MESSAGES_DOWN = events!("WHERE e.conversation = ?1 AND e.visitor_seq > ?2 AND e.visitor_seq < ?3 \
        AND e.kind = 1 ORDER BY e.visitor_seq DESC LIMIT ?4");
    MESSAGE = events!("WHERE e.conversation = ?1 AND e.public_id = ?2 AND e.kind = 1");
    /// The newest message of each of some conversations, in any order.
    TEAM_NEWEST = events!("WHERE e.id IN (SELECT (SELECT n.id FROM events n WHERE n.conversation = k.value \
        AND n.team_seq > 0 AND n.kind = 1 ORDER BY n.team_seq DESC LIMIT 1) FROM json_each(?1) k)");
    VISITOR_NEWEST = events!("WHERE e.id IN (SELECT (SELECT n.id FROM events n WHERE n.conversation = k.value \
        AND n.visitor_seq > 0 AND n.kind = 1 ORDER BY n.visitor_seq DESC LIMIT 1) FROM json_each(?1) k)");
    /// How many messages of others there are in each of some conversations that a person has not read.
    TEAM_UNREAD = unread!("team_seq");
    VISITOR_UNREAD = unread!("visitor_seq");
    LIST_BY_STATUS = "SELECT id, last_activity_at, public_id FROM conversations \
        WHERE website = ?1 AND status = ?2 AND (last_activity_at, public_id) < (?3, ?4) \
        ORDER BY last_activity_at DESC, public_id DESC LIMIT ?5";
    LIST_BY_ASSIGNEE = "SELECT id, last_activity_at, public_id FROM conversations \
        WHERE website = ?1 AND status = ?2 AND (last_activity_at, public_id) < (?3, ?4) AND assignee = ?6 \
        ORDER BY last_activity_at DESC, public_id DESC LIMIT ?5";
    LIST_UNASSIGNED = "SELECT id, last_activity_at, public_id FROM conversations \
        WHERE website = ?1 AND status = ?2 AND (last_activity_at, public_id) < (?3, ?4) AND assignee IS NULL \
        ORDER BY last_activity_at DESC, public_id DESC LIMIT ?5";
    LIST_BY_VISITOR = "SELECT id, last_activity_at, public_id FROM conversations \
        WHERE visitor = ?1 AND status = ?2 AND (last_activity_at, public_id) < (?3, ?4) \
        ORDER BY last_activity_at DESC, public_id DESC LIMIT ?5";
    LIST_BY_VISITOR_AND_ASSIGNEE = "SELECT id, last_activity_at, public_id FROM conversations \
        INDEXED BY conversations_by_visitor \
        WHERE visitor = ?1 AND status = ?2 AND (last_activity_at, public_id) < (?3, ?4) AND assignee IS NOT DISTINCT FROM ?6 \
        ORDER BY last_activity_at DESC, public_id DESC LIMIT ?5";
    LIST_OWN = "SELECT id, visitor_activity_at, public_id FROM conversations \
        WHERE visitor = ?1 AND status = ?2 AND (visitor_activity_at, public_id) < (?3, ?4) \
        ORDER BY visitor_activity_at DESC, public_id DESC LIMIT ?5";
    LIST_OWN_BY_ASSIGNEE = "SELECT id, visitor_activity_at, public_id FROM conversations \
        INDEXED BY conversations_of_visitor \
        WHERE visitor = ?1 AND status = ?2 AND (visitor_activity_at, public_id) < (?3, ?4) AND assignee IS NOT DISTINCT FROM ?6 \
        ORDER BY visitor_activity_at DESC, public_id DESC LIMIT ?5";

    // ---- people ----
    PERSON = "SELECT p.id, p.public_id, a.id, a.public_id FROM people p LEFT JOIN people a ON a.id = p.alias_of \
        WHERE p.organization = ?1 AND p.kind = ?2 AND p.public_id = ?3 AND p.website = ?4";
    PERSON_BY_EXTERNAL_ID = "SELECT id, public_id FROM people WHERE website = ?1 AND external_id = ?2";
    PERSON_ROW = "SELECT public_id, external_id, name, email, avatar_url, page, first_seen_at, last_seen_at \
        FROM people WHERE id = ?1";
    /// The same, in order to write it.
    LOCK_PERSON = "SELECT public_id, external_id, name, email, avatar_url, page, first_seen_at, last_seen_at \
        FROM people WHERE id = ?1 AND alias_of IS NULL /*pg FOR NO KEY UPDATE */";
    INSERT_PERSON = "INSERT INTO people (organization, kind, public_id, website, first_seen_at, last_seen_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?5) /*pg ON CONFLICT DO NOTHING */";
    UPDATE_PERSON = "UPDATE people SET external_id = ?2, name = ?3, email = ?4, avatar_url = ?5, page = ?6, \
        first_seen_at = ?7, last_seen_at = ?8 WHERE id = ?1";
    MAKE_ALIAS = "UPDATE people SET alias_of = ?2, external_id = NULL, name = NULL, email = NULL, avatar_url = NULL, \
        page = NULL WHERE id = ?1";
    MOVE_ALIASES = "UPDATE people SET alias_of = ?2 WHERE alias_of = ?1";
    /// Of websites by their ids. One that is being deleted, or that was deleted, is left out: nobody waits for it.
    PUT_MEMBERS = "INSERT INTO members (website, person) SELECT w.id, ?3 \
        FROM json_each(?2) k CROSS JOIN websites w ON w.organization = ?1 AND w.public_id = k.value \
        WHERE NOT EXISTS (SELECT 1 FROM members m WHERE m.website = w.id AND m.person = ?3) \
        /*pg FOR KEY SHARE OF w SKIP LOCKED */ ON CONFLICT DO NOTHING";
    MEMBERS = "SELECT p.kind, p.public_id, p.name, p.avatar_url FROM members m CROSS JOIN people p ON p.id = m.person \
        WHERE m.website = ?1";
    VISITOR_WEBSITES = "SELECT w.public_id FROM people p CROSS JOIN websites w ON w.id = p.website \
        WHERE p.organization = ?1 AND p.kind = 0 AND p.public_id = ?2 ORDER BY w.public_id";
    CONVERSATIONS_OF_VISITOR = "SELECT id, public_id FROM conversations WHERE visitor = ?1 \
        ORDER BY visitor_activity_at DESC, public_id DESC";
    MOVE_CONVERSATION = "UPDATE conversations SET visitor = ?2 WHERE id = ?1";
    MOVE_MESSAGES = "UPDATE events SET sender = ?3 WHERE conversation = ?1 AND sender = ?2 AND kind = 1";
    MOVE_CHANGES = "UPDATE events SET changed_by = ?3 WHERE conversation = ?1 AND changed_by = ?2";
    MOVE_SEEN = "UPDATE seen SET person = ?3 WHERE conversation = ?1 AND person = ?2";

    // ---- set-up ----
    INSERT_ORGANIZATION = "INSERT INTO organizations (public_id, name, created_at) VALUES (?1, ?2, ?3)";
    INSERT_WEBSITE = "INSERT INTO websites (organization, public_id, name, accent, questions, allowed_domains, \
        typing_preview, unseen_after, created_at, head) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0)";
    UPDATE_WEBSITE = "UPDATE websites SET name = ?2, accent = ?3, questions = ?4, allowed_domains = ?5, \
        typing_preview = ?6, unseen_after = ?7 WHERE id = ?1";
    INSERT_KEY = "INSERT INTO keys (public_id, organization, website, kind, material, algorithm, created_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    DELETE_KEY = "DELETE FROM keys WHERE public_id = ?1";
    PUT_REVOCATION = "INSERT INTO revocations (organization, kind, person, at) VALUES (?1, ?2, ?3, ?4) \
        ON CONFLICT (organization, kind, person) DO UPDATE \
        SET at = CASE WHEN excluded.at > revocations.at THEN excluded.at ELSE revocations.at END";
    MESSAGE_IDS_OF_WEBSITE = "SELECT id FROM events WHERE website = ?1 AND kind = 1";
    VISITOR_IDS_OF_WEBSITE = "SELECT id FROM people WHERE website = ?1 AND website > 0";
    /// Has whoever writes in a conversation of a website end first.
    LOCK_CONVERSATIONS = "SELECT count(*) FROM \
        (SELECT id FROM conversations WHERE website = ?1 /*pg ORDER BY id FOR UPDATE */) l";
    /// Where the numbers of a channel begin that was there before.
    RETIRED = "SELECT head, visitor_head FROM retired WHERE organization = ?1 AND channel = ?2";
    RETIRE_WEBSITE = "INSERT INTO retired (organization, channel, head, visitor_head) \
        SELECT o.public_id, 'website:' || w.public_id, w.head + 1, 0 \
        FROM websites w CROSS JOIN organizations o ON o.id = w.organization WHERE w.id = ?1 AND w.head > 0 \
        ON CONFLICT (organization, channel) DO UPDATE SET head = excluded.head";
    RETIRE_CONVERSATIONS = "INSERT INTO retired (organization, channel, head, visitor_head) \
        SELECT o.public_id, 'conversation:' || c.public_id, c.team_head + 1, c.visitor_head + 1 \
        FROM conversations c CROSS JOIN organizations o ON o.id = c.organization WHERE c.website = ?1 \
        ON CONFLICT (organization, channel) DO UPDATE SET head = excluded.head, visitor_head = excluded.visitor_head";
    CLEAR_SEEN = "DELETE FROM seen WHERE conversation IN (SELECT id FROM conversations WHERE website = ?1)";
    CLEAR_EVENTS = "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE website = ?1 LIMIT ?2)";
    CLEAR_CONVERSATIONS = "DELETE FROM conversations WHERE id IN \
        (SELECT id FROM conversations WHERE website = ?1 LIMIT ?2)";
    CLEAR_MEMBERS = "DELETE FROM members WHERE website = ?1";
    CLEAR_ALIASES = "DELETE FROM people WHERE website = ?1 AND website > 0 AND alias_of IS NOT NULL";
    CLEAR_VISITORS = "DELETE FROM people WHERE id IN \
        (SELECT id FROM people WHERE website = ?1 AND website > 0 LIMIT ?2)";
    CLEAR_WEBSITE_KEYS = "DELETE FROM keys WHERE website = ?1";
    CLEAR_WEBSITE = "DELETE FROM websites WHERE id = ?1";
    CLEAR_KEYS = "DELETE FROM keys WHERE organization = ?1";
    CLEAR_REVOCATIONS = "DELETE FROM revocations WHERE organization = ?1";
    CLEAR_PEOPLE = "DELETE FROM people WHERE organization = ?1";
    CLEAR_ORGANIZATION = "DELETE FROM organizations WHERE id = ?1";

    // ---- webhooks ----
    INSERT_WEBHOOK = "INSERT INTO webhooks (public_id, organization, url, secret, events, created_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    WEBHOOKS_OF_ORGANIZATION = "SELECT public_id, url, secret, events, created_at FROM webhooks \
        WHERE organization = ?1 ORDER BY public_id";
    HOOKS_OF_ORGANIZATION = "SELECT id, events FROM webhooks WHERE organization = ?1 ORDER BY public_id";
    WEBHOOK = "SELECT h.id FROM webhooks h CROSS JOIN organizations o ON o.id = h.organization \
        WHERE h.public_id = ?1 AND o.public_id = ?2";
    WEBHOOK_TARGET = "SELECT url, secret FROM webhooks WHERE id = ?1";
    /// A deleted webhook keeps its row until its deliveries are gone, and nothing that is of use to anybody.
    LEAVE_WEBHOOK = "UPDATE webhooks SET organization = NULL, url = '', secret = ?2 WHERE id = ?1";
    LEAVE_WEBHOOKS = "UPDATE webhooks SET organization = NULL, url = '', secret = ?2 WHERE organization = ?1";
    /// One for each of some webhooks.
    INSERT_DELIVERIES = "INSERT INTO deliveries (webhook, event, website, place, since_seq, upto_seq, unseen_by, \
        at, queued_at, next_at) SELECT k.value, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?8 FROM json_each(?1) k";
    DELIVERY = deliveries!("WHERE id = ?1");
    DELIVERIES = deliveries!("WHERE webhook = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3");
    DELIVERIES_BY_STATUS = deliveries!("WHERE webhook = ?1 AND status = ?4 AND id < ?2 ORDER BY id DESC LIMIT ?3");
    RESEND_DELIVERY = "UPDATE deliveries SET status = 0, round = round + 1, attempts = 0, queued_at = ?3, \
        next_at = ?3 /*pg , leased_until = 0 */ WHERE id = ?1 AND webhook = ?2";
    /// For how long each is another node's, by the clock of the database: those of two nodes may differ.
    WAITING_DELIVERIES = "SELECT id, next_at, 0 /*pg + greatest(leased_until \
        - CAST(extract(epoch FROM statement_timestamp()) * 1000 AS bigint), 0) */, 0 /*pg + leased_by */ FROM deliveries INDEXED BY deliveries_due \
        WHERE webhook = ?1 AND status <= 1 ORDER BY next_at, id LIMIT ?2";
    WAITING_SINCE = "SELECT queued_at FROM deliveries WHERE status <= 1 AND queued_at >= 0 \
        ORDER BY queued_at LIMIT 1";
    DUE_DELIVERY = "SELECT event, website, place, since_seq, upto_seq, unseen_by, at, attempts, round, id \
        FROM deliveries WHERE id = ?1";
    SITE_BY_ID = "SELECT o.public_id, w.public_id FROM websites w \
        CROSS JOIN organizations o ON o.id = w.organization WHERE w.id = ?1";
    EVENT_AT = events!("WHERE e.website = ?1 AND e.event_offset = ?2");
    /// Only by whoever has it in the works.
    SETTLE_DELIVERY = "UPDATE deliveries SET status = ?4, attempts = attempts + 1, next_at = ?5, last_at = ?6, \
        last_status = ?7, last_error = ?8 /*pg , leased_until = 0 */ \
        WHERE id = ?1 AND round = ?2 AND 0 /*pg + leased_by */ = ?3";
    DROP_DELIVERY = "DELETE FROM deliveries WHERE id = ?1 AND round = ?2 AND 0 /*pg + leased_by */ = ?3";
    GIVE_UP_DELIVERIES = "UPDATE deliveries SET status = 3, last_at = ?2, last_error = ?3 WHERE id IN \
        (SELECT id FROM deliveries WHERE status <= 1 AND queued_at < ?1 ORDER BY queued_at LIMIT ?4 /*pg FOR UPDATE SKIP LOCKED */)";
    CLEAN_DELIVERED = "DELETE FROM deliveries WHERE id IN \
        (SELECT id FROM deliveries WHERE status >= 2 AND status = 2 AND last_at < ?1 LIMIT ?2 /*pg FOR UPDATE SKIP LOCKED */)";
    CLEAN_DEAD = "DELETE FROM deliveries WHERE id IN \
        (SELECT id FROM deliveries WHERE status >= 2 AND status = 3 AND last_at < ?1 LIMIT ?2 /*pg FOR UPDATE SKIP LOCKED */)";
    GONE_WEBHOOK = "SELECT id FROM webhooks WHERE organization IS NULL LIMIT 1";
    CLEAN_WEBHOOK = "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE webhook = ?1 LIMIT ?2 /*pg FOR UPDATE SKIP LOCKED */)";
    DELETE_WEBHOOK = "DELETE FROM webhooks WHERE id = ?1";

    // ---- unseen messages ----
    UNSEEN_AFTER = "SELECT unseen_after FROM websites WHERE id = ?1";
    PUT_UNSEEN = "INSERT INTO unseen (conversation, unseen_by, since_seq, due_at) VALUES (?1, ?2, ?3, ?4) \
        ON CONFLICT DO NOTHING";
    FIRST_UNSEEN = "SELECT due_at FROM unseen WHERE due_at >= 0 ORDER BY due_at LIMIT 1";
    /// Whoever writes a message or a mark has the conversation: what is to be looked at is whole.
    DUE_UNSEEN = "SELECT u.conversation, u.unseen_by, u.since_seq FROM unseen u \
        CROSS JOIN conversations c ON c.id = u.conversation WHERE u.due_at <= ?1 ORDER BY u.due_at LIMIT ?2 \
        /*pg FOR NO KEY UPDATE SKIP LOCKED */";
    MOVE_UNSEEN = "UPDATE unseen SET since_seq = ?3, due_at = ?4 WHERE conversation = ?1 AND unseen_by = ?2";
    DROP_UNSEEN = "DELETE FROM unseen WHERE conversation = ?1 AND unseen_by = ?2";
    CLEAR_UNSEEN = "DELETE FROM unseen WHERE conversation IN (SELECT id FROM conversations WHERE website = ?1)";
    UNSEEN_THREAD = read_by!("SELECT c.organization, c.website, c.team_head, w.unseen_after,", "?2",
        "FROM conversations c CROSS JOIN websites w ON w.id = c.website WHERE c.id = ?1");
    UNSEEN_PLACE = read_by!("SELECT c.public_id, v.public_id,", "?3",
        "FROM conversations c CROSS JOIN people v ON v.id = c.visitor WHERE c.id = ?1 AND c.website = ?2");
    OLDEST_UNSEEN = "SELECT e.team_seq, e.at FROM events e CROSS JOIN people p ON p.id = e.sender \
        WHERE e.conversation = ?1 AND e.team_seq >= ?2 AND e.team_seq <= ?3 AND e.visitor_seq IS NOT NULL \
        AND e.kind = 1 AND e.deleted = 0 AND CASE p.kind WHEN 0 THEN 1 ELSE 0 END = ?4 ORDER BY e.team_seq LIMIT 1";
    COUNT_UNSEEN = "SELECT count(*) FROM events e CROSS JOIN people p ON p.id = e.sender \
        WHERE e.conversation = ?1 AND e.team_seq >= ?2 AND e.team_seq <= ?3 AND e.visitor_seq IS NOT NULL \
        AND e.kind = 1 AND e.deleted = 0 AND CASE p.kind WHEN 0 THEN 1 ELSE 0 END = ?4";
    UNSEEN_MESSAGES = events!("WHERE e.conversation = ?1 AND e.team_seq >= ?2 AND e.team_seq <= ?3 \
        AND e.visitor_seq IS NOT NULL AND e.kind = 1 AND e.deleted = 0 AND CASE p.kind WHEN 0 THEN 1 ELSE 0 END = ?4 \
        ORDER BY e.team_seq DESC LIMIT ?5");
}

/// The set-up is small and read whole, so these may walk their tables.
pub(in crate::store) mod directory {
    pub(in crate::store) const ORGANIZATIONS: &str =
        "SELECT public_id, name, created_at FROM organizations ORDER BY public_id";
    pub(in crate::store) const WEBSITES: &str = "SELECT o.public_id, w.public_id, w.name, w.accent, w.questions, \
        w.allowed_domains, w.typing_preview, w.unseen_after, w.created_at \
        FROM websites w JOIN organizations o ON o.id = w.organization ORDER BY o.public_id, w.public_id";
    pub(in crate::store) const KEYS: &str = "SELECT k.public_id, o.public_id, k.kind, k.material, k.algorithm, \
        w.public_id, k.created_at FROM keys k JOIN organizations o ON o.id = k.organization \
        LEFT JOIN websites w ON w.id = k.website ORDER BY k.public_id";
    pub(in crate::store) const WEBHOOK_IDS: &str =
        "SELECT id, organization, public_id FROM webhooks WHERE organization IS NOT NULL";
    pub(in crate::store) const REVOCATIONS: &str = "SELECT o.public_id, r.kind, r.person, r.at FROM revocations r \
        JOIN organizations o ON o.id = r.organization ORDER BY o.public_id, r.kind, r.person";
}
