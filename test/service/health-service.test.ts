import { describe, expect, it } from "vitest";
import { HealthCheckResponse_ServingStatus as Status } from "../../gen/grpc/health/v1/health_pb.ts";
import type { CallContext } from "../../src/service/calls.ts";
import { healthService } from "../../src/service/health-service.ts";
import { TestReadiness } from "../server/scripted-runner.ts";

type Answer = { status: Status };
type Handlers = {
  check(request: { service: string }): Promise<Answer>;
  list(): Promise<{ statuses: Record<string, Answer> }>;
  watch(request: { service: string }, call: Pick<CallContext, "signal">): AsyncGenerator<Answer>;
};

function setUp() {
  const readiness = new TestReadiness();
  const { handlers, isOpen, isEndedAtDrain } = healthService(readiness);
  return { readiness, health: handlers as unknown as Handlers, isOpen, isEndedAtDrain };
}

describe("health", () => {
  it("needs no token and does not hold up a drain", () => {
    expect(setUp()).toMatchObject({ isOpen: true, isEndedAtDrain: true });
  });

  it("says for the server and for its service whether turns can be served", async () => {
    const { readiness, health } = setUp();
    for (const service of ["", "claude.runner.v1.ClaudeRunner"]) {
      expect(await health.check({ service })).toEqual({ status: Status.SERVING });
      readiness.set(false);
      expect(await health.check({ service })).toEqual({ status: Status.NOT_SERVING });
      readiness.set(true);
    }
    expect(Object.keys((await health.list()).statuses)).toEqual(["", "claude.runner.v1.ClaudeRunner"]);
  });

  it("does not know other services", async () => {
    await expect(setUp().health.check({ service: "other" })).rejects.toMatchObject({ code: 5 });
  });

  it("tells a watcher each change once, and nothing that changed back before it looked", async () => {
    const { readiness, health } = setUp();
    const watch = health.watch({ service: "" }, { signal: new AbortController().signal });
    expect((await watch.next()).value).toEqual({ status: Status.SERVING });
    const next = watch.next();
    readiness.set(true);
    readiness.set(false);
    readiness.set(true);
    readiness.set(false);
    expect((await next).value).toEqual({ status: Status.NOT_SERVING });
    await watch.return(undefined);
    expect(readiness.listenerCount).toBe(0);
  });

  it("tells a watcher of an unknown service that it is unknown, and keeps the watch open", async () => {
    const { readiness, health } = setUp();
    const abort = new AbortController();
    const watch = health.watch({ service: "other" }, { signal: abort.signal });
    expect((await watch.next()).value).toEqual({ status: Status.SERVICE_UNKNOWN });
    const next = watch.next();
    readiness.set(false);
    abort.abort(new Error("over"));
    await expect(next).rejects.toThrow("over");
    expect(readiness.listenerCount).toBe(0);
  });
});
