/** Why something that the application asked for failed. */

import type { ErrorCode, ErrorDetails } from "@cossistant/protocol/types";

/** Why a message failed for good: the server's code, or one of the client's own. */
export type SendErrorCode =
  | ErrorCode
  /** The queue is full; the message never entered it. */
  | "queue_full"
  /** An unanswered message has the same id. */
  | "duplicate_id"
  /** It was not acknowledged within `maxQueueAge`. */
  | "too_old"
  /** There is no queue and no connection; whether the server has the message is unknown. */
  | "not_connected"
  /** A code of a newer server. */
  | (string & {});

/** A message failed for good. Its `code` is for programs, its `message` for people. */
export class SendError extends Error {
  override readonly name = "SendError";

  constructor(
    /** Why. */
    readonly code: SendErrorCode,
    /** The id of the message. */
    readonly id: string,
    /** What the server said of it. */
    readonly details?: ErrorDetails,
    text?: string,
  ) {
    super(text ?? `the message was not sent: ${code}`);
  }
}

/** A ping was not sent, or not answered in time. */
export class PingError extends Error {
  override readonly name = "PingError";
}

/** An HTTP request was refused or had no answer. */
export class RequestError extends Error {
  override readonly name = "RequestError";

  constructor(
    /** The HTTP status; 0 when there was no answer. */
    readonly status: number,
    /** The server's code; `unavailable` when there was no answer. */
    readonly code: SendErrorCode,
    /** How long to wait before the next try, in ms, if the server said so. */
    readonly retryAfter?: number,
    text?: string,
  ) {
    super(text ?? `the request failed: ${status} ${code}`);
  }
}
