import { describe, expect, it } from "vitest";
import { RetainedKind, StorageKind } from "../../gen/claude/runner/v1/runner_pb.ts";
import { settingsSchema } from "../../src/config/settings.ts";
import { serverInfo } from "../../src/service/server-info.ts";
import { type StorageReport, storageReport } from "../../src/store/storage-report.ts";

const settings = settingsSchema.parse({
  profiles: { default: {}, silent: { storeContent: "none" }, coder: { tools: ["Bash"], isolation: "none" } },
  store: { requestResultMs: 60_000 },
});

function info(storage: StorageReport, { isOperator = false, profiles = ["*"] } = {}) {
  const caller = { tenant: "acme", profiles, isOperator };
  return serverInfo(caller, {
    settings,
    profiles: settings.profiles,
    serverVersion: "0",
    cli: () => ({ version: undefined, seeds: undefined }),
    storage: () => storage,
  });
}
const whole = (kind: StorageReport["kind"]): StorageReport => ({ kind, problem: undefined });
const kinds = (of: ReturnType<typeof info>) => of.storage?.retained?.map(({ kind }) => kind);

describe("what a server says of itself", () => {
  it("names all that it keeps, where, and for how long", () => {
    const { storage } = info(whole("sqlite"));
    expect(storage).toMatchObject({ kind: StorageKind.SQLITE, problem: "" });
    const known = Object.values(RetainedKind).filter((kind) => typeof kind === "number" && kind > 0);
    expect(storage?.retained?.map(({ kind }) => kind)).toEqual(known);
    expect(storage?.retained).toContainEqual({
      kind: RetainedKind.REQUEST_RESULT,
      onDisk: true,
      retention: expect.objectContaining({ seconds: 60n }),
    });
    expect(storage?.retained?.find(({ kind }) => kind === RetainedKind.TURN_EVENTS)?.onDisk).toBe(false);
  });

  it("has nothing on disk when it keeps all in memory", () => {
    const { storage } = info(whole("memory"));
    expect(storage?.kind).toBe(StorageKind.MEMORY);
    expect(storage?.retained?.some(({ onDisk }) => onDisk)).toBe(false);
  });

  it("names no words among what it keeps to a caller whose profiles have none kept", () => {
    expect(kinds(info(whole("sqlite"), { profiles: ["silent"] }))).toEqual([
      RetainedKind.TURN_RECORD,
      RetainedKind.TURN_EVENTS,
    ]);
  });

  it("says of each profile whether it keeps words, and whether its sessions need their worker", () => {
    const found = info(whole("sqlite")).profiles?.map(({ name, keepsContent, hasToolSessions }) => [
      name,
      keepsContent,
      hasToolSessions,
    ]);
    expect(found).toEqual([
      ["coder", true, true],
      ["default", true, false],
      ["silent", false, false],
    ]);
  });

  it("says what is wrong with the store, with the server's paths to operators only", () => {
    const store = { kind: "memory", health: () => ({ problem: undefined }) } as unknown as Parameters<
      typeof storageReport
    >[0]["store"];
    const report = storageReport({ store, warning: { summary: "kept in memory only", cause: "/var/x is read-only" } });
    expect(info(report).storage?.problem).toBe("kept in memory only");
    expect(info(report, { isOperator: true }).storage?.problem).toBe("kept in memory only: /var/x is read-only");
  });

  it("says what is wrong now before what was wrong at the start", () => {
    const store = { kind: "memory", health: () => ({ problem: "the disk is full" }) } as unknown as Parameters<
      typeof storageReport
    >[0]["store"];
    expect(storageReport({ store, warning: { summary: "a", cause: "b" } }).problem).toEqual({
      forOperators: "the disk is full",
      forTenants: "the disk is full",
    });
  });
});
