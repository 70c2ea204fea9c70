/**
 * What the page may do, told to the browser: nothing but load its own files and call its own server.
 *
 * The page shows what a model wrote, and holds a token. So nothing that got into it may run, and nothing may leave it:
 * scripts and styles come from files of this server, markup is never made from text (trusted types), and no request goes
 * anywhere else.
 */
import { createHash } from "node:crypto";

/** The headers of every file of the page. `inlineScript`: the import map, the one script that is in the page itself. */
export function pageHeaders(inlineScript: string): Readonly<Record<string, string>> {
  const digest = createHash("sha256").update(inlineScript).digest("base64");
  const policy = [
    "default-src 'none'",
    `script-src 'self' 'sha256-${digest}'`,
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ];
  return {
    "content-security-policy": policy.join("; "),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
  };
}
