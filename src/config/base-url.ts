/**
 * Whether an address can be that of a model API, as Claude Code takes it: it puts `/v1/messages` behind it.
 */

/** The same for the address of a cloud, to which Claude Code adds what it needs. */
export function addressProblem(text: string): string | undefined {
  return /^https?:\/\/[^/?#]/i.test(text.trim()) && URL.canParse(text.trim())
    ? undefined
    : "must be a URL that begins with `http://` or `https://`";
}

/** What is wrong with an address, going on from its name; `undefined`: nothing. Does not repeat it, it may hold a key. */
export function baseUrlProblem(text: string): string | undefined {
  const written = text.trim();
  if (!/^https?:\/\//i.test(written)) return "must begin with `http://` or `https://`";
  if (!URL.canParse(written)) return "is not a URL";
  const { username, password, search, hash, pathname } = new URL(written);
  if (username !== "" || password !== "") {
    return "must not contain a user name or a password: use `authTokenEnv`, or `passEnv: [ANTHROPIC_CUSTOM_HEADERS]`";
  }
  if (search !== "" || written.includes("?")) return "must not have a query (`?…`): Claude Code appends a path";
  if (hash !== "" || written.includes("#")) return "must not have a fragment (`#…`): Claude Code appends a path";
  if (/\/v1(\/messages)?\/*$/i.test(pathname)) {
    return "must not end in `/v1` or `/v1/messages`: Claude Code adds `/v1/messages` itself";
  }
  return undefined;
}
