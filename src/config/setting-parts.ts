/**
 * What settings are made of: how one is described, and the shapes that many share.
 */
import { availableParallelism } from "node:os";
import { z } from "zod";

/**
 * Who has a reason to change a setting: everybody who sets up a server; some, now and then; or only a test that cannot
 * wait for as long as a server should.
 */
export type SettingTier = "essential" | "seldom" | "forTests";

/** What a setting's documentation says beside its meaning. */
export interface SettingMeta {
  /** What it is and what it does; the first sentence stands alone. */
  readonly description: string;
  /** When a person would change it, and what it interacts with. */
  readonly when?: string;
  /** A default that depends on the machine, in words. */
  readonly defaultText?: string;
  /** Absent: `seldom`. */
  readonly tier?: SettingTier;
}

export const cores = availableParallelism();
export const mebibytes = 1024 * 1024;

const described =
  (tier?: SettingTier) =>
  <T extends z.ZodType>(schema: T, description: string, when?: string, defaultText?: string): T => {
    const meta: SettingMeta = {
      description,
      ...(when && { when }),
      ...(defaultText && { defaultText }),
      ...(tier && { tier }),
    };
    return schema.meta({ ...meta }) as T;
  };

/** Describes a setting that is seldom changed, as most are. */
export const about = described();
/** Describes a setting that everybody looks at who sets up a server. No more than twenty are. */
export const essential = described("essential");
/** Describes a setting that only tests change. It stays settable, and out of the way. */
export const forTests = described("forTests");

export const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, "1 to 63 characters from a-z, 0-9, - and _, not starting with - or _");
export const ms = (max = 24 * 3_600_000) => z.number().int().min(0).max(max);
export const port = z.number().int().min(0).max(65_535);
export const file = z.string().min(1);
export const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "the name of an environment variable");

/** An origin as a browser sends it. `null` is what any sandboxed frame sends, and `*` would match nothing. */
export const origin = z.string().refine((text) => isOrigin(text), "an origin such as `https://app.example.com`");
/** A name or address as it stands in a request, without scheme, port and path. */
export const hostName = z
  .string()
  .refine((text) => /^(\[[0-9a-fA-F:.]+\]|[^\s:/?#@*[\]\\]+|[0-9a-fA-F:]*:[0-9a-fA-F:.]+)$/.test(text), {
    message: "a host name such as `runner.example.com`, without a scheme or a port",
  });
/** A collector's base address; what the signals are sent to is below it. */
export const collectorUrl = z.url().refine((text) => isCollectorBase(text), {
  message: "a collector's base address such as `http://127.0.0.1:4318`: the server adds `/v1/traces` and `/v1/metrics`",
});

function isOrigin(text: string): boolean {
  const url = URL.parse(text);
  // Those of apps, such as `capacitor://localhost`, have a scheme that URL does not know.
  if (url === null || !/^https?:$/.test(url.protocol))
    return /^(?!https?:)[a-z][a-z0-9+.-]*:\/\/[^\s/?#@]+$/.test(text);
  return url.origin === text && !text.includes("*");
}

export function isCollectorBase(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) return false;
  return url.search === "" && url.hash === "" && !/\/v1\/(traces|metrics|logs)\/*$/.test(url.pathname);
}
