import { StrictMode, createElement } from "react";
import { createRoot } from "react-dom/client";

import { Chat } from "./chat.js";

const props = Object.fromEntries(new URLSearchParams(location.search));
createRoot(document.getElementById("root")).render(createElement(StrictMode, null, createElement(Chat, props)));
