/**
 * Numbers that stand for texts: the engine compares texts and reads none, so they stay here.
 *
 * In a record a symbol is a negative number, so that it is told from one that is just a number.
 */

/** What a symbol stands for: a text, a flag, or that there is nothing. */
export type Meaning = string | boolean | undefined;

/** What both sides know, in the order of `crates/client-wasm/src/symbol.rs`. */
const known: readonly Meaning[] = [
  "",
  undefined,
  false,
  true,
  "unavailable",
  "rate_limited",
  "internal",
  "unauthorized",
  "token_expired",
  "ready",
  "failed",
  "denied",
  "conversation",
  "website",
  "ended",
  "disconnected",
  "page hidden",
  "server drains",
  "connect timeout",
  "silent",
  "an event was missing",
  "given up",
  "dial",
  "token",
  "connectTimeout",
  "silence",
  "loss",
];

/** The ids of requests, of which no table is needed: a kind and a number of so many. */
const kinds = ["auth", "ping", "sub"];
const request = /^(auth|ping|sub)-(0|[1-9]\d{0,8})$/;
const REQUESTS = 2 ** 31;
const NUMBERS = 2 ** 29;

/** What may come beyond what the engine held last time before it is asked again: characters, and 32 for each text. */
const ROOM = 2 ** 18;

/** The symbols of one engine. */
export interface Symbols {
  /** Equal numbers of equal texts, until a `sweep`. */
  toNumber(meaning: Meaning): number;
  toMeaning(number: number): Meaning;
  /** Forgets all but what the engine holds, if there is much by now. `held` gives what it holds. */
  sweep(held: () => readonly number[]): void;
}

/** Makes a table that has only what both sides know. */
export function createSymbols(): Symbols {
  const meanings = [...known];
  const places = new Map(meanings.map((meaning, place) => [meaning, place]));
  /** Places that are given again. */
  const free: number[] = [];
  let room = ROOM;

  const cost = (meaning: Meaning) => String(meaning).length + 32;

  const placeOf = (meaning: Meaning): number => {
    const [, kind, digits] = request.exec(meaning as string) ?? [];
    if (kind && Number(digits) < NUMBERS) return REQUESTS + kinds.indexOf(kind) * NUMBERS + Number(digits);
    let place = places.get(meaning);
    if (place === undefined) {
      place = free.pop() ?? meanings.length;
      meanings[place] = meaning;
      places.set(meaning, place);
      room -= cost(meaning);
    }
    return place;
  };

  return {
    toNumber: (meaning) => -1 - placeOf(meaning),
    toMeaning(number) {
      const place = -1 - number;
      const rest = place - REQUESTS;
      return rest < 0 ? meanings[place] : `${kinds[Math.floor(rest / NUMBERS)]}-${rest % NUMBERS}`;
    },
    sweep(held) {
      if (room > 0) return;
      const kept = new Set(held());
      room = ROOM;
      for (const [meaning, place] of places) {
        if (place < known.length) continue;
        if (kept.has(-1 - place)) {
          room += cost(meaning);
        } else {
          places.delete(meaning);
          free.push(place);
        }
      }
    },
  };
}
