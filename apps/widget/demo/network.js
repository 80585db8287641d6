/**
 * A bad network, for whoever wants to see what the chat makes of it: in the page itself, so that it works in any browser.
 * It stands between the page and the browser's `WebSocket` and `fetch`, and knows nothing of what they carry.
 */
(() => {
  const NAME = "demo:network";
  /** How long each message takes on a slow network, in ms: at least, and at most. */
  const SLOW = [1200, 2600];
  /** How long a connection lasts between two cuts, in ms. */
  const CUTS = [4000, 12000];
  /** A code of no meaning, so that whoever is connected tries again. */
  const CUT = 3900;

  const NativeSocket = window.WebSocket;
  const nativeFetch = window.fetch;
  const sockets = new Set();
  let mode = "good";
  let timer;
  try {
    mode = sessionStorage.getItem(NAME) ?? mode;
  } catch {
    // A browser that keeps nothing.
  }

  const between = ([least, most]) => least + Math.random() * (most - least);
  const log = (text) => dispatchEvent(new CustomEvent("demo:network-log", { detail: text }));

  /** Runs things one after another, each after its delay, so that a slow network keeps the order. */
  function queue() {
    let last = Promise.resolve();
    return (run) => {
      if (mode !== "slow") return void (last = last.then(run));
      const arrival = new Promise((resolve) => setTimeout(resolve, between(SLOW)));
      last = last.then(() => arrival).then(run);
    };
  }

  class BadSocket extends NativeSocket {
    #up = queue();
    #down = queue();
    #listener = null;

    constructor(...given) {
      if (mode === "offline") throw new DOMException("The demo's network is off.", "NetworkError");
      super(...given);
      sockets.add(this);
      super.addEventListener("close", () => sockets.delete(this));
      super.addEventListener("message", (event) => {
        // A cut connection brings nothing more.
        this.#down(() => this.readyState === 1 && this.#listener?.call(this, event));
      });
    }

    get onmessage() {
      return this.#listener;
    }

    set onmessage(listener) {
      this.#listener = listener;
    }

    send(data) {
      this.#up(() => this.readyState === 1 && mode !== "offline" && super.send(data));
    }
  }

  window.WebSocket = BadSocket;
  window.fetch = async (...given) => {
    const delay = mode === "slow" ? between(SLOW) : 0;
    if (delay) await new Promise((resolve) => setTimeout(resolve, delay));
    if (mode === "offline") throw new TypeError("The demo's network is off.");
    return nativeFetch(...given);
  };

  function cut() {
    for (const socket of sockets) socket.close(CUT);
    if (sockets.size > 0) log(`cut at ${new Date().toLocaleTimeString()}`);
  }

  function choose(next) {
    const before = mode;
    mode = next;
    try {
      sessionStorage.setItem(NAME, mode);
    } catch {
      // It lasts as long as the page.
    }
    clearTimeout(timer);
    log("");
    if (mode === "offline") {
      cut();
      dispatchEvent(new Event("offline"));
    } else if (before === "offline") dispatchEvent(new Event("online"));
    if (mode === "cuts") schedule();
  }

  function schedule() {
    timer = setTimeout(() => {
      cut();
      schedule();
    }, between(CUTS));
  }

  if (mode === "cuts") schedule();
  addEventListener("DOMContentLoaded", () => {
    for (const input of document.querySelectorAll("input[name=network]")) {
      input.checked = input.value === mode;
      input.addEventListener("change", () => choose(input.value));
    }
    const output = document.getElementById("network-log");
    addEventListener("demo:network-log", ({ detail }) => (output.textContent = detail));
  });
})();
