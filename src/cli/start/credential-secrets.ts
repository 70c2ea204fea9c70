/**
 * Which parts of a credential's variables are secrets: whole values, and what stands in them.
 */

/** Variables that say where and how, and nothing that anybody must not know. All others are taken for secrets. */
const openVariables =
  /^(AWS_(REGION|DEFAULT_REGION|PROFILE|DEFAULT_PROFILE|ROLE_ARN|ROLE_SESSION_NAME)|AWS_[A-Z_]*(FILE|DISABLED|ENABLED|CONFIG|MODE|ENDPOINT)|CLAUDE_CODE_(USE|SKIP)_.*|CLOUD_ML_REGION|VERTEX_REGION_.*|ANTHROPIC_(BETAS|LOG|MODEL)|ANTHROPIC_.*_(MODEL|REGION|PROJECT_ID|RESOURCE)(_.*)?|GOOGLE_(APPLICATION_CREDENTIALS|.*PROJECT(_ID)?|.*LOCATION|.*REGION)|NO_PROXY|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE)$/;
const addresses = /^(HTTPS?_PROXY|.*_URL(_.*)?)$/;
const headers = /_HEADERS$/;

/** The values that must not leave the server, of everything that a credential hands to a worker. */
export function secretsOf(variables: Readonly<Record<string, string>>): readonly string[] {
  const secrets = Object.entries(variables).flatMap(([variable, value]) => {
    if (openVariables.test(variable)) return [];
    if (addresses.test(variable)) return secretsOfUrl(value);
    if (headers.test(variable)) return [value, ...secretsOfHeaders(value)];
    return [value];
  });
  return [...new Set(secrets.flatMap((value) => [value, value.trim()]))].filter((value) => value !== "");
}

/** Names, passwords and queries; the host is none. */
function secretsOfUrl(text: string): readonly string[] {
  let url: URL;
  try {
    url = new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  } catch {
    return [text]; // Nobody knows what it is.
  }
  const { username, password, search, searchParams, hash } = url;
  // A name without a password is a key, as some gateways want it.
  const login = password === "" ? [username] : [password, `${username}:${password}`];
  const written = /\/\/([^/@]*)@/.exec(text)?.[1] ?? "";
  return [...login, ...login.map(decoded), written, search.slice(1), ...searchParams.values(), hash.slice(1)];
}

/** The value of each header, and what follows its scheme. */
function secretsOfHeaders(text: string): readonly string[] {
  return text.split(/\r?\n|\\n/).flatMap((header) => {
    const value = header.slice(header.indexOf(":") + 1).trim();
    return [value, value.replace(/^(Bearer|Basic)\s+/i, "")];
  });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // A stray %, which stands for itself.
  }
}
