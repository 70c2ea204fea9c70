import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CredentialError, readCredential } from "../../../src/cli/start/credential.ts";
import { Credentials } from "../../../src/cli/start/credentials.ts";
import type { CredentialSettings } from "../../../src/config/profile-settings.ts";
import type { LogFields } from "../../../src/telemetry/log.ts";
import { silentLog } from "../../../src/telemetry/log.ts";
import { FakeClock } from "../../fake-clock.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "credential-"));
});
afterAll(() => rm(folder, { recursive: true }));

const read = (settings: Partial<CredentialSettings>, env: Record<string, string> = {}) =>
  readCredential("main", { passEnv: [], ...settings }, env);
const problemOf = (settings: Partial<CredentialSettings>, env: Record<string, string> = {}) =>
  read(settings, env).then(
    () => undefined,
    (error: unknown) => error as CredentialError,
  );

describe("a key with something around it", () => {
  const key = "sk-ant-two-0123456789";
  it.each([
    ["a line end", `${key}\n`],
    ["a line end of Windows", `${key}\r\n`],
    ["a blank second line", `${key}\n\n`],
    ["blanks", `  ${key} \t`],
    ["a byte order mark", `\uFEFF${key}\n`],
  ])("is taken without it, from a file and from a variable: %s", async (_what, text) => {
    const apiKeyFile = join(folder, "key");
    await writeFile(apiKeyFile, text);
    expect((await read({ apiKeyFile })).variables.ANTHROPIC_API_KEY).toBe(key);
    expect((await read({ apiKeyEnv: "KEY" }, { KEY: text })).variables.ANTHROPIC_API_KEY).toBe(key);
    expect((await read({ authTokenFile: apiKeyFile })).variables.ANTHROPIC_AUTH_TOKEN).toBe(key);
  });

  it.each([
    ["two words", "sk-one sk-two", "more than one word"],
    ["two lines", "sk-one\nsk-two", "more than one word"],
    ["quotes", '"sk-ant-quoted"', "quotes around"],
    ["letters that no header has", "sk-ключ", "characters that no key has"],
    ["the token of a subscription", "sk-ant-oat01-abcdefgh", "subscription"],
  ])("is refused in words that do not repeat it: %s", async (_what, text, words) => {
    const apiKeyFile = join(folder, "bad");
    await writeFile(apiKeyFile, text);
    for (const problem of [await problemOf({ apiKeyFile }), await problemOf({ apiKeyEnv: "KEY" }, { KEY: text })]) {
      expect(problem?.message).toContain(words);
      expect(problem?.message).not.toContain("sk-");
      expect(problem?.isMissing).toBe(false);
    }
  });

  it("is missing, not wrong, when there is nothing but white space", async () => {
    expect(await problemOf({ apiKeyEnv: "KEY" }, { KEY: " \n" })).toMatchObject({ isMissing: true });
    expect(await problemOf({ apiKeyFile: join(folder, "none") })).toMatchObject({ isMissing: true });
  });
});

describe("the address of a model API", () => {
  const withUrl = (url: string) => problemOf({ apiKeyEnv: "KEY", baseUrlEnv: "URL" }, { KEY: "sk-1234567", URL: url });
  it.each([
    ["gw.internal:4000", "http://"],
    ["file:///etc/passwd", "http://"],
    ["ftp://gw.internal", "http://"],
    ["http://", "not a URL"],
    ["https://user:secret-word@gw.internal", "name or a password"],
    ["https://secret-word@gw.internal", "name or a password"],
    ["https://gw.internal/?secret-word=1", "query"],
    ["https://gw.internal/?", "query"],
    ["https://gw.internal/#secret-word", "fragment"],
    ["https://gw.internal/v1", "/v1"],
    ["https://gw.internal/v1/", "/v1"],
    ["https://gw.internal/anthropic/V1/messages", "/v1"],
  ])("that cannot be right is refused, without being repeated: %s", async (url, words) => {
    const problem = await withUrl(url);
    expect(problem?.message).toContain(words);
    expect(problem?.message).not.toContain("secret-word");
    const set = await problemOf({ apiKeyEnv: "KEY", baseUrl: url }, { KEY: "sk-1234567" });
    expect(set?.message).toContain(words);
  });

  it.each(["http://127.0.0.1:8080", "https://gw.internal/anthropic", " https://gw.internal/ ", "https://h/v1beta"])(
    "is taken: %s",
    async (url) => {
      expect(await withUrl(url)).toBeUndefined();
    },
  );
});

describe("variables that are passed on", () => {
  it.each([
    ["ANTHROPIC_BASE_URL", "https://gw.internal/v1"],
    ["ANTHROPIC_FOUNDRY_BASE_URL", "gw.internal"],
    ["ANTHROPIC_BEDROCK_BASE_URL", "file:///etc"],
  ])("are refused when %s is no address", async (name, value) => {
    const problem = await problemOf({ apiKeyEnv: "KEY", passEnv: [name] }, { KEY: "sk-1234567", [name]: value });
    expect(problem?.message).toContain(name);
  });

  it("have absolute paths, whatever folder the server was started in", async () => {
    const file = join(folder, "ca.crt");
    await writeFile(file, "certificate");
    const { variables } = await read(
      { apiKeyEnv: "KEY", passEnv: ["NODE_EXTRA_CA_CERTS"] },
      { KEY: "sk-1234567", NODE_EXTRA_CA_CERTS: relative(process.cwd(), file) },
    );
    expect(variables.NODE_EXTRA_CA_CERTS).toBe(file);
  });

  it.each([
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
  ])("are refused when %s names nothing", async (name) => {
    const settings = { apiKeyEnv: "KEY", passEnv: [name] };
    const problem = await problemOf(settings, { KEY: "sk-1234567", [name]: join(folder, "nothing") });
    expect(problem?.message).toContain(name);
    expect(problem?.isMissing).toBe(false);
    expect(problem?.message).not.toContain(folder);
  });

  const bedrock = { passEnv: ["CLAUDE_CODE_USE_BEDROCK", "AWS_REGION", "AWS_PROFILE"] };
  const env = { CLAUDE_CODE_USE_BEDROCK: "1", AWS_REGION: "eu-west-1", AWS_PROFILE: "corp" };

  it("lead to the operator's own AWS files when a profile is named, since workers have another home", async () => {
    const home = join(folder, "home");
    await mkdir(join(home, ".aws"), { recursive: true });
    await writeFile(join(home, ".aws", "credentials"), "[corp]");
    const { variables } = await read(bedrock, { ...env, HOME: home });
    expect(variables).toEqual({ ...env, AWS_SHARED_CREDENTIALS_FILE: join(home, ".aws", "credentials") });
  });

  it("are refused with what to set when a profile is named that is in no file", async () => {
    const problem = await problemOf(bedrock, { ...env, HOME: join(folder, "empty") });
    expect(problem?.message).toContain("AWS_SHARED_CREDENTIALS_FILE");
  });

  it.each(["0", "false", "no", "off", " 0 "])("switch nothing on with %j", async (value) => {
    const settings = { passEnv: ["CLAUDE_CODE_USE_BEDROCK"] };
    expect(await problemOf(settings, { CLAUDE_CODE_USE_BEDROCK: value })).toBeInstanceOf(CredentialError);
  });
});

describe("credentials while the server runs", () => {
  async function opened(settings: Partial<CredentialSettings>, env: Record<string, string> = {}) {
    const lines: (LogFields & { readonly level: string; readonly message: string })[] = [];
    const line = (level: string) => (fields: LogFields, message: string) =>
      void lines.push({ ...fields, level, message });
    const clock = new FakeClock();
    const credentials = new Credentials({
      settings: { main: { passEnv: [], ...settings } },
      env,
      clock,
      log: { ...silentLog, info: line("info"), warn: line("warn"), error: line("error") },
    });
    const missing = await credentials.open(new Set(["main"]));
    return { credentials, clock, lines, missing };
  }

  it("change when the link of a secret volume is swapped, and when a file is written in place", async () => {
    const at = await mkdtemp(join(folder, "volume-"));
    const apiKeyFile = join(at, "key");
    for (const version of ["1", "2"]) {
      await mkdir(join(at, version));
      await writeFile(join(at, version, "key"), `sk-version-${version}`);
    }
    await symlink("1", join(at, "..data"));
    await symlink("..data/key", apiKeyFile);
    const { credentials } = await opened({ apiKeyFile });
    let changeCount = 0;
    credentials.watch(() => changeCount++);
    const first = await credentials.current("main");
    await credentials.look("main");
    expect([credentials.isCurrent("main", first), changeCount]).toEqual([true, 0]);

    await symlink("2", join(at, "..tmp"));
    await rename(join(at, "..tmp"), join(at, "..data"));
    await credentials.look("main");
    expect([credentials.isCurrent("main", first), changeCount]).toEqual([false, 1]);
    expect((await credentials.current("main")).variables.ANTHROPIC_API_KEY).toBe("sk-version-2");

    await writeFile(join(at, "2", "key"), "sk-version-3");
    await credentials.lookAtAll();
    expect(changeCount).toBe(2);
    // Those of before are still known: their workers may be there.
    expect(credentials.secrets.text("sk-version-1 sk-version-2 sk-version-3")).not.toContain("version");
    credentials.stop();
  });

  it("do not change when a file is only written again", async () => {
    const apiKeyFile = join(folder, "same");
    await writeFile(apiKeyFile, "sk-same-key-1");
    const { credentials, lines } = await opened({ apiKeyFile });
    const first = await credentials.current("main");
    await writeFile(apiKeyFile, "sk-same-key-1\n");
    await credentials.lookAtAll();
    expect([credentials.isCurrent("main", first), lines]).toEqual([true, []]);
  });

  it("change when a file changes that processes read themselves", async () => {
    const file = join(folder, "bundle.crt");
    await writeFile(file, "one");
    const { credentials } = await opened(
      { apiKeyEnv: "KEY", passEnv: ["NODE_EXTRA_CA_CERTS"] },
      { KEY: "sk-1234567", NODE_EXTRA_CA_CERTS: file },
    );
    const first = await credentials.current("main");
    await credentials.look("main");
    await writeFile(file, "two and more");
    await credentials.look("main");
    expect(credentials.isCurrent("main", first)).toBe(false);
  });

  it("stop a start when one that is used is wrong, and are said to be missing when they are", async () => {
    await expect(opened({ apiKeyEnv: "KEY" }, { KEY: "two words" })).rejects.toThrow("more than one word");
    const { missing } = await opened({ apiKeyEnv: "KEY" });
    expect(missing).toEqual([{ credential: "main", why: expect.stringContaining("KEY") }]);
  });

  it("warn of a key that ordinary text may hold", async () => {
    const { lines } = await opened({ apiKeyEnv: "KEY" }, { KEY: "dummy" });
    expect(lines).toMatchObject([{ level: "warn", message: expect.stringContaining("not removed from answers") }]);
  });
});
