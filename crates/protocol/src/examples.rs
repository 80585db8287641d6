//! One message of every kind, with all of its optional fields and with none: for the generated documents, for the
//! fixtures and for tests.

use crate::{ClientFrame, ServerMessage};

/// The two examples of one message.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// JSON text with every field.
    pub full: &'static str,
    /// JSON text with the required fields alone.
    pub least: &'static str,
}

const fn example(full: &'static str, least: &'static str) -> Example {
    Example { full, least }
}

/// Examples of every [`ClientFrame`], in the order of [`crate::ClientMessage::TYPES`].
pub const CLIENT: &[Example] = &[
    example(r#"{"type":"ping","id":"ping-1","timestamp":1704067200000}"#, r#"{"type":"ping"}"#),
    example(
        r#"{"type":"authenticate","token":"header.claims.signature","id":"auth-1","timestamp":1704067200000}"#,
        r#"{"type":"authenticate","token":"t"}"#,
    ),
    example(
        r#"{"type":"subscribe_conversation","conversationId":"conv-1","after":41,"epoch":"e7","last":50,"id":"sub-1","timestamp":1704067200000}"#,
        r#"{"type":"subscribe_conversation","conversationId":"conv-1"}"#,
    ),
    example(
        r#"{"type":"unsubscribe_conversation","conversationId":"conv-1","id":"unsub-1","timestamp":1704067200000}"#,
        r#"{"type":"unsubscribe_conversation","conversationId":"conv-1"}"#,
    ),
    example(
        r#"{"type":"subscribe_website","websiteId":"website-123","after":977,"epoch":"e7","id":"sub-2","timestamp":1704067200000}"#,
        r#"{"type":"subscribe_website","websiteId":"website-123"}"#,
    ),
    example(
        r#"{"type":"unsubscribe_website","websiteId":"website-123","id":"unsub-2","timestamp":1704067200000}"#,
        r#"{"type":"unsubscribe_website","websiteId":"website-123"}"#,
    ),
    example(
        r#"{"type":"typing_start","conversationId":"conv-1","id":"typing-1","timestamp":1704067200000}"#,
        r#"{"type":"typing_start","conversationId":"conv-1"}"#,
    ),
    example(
        r#"{"type":"typing_stop","conversationId":"conv-1","id":"typing-2","timestamp":1704067200000}"#,
        r#"{"type":"typing_stop","conversationId":"conv-1"}"#,
    ),
    example(
        r#"{"type":"typing_progress","conversationId":"conv-1","content":"Where is my ord","id":"typing-3","timestamp":1704067200000}"#,
        r#"{"type":"typing_progress","conversationId":"conv-1","content":""}"#,
    ),
    example(
        r#"{"type":"send_message","conversationId":"conv-1","content":{"text":"Here it is","html":"<p>Here it is</p>","attachments":[{"id":"file-1","url":"https://files.example/receipt.pdf","type":"application/pdf","name":"receipt.pdf","size":52113}],"metadata":{"campaign":"spring"}},"metadata":{"page":"/orders/7"},"visibility":"internal","id":"message-1","timestamp":1704067200000}"#,
        r#"{"type":"send_message","conversationId":"conv-1","content":{"text":"Where is my order?"}}"#,
    ),
    example(
        r#"{"type":"mark_seen","conversationId":"conv-1","seq":42,"id":"seen-1","timestamp":1704067200000}"#,
        r#"{"type":"mark_seen","conversationId":"conv-1","seq":0}"#,
    ),
    example(
        r#"{"type":"viewing_start","conversationId":"conv-1","id":"viewing-1","timestamp":1704067200000}"#,
        r#"{"type":"viewing_start","conversationId":"conv-1"}"#,
    ),
    example(
        r#"{"type":"viewing_stop","conversationId":"conv-1","id":"viewing-2","timestamp":1704067200000}"#,
        r#"{"type":"viewing_stop","conversationId":"conv-1"}"#,
    ),
    example(
        r#"{"type":"agent_activity","conversationId":"conv-1","phase":"searching","text":"Looking up the order","audience":"all","id":"activity-1","timestamp":1704067200000}"#,
        r#"{"type":"agent_activity","conversationId":"conv-1","phase":"done"}"#,
    ),
];

/// Examples of every [`ServerMessage`], in the order of [`ServerMessage::TYPES`].
pub const SERVER: &[Example] = &[
    example(
        r#"{"type":"connection_established","connectionId":"conn_01","serverTime":1704067200000,"userId":"visitor-1","userType":"visitor","heartbeatInterval":30000,"limits":{"maxMessageBytes":65536,"maxTextLength":16000,"maxSubscriptions":1000,"typingInterval":20,"typingExpiry":6000},"visitorToken":"header.claims.signature","expiresAt":"2024-01-31T00:00:00.000Z","team":{"online":true,"members":[{"userType":"user","name":"Ada","avatarUrl":"https://files.example/ada.png"}]}}"#,
        r#"{"type":"connection_established","connectionId":"conn_01","serverTime":1704067200000,"userId":"user-1","userType":"user","heartbeatInterval":30000,"limits":{"maxMessageBytes":65536,"maxTextLength":16000,"typingExpiry":6000}}"#,
    ),
    example(r#"{"type":"pong","id":"ping-1"}"#, r#"{"type":"pong"}"#),
    example(
        r#"{"type":"authenticated","id":"auth-1","expiresAt":"2024-01-01T01:00:00.000Z"}"#,
        r#"{"type":"authenticated","expiresAt":"2024-01-01T01:00:00.000Z"}"#,
    ),
    example(
        r#"{"type":"token_expiring","expiresAt":"2024-01-01T01:00:00.000Z"}"#,
        r#"{"type":"token_expiring","expiresAt":"2024-01-01T01:00:00.000Z"}"#,
    ),
    example(
        r#"{"type":"subscription_confirmed","id":"sub-1","channel":"conversation:conv-1","epoch":"e7","head":42,"recovered":true,"replayed":1,"visitorId":"visitor-1","status":"open","assignedTeamMemberId":"user-1","seen":[{"userId":"user-1","userType":"user","lastSeenSeq":42,"userName":"Ada","avatarUrl":"https://files.example/ada.png"}],"typing":[{"userId":"visitor-1","userType":"visitor","conversationId":"conv-1","userName":"Grace","avatarUrl":"https://files.example/grace.png"}],"activity":[{"userId":"agent-1","phase":"searching","text":"Looking up the order","userName":"Helper","avatarUrl":"https://files.example/helper.png"}],"online":[{"visitorId":"visitor-1","conversationIds":["conv-1"]}],"viewing":[{"userId":"user-2","userName":"Alan","avatarUrl":"https://files.example/alan.png"}]}"#,
        r#"{"type":"subscription_confirmed","channel":"website:website-123","epoch":"e7","head":0,"recovered":false,"replayed":0}"#,
    ),
    example(
        r#"{"type":"subscription_error","id":"sub-1","error":"the field is not valid","code":"invalid_message","channel":"conversation:conv-1","details":{"path":"after","reason":"must be a whole number from 0 to 2^53-1","status":"open"},"retryAfter":1000}"#,
        r#"{"type":"subscription_error","error":"there is no such conversation","code":"not_found","channel":"conversation:conv-1"}"#,
    ),
    example(
        r#"{"type":"subscription_ended","id":"unsub-1","channel":"conversation:conv-1","reason":"revoked"}"#,
        r#"{"type":"subscription_ended","channel":"website:website-123"}"#,
    ),
    example(
        r#"{"type":"message_ack","id":"message-1","conversationId":"conv-1","messageId":"msg_01","seq":42,"createdAt":"2024-01-01T00:00:00.000Z","duplicate":true}"#,
        r#"{"type":"message_ack","id":"message-1","conversationId":"conv-1","messageId":"msg_01","seq":42,"createdAt":"2024-01-01T00:00:00.000Z"}"#,
    ),
    example(
        r#"{"type":"new_message","conversationId":"conv-1","messageId":"msg_01","content":{"text":"Here it is","html":"<p>Here it is</p>","attachments":[{"id":"file-1","url":"https://files.example/receipt.pdf","type":"application/pdf","name":"receipt.pdf","size":52113}],"metadata":{"campaign":"spring"}},"senderType":"user","senderId":"user-1","senderName":"Ada","createdAt":"2024-01-01T00:00:00.000Z","websiteId":"website-123","organizationId":"org-demo","metadata":{"page":"/orders/7"},"visibility":"internal","clientMessageId":"message-1","deleted":false,"updatedAt":"2024-01-01T00:05:00.000Z","seq":42,"offset":978}"#,
        r#"{"type":"new_message","conversationId":"conv-1","messageId":"msg_01","content":null,"senderType":"visitor","senderId":"visitor-1","createdAt":"2024-01-01T00:00:00.000Z","websiteId":"website-123","organizationId":"org-demo","visibility":"public","seq":42}"#,
    ),
    example(
        r#"{"type":"message_updated","conversationId":"conv-1","messageId":"msg_01","content":{"text":"Here it is, at last","html":"<p>Here it is, at last</p>","attachments":[{"id":"file-1","url":"https://files.example/receipt.pdf","type":"application/pdf","name":"receipt.pdf","size":52113}],"metadata":{"campaign":"spring"}},"updatedAt":"2024-01-01T00:05:00.000Z","deleted":false,"websiteId":"website-123","organizationId":"org-demo","seq":43,"offset":979}"#,
        r#"{"type":"message_updated","conversationId":"conv-1","messageId":"msg_01","content":null,"updatedAt":"2024-01-01T00:05:00.000Z","deleted":true,"websiteId":"website-123","organizationId":"org-demo","seq":43}"#,
    ),
    example(
        r#"{"type":"conversation_created","conversationId":"conv-1","visitorId":"visitor-1","createdAt":"2024-01-01T00:00:00.000Z","websiteId":"website-123","organizationId":"org-demo","seq":1,"offset":936}"#,
        r#"{"type":"conversation_created","conversationId":"conv-1","visitorId":"visitor-1","createdAt":"2024-01-01T00:00:00.000Z","websiteId":"website-123","organizationId":"org-demo","seq":1}"#,
    ),
    example(
        r#"{"type":"visitor_identified","visitorId":"visitor-2","identity":{"externalId":"customer-7","email":"grace@example.com","name":"Grace"},"previousVisitorId":"visitor-1","conversationIds":["conv-1"],"websiteId":"website-123","organizationId":"org-demo"}"#,
        r#"{"type":"visitor_identified","visitorId":"visitor-1","identity":{},"websiteId":"website-123","organizationId":"org-demo"}"#,
    ),
    example(
        r#"{"type":"team_online","websiteId":"website-123"}"#,
        r#"{"type":"team_online","websiteId":"website-123"}"#,
    ),
    example(
        r#"{"type":"team_offline","websiteId":"website-123"}"#,
        r#"{"type":"team_offline","websiteId":"website-123"}"#,
    ),
    example(
        r#"{"type":"conversation_status_changed","conversationId":"conv-1","status":"resolved","changedBy":"user-1","websiteId":"website-123","organizationId":"org-demo","seq":44,"offset":980}"#,
        r#"{"type":"conversation_status_changed","conversationId":"conv-1","status":"resolved","websiteId":"website-123","organizationId":"org-demo","seq":44}"#,
    ),
    example(
        r#"{"type":"conversation_assigned","conversationId":"conv-1","assignedTeamMemberId":"user-1","changedBy":"user-2","websiteId":"website-123","organizationId":"org-demo","seq":45,"offset":981}"#,
        r#"{"type":"conversation_assigned","conversationId":"conv-1","assignedTeamMemberId":null,"websiteId":"website-123","organizationId":"org-demo","seq":45}"#,
    ),
    example(
        r#"{"type":"conversation_seen","conversationId":"conv-1","userId":"user-1","userType":"user","lastSeenSeq":42,"seenAt":"2024-01-01T00:01:00.000Z","userName":"Ada","avatarUrl":"https://files.example/ada.png","websiteId":"website-123","organizationId":"org-demo"}"#,
        r#"{"type":"conversation_seen","conversationId":"conv-1","userId":"visitor-1","userType":"visitor","lastSeenSeq":0,"seenAt":"2024-01-01T00:01:00.000Z","websiteId":"website-123","organizationId":"org-demo"}"#,
    ),
    example(
        r#"{"type":"typing_indicator","conversationId":"conv-1","userId":"user-1","userType":"user","isTyping":true,"userName":"Ada","avatarUrl":"https://files.example/ada.png","websiteId":"website-123","organizationId":"org-demo"}"#,
        r#"{"type":"typing_indicator","conversationId":"conv-1","userId":"visitor-1","userType":"visitor","isTyping":false,"websiteId":"website-123","organizationId":"org-demo"}"#,
    ),
    example(
        r#"{"type":"viewing_indicator","conversationId":"conv-1","userId":"user-1","isViewing":true,"userName":"Ada","avatarUrl":"https://files.example/ada.png","websiteId":"website-123","organizationId":"org-demo"}"#,
        r#"{"type":"viewing_indicator","conversationId":"conv-1","userId":"user-1","isViewing":false,"websiteId":"website-123","organizationId":"org-demo"}"#,
    ),
    example(
        r#"{"type":"typing_progress","conversationId":"conv-1","userId":"agent-1","userType":"ai_agent","content":"Your order is","userName":"Helper","avatarUrl":"https://files.example/helper.png","websiteId":"website-123","organizationId":"org-demo"}"#,
        r#"{"type":"typing_progress","conversationId":"conv-1","userId":"visitor-1","userType":"visitor","content":"","websiteId":"website-123","organizationId":"org-demo"}"#,
    ),
    example(
        r#"{"type":"agent_activity","conversationId":"conv-1","userId":"agent-1","phase":"searching","text":"Looking up the order","userName":"Helper","avatarUrl":"https://files.example/helper.png","websiteId":"website-123","organizationId":"org-demo"}"#,
        r#"{"type":"agent_activity","conversationId":"conv-1","userId":"agent-1","phase":"done","websiteId":"website-123","organizationId":"org-demo"}"#,
    ),
    example(
        r#"{"type":"visitor_online","conversationId":"conv-1","conversationIds":["conv-1","conv-0"],"visitorId":"visitor-1","websiteId":"website-123","organizationId":"org-demo","lastSeenAt":"2024-01-01T00:00:00.000Z"}"#,
        r#"{"type":"visitor_online","conversationId":"conv-1","conversationIds":["conv-1"],"visitorId":"visitor-1","websiteId":"website-123","organizationId":"org-demo"}"#,
    ),
    example(
        r#"{"type":"visitor_offline","conversationId":"conv-1","conversationIds":["conv-1","conv-0"],"visitorId":"visitor-1","websiteId":"website-123","organizationId":"org-demo","lastSeenAt":"2024-01-01T00:00:00.000Z"}"#,
        r#"{"type":"visitor_offline","conversationId":"conv-1","conversationIds":["conv-1"],"visitorId":"visitor-1","websiteId":"website-123","organizationId":"org-demo"}"#,
    ),
    example(
        r#"{"type":"error","id":"message-1","error":"the conversation is closed","code":"conflict","details":{"path":"conversationId","reason":"is closed","status":"closed"},"retryAfter":1000}"#,
        r#"{"type":"error","error":"the text is not JSON","code":"invalid_json"}"#,
    ),
    example(
        r#"{"type":"reconnect","reason":"draining","retryAfter":2500}"#,
        r#"{"type":"reconnect","reason":"draining"}"#,
    ),
];

/// [`CLIENT`], read.
///
/// # Panics
/// Never: a test reads them all.
#[must_use]
pub fn client() -> Vec<ClientFrame> {
    let texts = CLIENT.iter().flat_map(|example| [example.full, example.least]);
    texts.map(|text| ClientFrame::parse(text).expect("examples are valid")).collect()
}

/// [`SERVER`], read.
///
/// # Panics
/// Never: a test reads them all.
#[must_use]
pub fn server() -> Vec<ServerMessage> {
    let texts = SERVER.iter().flat_map(|example| [example.full, example.least]);
    texts.map(|text| ServerMessage::parse(text).expect("examples are valid")).collect()
}
