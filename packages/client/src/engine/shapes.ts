/**
 * The order of fields in records, and the codes of names: a name's code is the number of its line.
 *
 * The other half is in `crates/client-wasm/src/input.rs` and `output.rs`. A field with `>` is a shape of its own.
 */

import { DEFAULTS } from "./defaults.js";

/** A name, and the names of its fields. */
export type Shape = readonly string[];

const parse = (lines: string): Shape[] => lines.split("\n").map((line) => line.split(" "));

export const inputs = parse(`connect
disconnect
tick
online
offline
visible
hidden
pageHide
pageShow
pass
configure config
token request outcome
opened generation
dialFailed generation
invalid generation
closed generation code reason
inbound generation message
subscribe channel holder
unsubscribe channel holder
send id conversationId age
typingStart conversationId
typingStop conversationId
typingProgress conversationId text
ping id`);

/** Server messages that mean something to the engine. The code of all others, known or not, is the next one. */
export const messages = parse(`connection_established heartbeatInterval limits
authenticated id
token_expiring
subscription_confirmed id channel epoch head recovered
subscription_error id channel code retryAfter
subscription_ended id channel reason
message_ack id
error id code retryAfter
reconnect retryAfter
pong id
new_message conversationId websiteId seq offset
message_updated conversationId websiteId seq offset
conversation_created conversationId websiteId seq offset
conversation_status_changed conversationId websiteId seq offset
conversation_assigned conversationId websiteId seq offset`);

/** Outputs, and what is in them. */
export const outputs = parse(`idle timeout queued messagesSent messagesReceived messagesInvalid duplicates reconnectAttempts connectedAt lastErrorAt latency lastError
dial generation
closeSocket generation code
requestToken request isRefused
transmit generation >frame
deliver
stateChanged >state
closed code reason
reconnectAttempt attempt
reconnectSuccess
reconnectFail
subscriptionChanged channel >state
resync channel
messageAcked id
messageFailed id >failure
pong id latency
refused code
pingFailed id
subscribe id channel after epoch
unsubscribe id channel
sendMessage id conversationId
pass
typingStart conversationId
typingStop conversationId
typingProgress conversationId text
ping id
authenticate id
disconnected
connecting
connected
waiting attempt until
stopped >reason
close code
tokenDenied
exhausted
pending
confirmed
unavailable
released
queueFull
duplicateId
tooOld
notConnected`);

/** What has no code, because both sides know that it comes next. */
export const config: Shape = [...Object.keys(DEFAULTS), "hasTokenSource"];
export const limits: Shape = ["typingInterval"];
