/** Where things lie. */

import { join } from "node:path";

/** The root of the repository. */
export const ROOT = join(import.meta.dirname, "../..");
/** The program under test; `cargo xtask e2e` builds it. */
export const SERVER = process.env["COSSISTANT_BINARY"] ?? join(ROOT, "target/debug/cossistant");
/** The bundled test pages. */
export const PAGES = join(ROOT, "target/e2e/pages");
/** The browser. */
export const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
