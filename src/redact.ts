/**
 * Takes credentials out of text that is about to be logged or shown.
 *
 * A net below the rule that secrets are not logged in the first place: it knows what credentials look like, and the
 * names that they are given. It does not know prompts and answers; those are kept out by never being passed to a log.
 */

const gone = "[redacted]";

/** What credentials look like by themselves. No pattern matches a quote or a backslash, so that JSON stays JSON. */
const shapes: readonly RegExp[] = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[^"]*?(?:-----END [A-Z ]*PRIVATE KEY-----|(?=\\{0,8}"|$))/g,
  // Keys and tokens of Anthropic, of this server, and of others whose keys begin the same way.
  /\bsk-[A-Za-z0-9_-]{12,}/g,
  /\bcrt_[A-Za-z0-9_-]{12,}/g,
  // AWS key ids, Google keys and tokens, GitHub tokens, JSON web tokens.
  /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g,
  /\bAIza[0-9A-Za-z_-]{30,}/g,
  /\bya29\.[0-9A-Za-z_-]{10,}/g,
  /\bgh[pousr]_[A-Za-z0-9]{20,}/g,
  /\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g,
];

/** `Bearer abc`, `Basic abc`: the word stays. */
const scheme = /\b(Bearer|Basic)(\s+)[A-Za-z0-9._~+/=-]{6,}/gi;

/** `https://user:password@host`: the host stays. */
const userInfo = /(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/:@"'\\]+:[^\s/@"'\\]*@/gi;

/** `x-api-key: abc`, `AWS_SECRET_ACCESS_KEY=abc`, `"apiKey":"abc"`, also inside quoted JSON: the name stays. */
const named =
  /((?:api[-_]?key|auth[-_]?token|access[-_]?token|refresh[-_]?token|session[-_]?token|security[-_]?token|secret[-_]?access[-_]?key|client[-_]?secret|bearer[-_]?token|password|passwd|authorization|cookie)\\*["']?\s*[:=]\s*\\*["']?)(?!\[redacted\]|(?:Bearer|Basic)\s)([^\s"',;&\\}]{4,})/gi;

/** The same text without what looks like a credential. */
export function redactSecrets(text: string): string {
  let result = text;
  for (const shape of shapes) result = result.replace(shape, gone);
  return result.replace(scheme, `$1$2${gone}`).replace(userInfo, `$1${gone}@`).replace(named, `$1${gone}`);
}
