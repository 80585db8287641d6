/** The shop: three pages, a basket that forgets, and a button that opens the chat. */

const page = new URLSearchParams(location.search).get("page") ?? "table";
const pages = [...document.querySelectorAll("main")];
const shown = pages.find(({ id }) => id === `page-${page}`) ?? pages[0];
for (const other of pages) other.hidden = other !== shown;

for (const link of document.querySelectorAll(".top nav a")) {
  if (link.search === (shown === pages[0] ? "" : `?page=${page}`)) link.setAttribute("aria-current", "page");
}

const count = document.getElementById("basket");
for (const button of document.querySelectorAll(".add")) {
  button.addEventListener("click", () => (count.textContent = String(Number(count.textContent) + 1)));
}

// The function is there as soon as the tag has run, and waits for the widget.
document.getElementById("ask").addEventListener("click", () => window.Cossistant?.open());
