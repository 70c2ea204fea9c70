/**
 * Who may call: a bearer token in, a caller out.
 *
 * No I/O: settings come in through the constructor and `reload`, the token of the first start through
 * `server/token-file.ts`. What a caller may do with which profile is not decided here.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { RunnerError } from "../runner-error.ts";

/** Who calls, as the token says. */
export interface Caller {
  readonly tenant: string;
  /** The profiles that the token names; `*` stands for all that are not another tenant's. */
  readonly profiles: readonly string[];
  /** Whether it may see the counts and workers of all tenants. */
  readonly isOperator: boolean;
}

/** A token as the settings name it: never the token itself. */
export interface KnownToken {
  readonly tenant: string;
  /** Hexadecimal digits in lower case. */
  readonly sha256: string;
  readonly profiles: readonly string[];
  readonly operator: boolean;
}

export interface AuthRules {
  readonly tokens: readonly KnownToken[];
  /** Whether anybody may call, as the tenant `anonymous`. */
  readonly insecureNoAuth: boolean;
}

/** The tenant of the token that is made at first start. */
export const defaultTenant = "default";

/** The caller of a server without authentication. All callers are this one, so nobody is there to be kept from. */
export const anonymousCaller: Caller = { tenant: "anonymous", profiles: ["*"], isOperator: true };

/** What is stored of a token. */
export function sha256Of(token: string): string {
  return createHash("sha256").update(token, "utf8").digest("hex");
}

/** The rule for the token that is made at first start: it belongs to whoever started the server. */
export function defaultToken(token: string): KnownToken {
  return { tenant: defaultTenant, sha256: sha256Of(token), profiles: ["*"], operator: true };
}

interface Entry {
  readonly digest: Buffer;
  readonly caller: Caller;
}

export class Authenticator {
  #entries: readonly Entry[] = [];
  #insecureNoAuth = false;

  constructor(rules: AuthRules) {
    this.reload(rules);
  }

  /** Takes new rules. Calls that have been let in go on; a token that is gone opens no new ones. */
  reload(rules: AuthRules): void {
    this.#insecureNoAuth = rules.insecureNoAuth;
    this.#entries = rules.tokens.map(({ tenant, sha256, profiles, operator }) => ({
      digest: Buffer.from(sha256, "hex"),
      caller: { tenant, profiles: [...profiles], isOperator: operator },
    }));
  }

  /** The caller that an `authorization` header names. Throws UNAUTHENTICATED. */
  authenticate(authorization: string | undefined): Caller {
    if (this.#insecureNoAuth) return anonymousCaller;
    if (authorization === undefined || authorization === "") {
      throw new RunnerError(
        "UNAUTHENTICATED",
        "a bearer token is required: send the header `authorization: Bearer <token>`",
      );
    }
    const token = /^bearer +([\x21-\x7e]+)$/i.exec(authorization)?.[1];
    if (token === undefined) {
      throw new RunnerError("UNAUTHENTICATED", "the authorization header has no bearer token: `Bearer <token>`");
    }
    const digest = createHash("sha256").update(token, "utf8").digest();
    // Every entry is looked at, so that the time tells nothing about which one was nearly right.
    let caller: Caller | undefined;
    for (const entry of this.#entries) {
      if (entry.digest.length === digest.length && timingSafeEqual(entry.digest, digest)) caller ??= entry.caller;
    }
    if (caller === undefined) throw new RunnerError("UNAUTHENTICATED", "this server does not know the bearer token");
    return caller;
  }
}
