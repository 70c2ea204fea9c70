/** Suites that need a browser, and are skipped without one. */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe } from "vitest";
import { chromiumPath } from "./find-chromium.ts";
import { openBrowser } from "./visit.ts";

/** A suite that needs a browser, and is given one. */
export function describeInBrowser(name: string, suite: (browser: () => Browser) => void): void {
  describe.skipIf(chromiumPath === undefined)(name, () => {
    let browser: Browser | undefined;
    beforeAll(async () => {
      browser = await openBrowser();
    });
    afterAll(() => browser?.close());
    suite(() => {
      if (browser === undefined) throw new Error("bug: the browser is not open yet");
      return browser;
    });
  });
}
