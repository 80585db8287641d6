/** What a browser has and Node.js 20 has not. */

import { WebSocket } from "ws";

/** A socket as a page's: with an origin, and without headers of one's own. */
class PageSocket extends WebSocket {
  constructor(url: string, protocols: string[]) {
    super(url, protocols, { origin: "http://localhost" });
  }
}

Object.assign(globalThis, { WebSocket: PageSocket });
