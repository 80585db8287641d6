/** Requests under `/v1`. A chunk of its own, which comes with the first of them: neither is of use without a network. */

import type { Core } from "./core.js";
import type { SendErrorCode } from "./errors.js";

/** How long the server may take, in ms. */
const TIMEOUT = 15_000;

/** The parts of a problem (RFC 9457) that are read. */
interface Problem {
  code?: string;
  title?: string;
  detail?: string;
  retryAfter?: number;
}

/** What is thrown of an answer that is none; `RequestError` is made of it. Anything else that is thrown means that there was no answer. */
export interface Refusal {
  readonly status: number;
  readonly code: SendErrorCode;
  readonly retryAfter?: number | undefined;
  readonly text?: string | undefined;
}

/** The answer to `POST /v1/visitors`. */
interface Admission {
  readonly token: string;
}

/** Makes a request with the client's credentials. See `Client.request`. */
export async function request<Answer>(
  { credentials }: Core,
  method: string,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<Answer> {
  const controller = new AbortController();
  const abort = () => controller.abort();
  const timer = setTimeout(abort, TIMEOUT);
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  const content = body === undefined ? body : JSON.stringify(body);
  const ask = (token: string | undefined) =>
    fetch(baseOf(credentials.endpoint().url) + path, {
      method,
      signal: controller.signal,
      headers: {
        ...(token && { Authorization: `Bearer ${token}` }),
        ...(content && { "Content-Type": "application/json" }),
      },
      body: content,
    });
  try {
    const token = await credentials.bearer();
    let response = await ask(token);
    if (response.status === 401) {
      // It may have expired since it was got. A source gives another one.
      const other = await credentials.bearer(token);
      if (other !== token) response = await ask(other);
    }
    const text = await response.text();
    if (!response.ok) throw refusal(response.status, text);
    // What the answer is like is the caller's knowledge.
    return (text ? JSON.parse(text) : undefined) as Answer;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

/** Makes a known person of the visitor. See `Client.identify`. */
export async function identify(core: Core, identityToken: string): Promise<void> {
  const { config, credentials, lifetime, session } = core;
  if (!credentials.isVisitor) {
    throw { status: 403, code: "forbidden", text: "only a visitor can be identified" } satisfies Refusal;
  }
  const body = { publicKey: config.publicKey, visitorToken: credentials.token(), identityToken };
  const { token } = await request<Admission>(core, "POST", "/v1/visitors", body);
  // Whoever begins after it may be another person, whose token this must not become.
  if (core.isDestroyed) throw { status: 0, code: "unavailable" } satisfies Refusal;
  credentials.keep(token);
  if (lifetime.isWanted()) session.input({ type: "disconnect" }, { type: "connect" });
}

/** Where requests go, by where sockets do: without `/ws` at the end. */
function baseOf(endpoint: string): string {
  const { origin, pathname } = new URL(endpoint);
  return origin.replace("ws", "http") + pathname.replace(/\/+$/, "").replace(/\/ws$/, "");
}

function refusal(status: number, text: string): Refusal {
  let problem: Problem = {};
  try {
    problem = JSON.parse(text) ?? problem;
  } catch {
    // Something between us and the server answered; its status says what there is to say.
  }
  return {
    status,
    code: problem.code ?? (status < 500 ? "invalid_message" : "unavailable"),
    retryAfter: problem.retryAfter,
    text: problem.detail ?? problem.title,
  };
}
