// Generated from crates/protocol by `cargo xtask gen`. Do not edit.

import { judge, judgeMessage, type Grammar, type Judged } from "./interpret.js";
import { metadataFault, nonEmptyFault, type Fault } from "./rules.js";
import type { ClientMessages, ServerMessages } from "./types.js";

export type { Fault, Judged };

const client: Grammar = {
  messages: {
    ping: "",
    authenticate: "token:text1to8192",
    subscribe_conversation: "conversationId after?integer epoch?text0to64 last?integer",
    unsubscribe_conversation: "conversationId",
    subscribe_website: "websiteId after?integer epoch?text0to64",
    unsubscribe_website: "websiteId",
    typing_start: "conversationId",
    typing_stop: "conversationId",
    typing_progress: "conversationId content:text0to2000",
    send_message: "conversationId content:messageContent metadata? visibility?",
    mark_seen: "conversationId seq:integer",
    viewing_start: "conversationId",
    viewing_stop: "conversationId",
    agent_activity: "conversationId phase:text1to64 audience?activityAudience text?text0to2000",
  },
  kinds: {
    activityAudience: /^(team|all)$/,
    attachment: "id:text1to128 url type:text1to256 name:text1to256 size?integer",
    conversationId: /^[A-Za-z0-9_-]{1,128}$/u,
    messageContent: "attachments?attachment[10] html?text0to32000 metadata? text?text0to16000 :messageContentParts",
    messageContentParts: (value) => nonEmptyFault(value, ["text", "html", "attachments"]),
    metadata: (value) => metadataFault(value, 8192, 8),
    requestId: /^[^\0\p{Surrogate}]{1,64}$/u,
    text0to16000: /^[^\0\p{Surrogate}]{0,16000}$/u,
    text0to2000: /^[^\0\p{Surrogate}]{0,2000}$/u,
    text0to32000: /^[^\0\p{Surrogate}]{0,32000}$/u,
    text0to64: /^[^\0\p{Surrogate}]{0,64}$/u,
    text1to128: /^[^\0\p{Surrogate}]{1,128}$/u,
    text1to256: /^[^\0\p{Surrogate}]{1,256}$/u,
    text1to64: /^[^\0\p{Surrogate}]{1,64}$/u,
    text1to8192: /^[^\0\p{Surrogate}]{1,8192}$/u,
    url: /^(?=[^\0\p{Surrogate}]{0,4096}$)[hH][tT][tT][pP][sS]?:\/\/(?=[A-Za-z0-9\[]|[^\u0000-\u007f])[^\s\u0000-\u001f\u007f-\u009f"<>\\]+$/u,
    visibility: /^(public|internal)$/,
    websiteId: /^[A-Za-z0-9_-]{1,128}$/u,
  },
};

const server: Grammar = {
  messages: {
    connection_established: "connectionId serverTime:integer userId:personId userType heartbeatInterval:integer limits expiresAt?time team? visitorToken?text",
    pong: "",
    authenticated: "expiresAt:time",
    token_expiring: "expiresAt:time",
    subscription_confirmed: "channel epoch:text head:integer recovered:boolean replayed:integer activity?activityState[] assignedTeamMemberId?null|personId online?boolean|onlineVisitor[] seen?seenState[] status?conversationStatus typing?typingState[] viewing?viewingState[] visitorId?personId",
    subscription_error: "error:text code:text channel details?errorDetails retryAfter?integer",
    subscription_ended: "channel reason?text",
    message_ack: "id:requestId conversationId messageId seq:integer createdAt:time duplicate?boolean",
    new_message: "conversationId messageId content:null|receivedContent senderType:userType senderId:personId createdAt:time websiteId organizationId visibility seq:integer clientMessageId?requestId deleted?boolean metadata?object offset?integer senderName?text updatedAt?time",
    message_updated: "conversationId messageId content:null|receivedContent updatedAt:time deleted:boolean websiteId organizationId seq:integer offset?integer",
    conversation_created: "conversationId visitorId:personId createdAt:time websiteId organizationId seq:integer offset?integer",
    visitor_identified: "visitorId:personId identity websiteId organizationId conversationIds?conversationId[] previousVisitorId?personId",
    team_online: "websiteId",
    team_offline: "websiteId",
    conversation_status_changed: "conversationId status:conversationStatus websiteId organizationId seq:integer changedBy?personId offset?integer",
    conversation_assigned: "conversationId assignedTeamMemberId:null|personId websiteId organizationId seq:integer changedBy?personId offset?integer",
    conversation_seen: "conversationId userId:personId userType lastSeenSeq:integer seenAt:time websiteId organizationId avatarUrl?text userName?text",
    typing_indicator: "conversationId userId:personId userType isTyping:boolean websiteId organizationId avatarUrl?text userName?text",
    viewing_indicator: "conversationId userId:personId isViewing:boolean websiteId organizationId avatarUrl?text userName?text",
    typing_progress: "conversationId userId:personId userType content:text websiteId organizationId avatarUrl?text userName?text",
    agent_activity: "conversationId userId:personId phase:text websiteId organizationId avatarUrl?text text? userName?text",
    visitor_online: "conversationId conversationIds:conversationId[] visitorId:personId websiteId organizationId lastSeenAt?time",
    visitor_offline: "conversationId conversationIds:conversationId[] visitorId:personId websiteId organizationId lastSeenAt?time",
    error: "error:text code:text details?errorDetails retryAfter?integer",
    reconnect: "reason:text retryAfter?integer",
  },
  kinds: {
    activityState: "userId:personId phase:text avatarUrl?text text? userName?text",
    attachment: "id:text1to128 url type:text1to256 name:text1to256 size?integer",
    channel: /^(?=\P{Surrogate}*$)(conversation|website):[A-Za-z0-9_-]{1,128}$/u,
    connectionId: /^[A-Za-z0-9_-]{1,128}$/u,
    conversationId: /^[A-Za-z0-9_-]{1,128}$/u,
    conversationStatus: /^(open|pending|resolved|closed)$/,
    errorDetails: "path?text reason?text status?conversationStatus",
    identity: "email?text externalId?text name?text",
    limits: "maxMessageBytes:integer maxTextLength:integer typingExpiry:integer maxSubscriptions?integer typingInterval?integer",
    messageId: /^[A-Za-z0-9_-]{1,128}$/u,
    onlineVisitor: "visitorId:personId conversationIds:conversationId[]",
    organizationId: /^[A-Za-z0-9_-]{1,128}$/u,
    personId: /^[A-Za-z0-9_.:@|+-]{1,128}$/u,
    receivedContent: "attachments?attachment[] html?text metadata?object text?",
    requestId: /^[^\0\p{Surrogate}]{1,64}$/u,
    seenState: "userId:personId userType lastSeenSeq:integer avatarUrl?text userName?text",
    team: "online:boolean members:teamMember[]",
    teamMember: "userType avatarUrl?text name?text",
    text1to128: /^[^\0\p{Surrogate}]{1,128}$/u,
    text1to256: /^[^\0\p{Surrogate}]{1,256}$/u,
    typingState: "userId:personId userType avatarUrl?text conversationId? userName?text",
    url: /^(?=[^\0\p{Surrogate}]{0,4096}$)[hH][tT][tT][pP][sS]?:\/\/(?=[A-Za-z0-9\[]|[^\u0000-\u007f])[^\s\u0000-\u001f\u007f-\u009f"<>\\]+$/u,
    userType: /^(visitor|user|ai_agent)$/,
    viewingState: "userId:personId avatarUrl?text userName?text",
    visibility: /^(public|internal)$/,
    websiteId: /^[A-Za-z0-9_-]{1,128}$/u,
  },
};

/** Judges what a client is about to say. */
export function validateClientMessage(value: unknown): Judged<ClientMessages> {
  return judgeMessage<ClientMessages>(client, value);
}

/** Judges what a server said. */
export function validateServerMessage(value: unknown): Judged<ServerMessages> {
  return judgeMessage<ServerMessages>(server, value);
}

/** Judges what a message is about to say; nothing, when it is as it must be. */
export function contentFault(value: unknown): Fault | undefined {
  return judge(client.kinds, "messageContent", value);
}
