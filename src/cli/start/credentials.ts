/**
 * The credentials of the server while it runs: what each of them is now, and whether a process was started with it.
 *
 * Files are looked at again and again (their marks, and their content when those differ), since a key that was replaced is
 * soon refused. A credential that cannot be read at the moment stays as it was: files are half written, and mounted again.
 */
import { stat } from "node:fs/promises";
import type { CancelTimer, Clock } from "../../clock.ts";
import type { CredentialSettings } from "../../config/profile-settings.ts";
import type { Log } from "../../telemetry/log.ts";
import { isFindable, Secrets } from "../protocol/secrets.ts";
import { type Credential, CredentialError, readCredential } from "./credential.ts";

export interface CredentialsOptions {
  readonly settings: Readonly<Record<string, CredentialSettings>>;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly log: Log;
}

/** How often files are looked at when no turn comes, in milliseconds. */
const lookIntervalMs = 5_000;
/** How long a turn waits for a look, in milliseconds: a file system that does not answer keeps nobody. */
const maxLookMs = 250;

/** Of how many versions of a credential the secrets are known. */
const keptCount = 4;

/** One without which no worker of its profiles starts. */
export interface MissingCredential {
  readonly credential: string;
  readonly why: string;
}

interface Held {
  readonly credential: Credential;
  /** What the system says of the files, as it was before they were read. */
  readonly marks: string;
}

export class Credentials {
  readonly #options: CredentialsOptions;
  readonly #held = new Map<string, Held>();
  readonly #looking = new Map<string, Promise<void>>();
  /** Why a credential could not be read at the last look; said once. */
  readonly #broken = new Map<string, string>();
  /** The values of each, those of before too: processes that have them may still be there. */
  readonly #values = new Map<string, readonly (readonly string[])[]>();
  #secrets = new Secrets([]);
  #listener: () => void = () => undefined;
  #cancelTimer: CancelTimer | undefined;

  constructor(options: CredentialsOptions) {
    this.#options = options;
  }

  /** Secrets of all credentials, as far as they were read: a gateway that several lead to may repeat another one's. */
  get secrets(): Secrets {
    return this.#secrets;
  }

  /** Reads all, and gives back which of `used` are not there. Throws CredentialError for one of them that is wrong. */
  async open(used: ReadonlySet<string>): Promise<readonly MissingCredential[]> {
    const { settings } = this.#options;
    const missing: MissingCredential[] = [];
    for (const name of Object.keys(settings)) {
      try {
        await this.#read(name);
      } catch (error) {
        if (!(error instanceof CredentialError) || (used.has(name) && !error.isMissing)) throw error;
        this.#broken.set(name, error.message);
        if (used.has(name)) missing.push({ credential: name, why: error.message });
      }
    }
    return missing;
  }

  /** Looks at files from now on. `changed` is called after each change. */
  watch(changed: () => void): void {
    this.#listener = changed;
    const again = () => {
      this.#cancelTimer = this.#options.clock.after(lookIntervalMs, () => void this.lookAtAll().finally(again));
    };
    again();
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#listener = () => undefined;
  }

  /** Whether all that could be read once still can be. Throws CredentialError. Changes nothing. */
  async check(): Promise<void> {
    const { settings, env } = this.#options;
    for (const name of this.#held.keys()) await readCredential(name, settings[name]!, env);
  }

  /** What a process is to be started with. Throws CredentialError when it could never be read. */
  async current(name: string): Promise<Credential> {
    await this.#look(name);
    return this.#held.get(name)?.credential ?? (await this.#read(name));
  }

  /** Whether a process that was started with this has what is right now. */
  isCurrent(name: string, { digest }: Credential): boolean {
    return this.#held.get(name)?.credential.digest === digest;
  }

  /** Looks whether a credential has changed. Waits for a moment at most; never rejects. */
  async look(name: string): Promise<void> {
    const { settings, clock } = this.#options;
    // Variables stay what they are.
    if (this.#held.get(name)?.credential.files.length === 0 || !Object.hasOwn(settings, name)) return;
    // With every turn: no signal, whose abort makes an error with a stack for nobody.
    const { promise: limit, resolve } = Promise.withResolvers<void>();
    const cancelTimer = clock.after(maxLookMs, resolve);
    await Promise.race([this.#look(name), limit]);
    cancelTimer();
  }

  /** The same for all, for as long as it takes. */
  async lookAtAll(): Promise<void> {
    await Promise.all(Object.keys(this.#options.settings).map((name) => this.#look(name)));
  }

  #look(name: string): Promise<void> {
    const running = this.#looking.get(name);
    if (running !== undefined) return running;
    const look = this.#lookNow(name).finally(() => this.#looking.delete(name));
    this.#looking.set(name, look);
    return look;
  }

  async #lookNow(name: string): Promise<void> {
    const { log } = this.#options;
    const before = this.#held.get(name);
    if (before !== undefined && before.marks === (await marksOf(before.credential.files))) return;
    try {
      const { digest } = await this.#read(name);
      this.#broken.delete(name);
      if (before === undefined || digest === before.credential.digest) return;
      log.info(
        { credential: name },
        "a credential has changed: workers that were started with the old one are replaced",
      );
      this.#listener();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (this.#broken.get(name) === why) return;
      this.#broken.set(name, why);
      const what = before === undefined ? "cannot be read" : "can no longer be read; the previous one is used";
      log.warn({ credential: name, why }, `a credential ${what}`);
    }
  }

  async #read(name: string): Promise<Credential> {
    const { settings, env } = this.#options;
    const of = settings[name];
    if (of === undefined) throw new CredentialError(name, "it is not in the settings", false);
    // Before the reading: a change in between is seen at the next look.
    const files = [of.apiKeyFile, of.authTokenFile].filter((path) => path !== undefined);
    const known = this.#held.get(name)?.credential.files ?? files;
    const marks = await marksOf(known);
    const credential = await readCredential(name, of, env);
    const isAll = known.length === credential.files.length;
    const isNew = this.#held.get(name)?.credential.digest !== credential.digest;
    this.#held.set(name, { credential, marks: isAll ? marks : "not all" });
    if (isNew) this.#note(name, credential);
    return credential;
  }

  #note(name: string, { secrets, variables }: Credential): void {
    this.#values.set(name, [...(this.#values.get(name) ?? []), secrets].slice(-keptCount));
    this.#secrets = new Secrets([...this.#values.values()].flat(2));
    const keys = [variables.ANTHROPIC_API_KEY, variables.ANTHROPIC_AUTH_TOKEN];
    if (keys.every((key) => key === undefined || isFindable(key))) return;
    const why = "a key is so short or plain that ordinary text may contain it: it is not removed from answers";
    this.#options.log.warn({ credential: name }, why);
  }
}

/** Changes whenever a file is replaced, also behind a link, or written. */
async function marksOf(files: readonly string[]): Promise<string> {
  const marks = files.map(async (path) => {
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
      return [dev, ino, size, mtimeNs, ctimeNs].join(":");
    } catch {
      return "none"; // It is said when it is read.
    }
  });
  return (await Promise.all(marks)).join(" ");
}
