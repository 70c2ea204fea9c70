import { describe, expect, it } from "vitest";
import { OpenedResources } from "../../../src/cli/start/opened-resources.ts";
import { type Log, silentLog } from "../../../src/telemetry/log.ts";
import type { OpenResource, WorkerResource } from "../../../src/worker-resource.ts";

const worker = { id: "w1", profile: "default", withoutSecrets: (json: string) => json };

function opening() {
  const happened: string[] = [];
  const log: Log = {
    ...silentLog,
    warn: (fields) => void happened.push(`warned of ${(fields as { resource: string }).resource}`),
  };
  const resources = new OpenedResources(worker, log);
  const resource = (name: string, more: Partial<OpenResource> = {}): WorkerResource => ({
    name,
    async open() {
      happened.push(`opened ${name}`);
      return { variables: { [name]: "1" }, close: () => void happened.push(`closed ${name}`), ...more };
    },
  });
  const failing = (name: string, error: unknown): WorkerResource => ({ name, open: () => Promise.reject(error) });
  return { happened, resources, resource, failing };
}

describe("what one worker has for itself", () => {
  it("is opened in order, and closed once and in reverse", async () => {
    const { happened, resources, resource } = opening();
    for (const name of ["a", "b", "c"]) await resources.open(resource(name));
    expect(resources.variables).toEqual({ a: "1", b: "1", c: "1" });
    await Promise.all([resources.close(), resources.close()]);
    await resources.close();
    expect(happened).toEqual(["opened a", "opened b", "opened c", "closed c", "closed b", "closed a"]);
  });

  it("gives what was opened, for whoever knows more of it", async () => {
    const { resources } = opening();
    const own: WorkerResource<OpenResource & { readonly path: string }> = {
      name: "own",
      open: async ({ id }) => ({ variables: {}, path: `/${id}`, close: () => undefined }),
    };
    expect((await resources.open(own)).path).toBe("/w1");
  });

  it("is closed as far as it was opened when one of it cannot be", async () => {
    const { happened, resources, resource, failing } = opening();
    await resources.open(resource("a"));
    const cause = Object.assign(new Error("no space"), { code: "ENOSPC" });
    await expect(resources.open(failing("b", cause))).rejects.toMatchObject({
      reason: "WORKER_START_FAILED",
      message: "a worker could not be started: its b could not be made",
      facts: { code: "ENOSPC" },
      cause,
    });
    await resources.close();
    expect(happened).toEqual(["opened a", "closed a"]);
  });

  it("is closed to the last one where others cannot be, which is logged", async () => {
    const { happened, resources, resource } = opening();
    await resources.open(resource("a"));
    await resources.open(resource("b", { close: () => Promise.reject(new Error("busy")) }));
    await resources.open(
      resource("c", {
        close: () => {
          throw new Error("busy");
        },
      }),
    );
    await resources.close();
    expect(happened.slice(3)).toEqual(["warned of c", "warned of b", "closed a"]);
  });

  it("is not opened further once nobody wants the worker, whatever the one that is being opened says", async () => {
    const { happened, resources, resource } = opening();
    const abort = new AbortController();
    await resources.open(resource("a"), abort.signal);
    const slow: WorkerResource = {
      name: "b",
      open: async (_, signal) => {
        abort.abort(new Error("nobody waits"));
        signal!.throwIfAborted();
        throw new Error("not reached");
      },
    };
    await expect(resources.open(slow, abort.signal)).rejects.toThrow("nobody waits");
    await expect(resources.open(resource("c"), abort.signal)).rejects.toThrow("nobody waits");
    await resources.close();
    expect(happened).toEqual(["opened a", "closed a"]);
  });

  it("does not set a variable twice, and closes also what would have", async () => {
    const { happened, resources, resource } = opening();
    await resources.open(resource("a"));
    await expect(resources.open(resource("b", { variables: { a: "2" } }))).rejects.toMatchObject({
      reason: "INTERNAL",
      cause: expect.objectContaining({ message: "bug: a of b of a worker would be set twice" }),
    });
    await resources.close();
    expect(happened).toEqual(["opened a", "opened b", "closed b", "closed a"]);
  });

  it("wraps the command from the inside out", async () => {
    const { resources, resource } = opening();
    const wrapping = (path: string) => ({
      wrap: (command: { readonly path: string; readonly args: readonly string[]; readonly cwd: string }) => ({
        ...command,
        path,
        args: ["--", command.path, ...command.args],
      }),
    });
    await resources.open(resource("a", wrapping("inner")));
    await resources.open(resource("b"));
    await resources.open(resource("c", wrapping("outer")));
    expect(resources.wrap({ path: "claude", args: ["-p"], cwd: "/" })).toEqual({
      path: "outer",
      args: ["--", "inner", "--", "claude", "-p"],
      cwd: "/",
    });
  });
});
