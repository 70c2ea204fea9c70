/**
 * Which Chromium the browser tests run: the one that CHROMIUM_PATH names, else an installed one. None is downloaded.
 *
 * Without one these tests are skipped, and on CI they fail: there nobody would notice that they do not run.
 */
import { existsSync } from "node:fs";

const usualPaths = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

const paths = process.env.CHROMIUM_PATH ? [process.env.CHROMIUM_PATH] : usualPaths;

export const chromiumPath: string | undefined = paths.find((path) => existsSync(path));

export default function setup(): void {
  if (chromiumPath !== undefined) return;
  const words =
    "no Chromium was found: install one (Debian: `apt-get install chromium`), or name it in CHROMIUM_PATH. Looked for " +
    paths.join(", ");
  if (process.env.CI) throw new Error(`The browser tests cannot run: ${words}`);
  console.warn(`The browser tests are SKIPPED: ${words}`);
}
