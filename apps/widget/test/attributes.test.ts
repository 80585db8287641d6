/** The attributes of the script tag: what is right is taken, what is wrong is said with a code. */

import { expect, test } from "vitest";

import { readAttributes } from "../src/attributes.js";

const ORIGIN = "https://chat.example";
const read = (data: Record<string, string>) => readAttributes(data, ORIGIN, () => undefined);
const codes = (data: Record<string, string>) => read(data).faults.map(({ code }) => code);
const KEY = { publicKey: "pk_dev" };

test("a key is enough", () => {
  const { options, faults } = read(KEY);
  expect(faults).toEqual([]);
  expect(options).toMatchObject({ publicKey: "pk_dev", server: ORIGIN });
});

test("without a key there is no widget", () => {
  for (const data of [{}, { publicKey: "" }, { publicKey: "  " }] as Record<string, string>[]) {
    expect(read(data).options).toBeUndefined();
    expect(codes(data)).toEqual(["missing_public_key"]);
  }
  for (const publicKey of ["sk_secret", "pk_", "pk_<script>", `pk_${"x".repeat(200)}`]) {
    expect(read({ publicKey }).options).toBeUndefined();
    expect(codes({ publicKey })).toEqual(["bad_public_key"]);
  }
});

test("everything that is right is taken", () => {
  const { options, faults } = read({
    ...KEY,
    server: "https://other.example/base/",
    color: "#0f766e",
    theme: "Dark",
    position: "left",
    direction: "rtl",
    language: "fr-CA",
    name: " Alder ",
    questions: "One?| Two? |",
    identityToken: "a.b.c",
  });
  expect(faults).toEqual([]);
  expect(options).toEqual({
    publicKey: "pk_dev",
    server: "https://other.example/base",
    color: "#0f766e",
    theme: "dark",
    position: "left",
    direction: "rtl",
    language: "fr-CA",
    name: "Alder",
    questions: ["One?", "Two?"],
    identityToken: "a.b.c",
  });
  expect(read({ ...KEY, questions: '["a | b", "c"]' }).options?.questions).toEqual(["a | b", "c"]);
});

test.each([
  ["color", "blurple", "bad_color"],
  ["color", "red;}*{display:none", "bad_color"],
  ["theme", "neon", "bad_theme"],
  ["position", "top", "bad_position"],
  ["direction", "up", "bad_direction"],
  ["language", "not a language", "bad_language"],
  ["server", "javascript:alert(1)", "bad_server"],
  ["server", "chat.example", "bad_server"],
  ["questions", "[1, 2]", "bad_questions"],
  ["questions", '["unclosed', "bad_questions"],
  ["identityToken", "token", "bad_identity_token"],
])("%s=%s is told as %s, and its default taken", (name, value, code) => {
  const { options, faults } = read({ ...KEY, [name]: value });
  expect(faults.map((fault) => fault.code)).toEqual([code]);
  expect(faults[0]?.text).toContain("data-");
  expect(options).toEqual({ ...read(KEY).options });
});
