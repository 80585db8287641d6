import { createElement } from "react";

import { Chat } from "../chat.js";

/** Rendered on the server, which knows the address of the page. */
export default async function Page({ searchParams }) {
  const { url, token, conversation } = await searchParams;
  return createElement(Chat, { url, token, conversation });
}
