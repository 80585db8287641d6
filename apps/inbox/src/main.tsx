import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import "./styles/index.css";

import { App } from "./app.js";
import { begin } from "./session/open.js";
import { followTheme } from "./settings/settings.js";

followTheme();
const root = document.getElementById("root");
if (!root) throw new Error("the page has no #root");
// Asked for before anything is shown, so that the answer is there as soon as it can be.
const start = begin();
createRoot(root).render(
  <StrictMode>
    <App start={start} />
  </StrictMode>,
);
