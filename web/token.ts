/**
 * Where the token is: in memory and, so that a reload does not ask again, in sessionStorage.
 *
 * Not in localStorage: that is kept when the browser is closed, and read by every tab. Not in a cookie: a browser sends
 * those by itself, also when another site makes it call. sessionStorage belongs to this tab and this origin, and ends with
 * the tab. Whatever ran in this page could read it there, as it could from memory; that nothing else runs is what the
 * content security policy is for. The token is sent in a header: it is in no address, and so in no history and no log.
 */

const key = "claude-runner-token";

export function savedToken(): string | undefined {
  try {
    return sessionStorage.getItem(key) ?? undefined;
  } catch {
    return undefined; // The browser keeps nothing: the token is asked for again after a reload.
  }
}

/** Keeps a token, or forgets it. */
export function saveToken(token: string | undefined): void {
  try {
    if (token === undefined) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, token);
  } catch {
    // As above.
  }
}
