import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GetPoolResponse, WatchPoolResponse } from "../../gen/claude/runner/v1/pool_pb.ts";
import { HealthCheckResponse_ServingStatus as Status } from "../../gen/grpc/health/v1/health_pb.ts";
import { type ContractClient, failureOf, transportKinds } from "../contract/transports.ts";
import { workerSnapshot } from "../service/pool/watched-pool.ts";
import { until } from "../until.ts";
import { startTestServers, type TestServers, testToken, textsOf } from "./scripted-runner.ts";

/** What must hold for every client over every transport, whatever the handler does. */
for (const tls of [false, true]) {
  describe(tls ? "over TLS" : "over plain connections", () => {
    let test: TestServers;
    beforeAll(async () => {
      test = await startTestServers({
        tls,
        change: ({ calls }) => {
          calls.maxRequestBytes = 4 * 1024 * 1024;
        },
      });
    });
    afterAll(() => test.stop());

    describe.each(transportKinds.filter((kind) => kind.tls === tls))("$name", (kind) => {
      let client: ContractClient;
      beforeAll(() => {
        client = kind.connect(test.target);
      });
      afterAll(() => client.close());

      it("streams events in order, and the trailers behind them", async () => {
        let trailer = new Headers();
        const stream = client.streamChat({ prompt: "count 50" }, { onTrailer: (said) => (trailer = said) });
        expect(await textsOf(stream)).toEqual(Array.from({ length: 50 }, (_, at) => String(at + 1)));
        expect(trailer.get("x-trailer")).toBe("said at the end");
        expect(Buffer.from(trailer.get("x-trailer-bin") ?? "", "base64")).toEqual(Buffer.from([0, 255, 7]));
      });

      it("answers unary calls, and knows tenant and protocol", async () => {
        expect((await client.chat({ prompt: "count 3" })).text).toBe("123");
        const info = await client.getInfo();
        expect(info.tenant).toBe("acme");
        expect(info.serverVersion).toBe(kind.protocol);
      });

      it("hands request headers to the handler", async () => {
        const headers = { traceparent: "00-11111111111111111111111111111111-2222222222222222-01" };
        expect(await textsOf(client.streamChat({ prompt: "echo-header traceparent" }, { headers }))).toEqual([
          headers.traceparent,
        ]);
      });

      it("tells a refusal with reason, facts and push-back", async () => {
        const request = { prompt: "refuse" };
        for (const call of [() => client.streamChat(request), () => client.chat(request)]) {
          const failure = await failureOf(call());
          expect(failure).toMatchObject({
            code: Code.Unavailable,
            reason: "QUEUE_FULL",
            pushbackMs: 30,
            retryAfterMs: 30,
            message: "Unavailable: queue is full: 3 turns waiting, limit 3",
          });
          expect(failure.facts).toMatchObject({ waiting: "3", limit: "3" });
          expect(failure.sawHeaders).not.toBe(true);
        }
      });

      it("tells a failure in mid-stream behind the events that came before it", async () => {
        const texts: string[] = [];
        const stream = client.streamChat({ prompt: "fail-after 2" });
        const failure = await failureOf(
          (async () => {
            for await (const { event } of stream) if (event.case === "textDelta") texts.push(event.value.text);
          })(),
        );
        expect(texts).toEqual(["1", "2"]);
        expect(failure).toMatchObject({ code: Code.Aborted, reason: "WORKER_DIED", pushbackMs: -1 });
        expect(failure.sawHeaders).not.toBe(false);
      });

      it("shows nothing of an error that was not meant for the caller, and logs it with the path", async () => {
        test.logged.length = 0;
        for (const call of [
          () => client.streamChat({ prompt: "throw" }),
          () => client.streamChat({ prompt: "throw-after" }),
          () => client.chat({ prompt: "throw" }),
        ]) {
          const failure = await failureOf(call());
          expect(failure).toMatchObject({
            code: Code.Internal,
            reason: "INTERNAL",
            message: "Internal: internal error",
          });
          expect(JSON.stringify([...failure.metadata])).not.toContain("secret");
        }
        expect(test.logged.map(({ level, fields }) => [level, (fields as { path: string }).path])).toEqual([
          ["error", "/claude.runner.v1.ClaudeRunner/StreamChat"],
          ["error", "/claude.runner.v1.ClaudeRunner/StreamChat"],
          ["error", "/claude.runner.v1.ClaudeRunner/Chat"],
        ]);
      });

      it("tells the handler of a deadline", async () => {
        const arrival = test.runner.nextCall();
        const failing = failureOf(client.streamChat({ prompt: "wait" }, { timeoutMs: 80 }));
        const call = await arrival;
        const left = call.context.timeoutMs();
        expect(left).toBeGreaterThan(0);
        expect(left).toBeLessThanOrEqual(80);
        // Whether the server's timer or the client's reset comes first is a race.
        expect([Code.DeadlineExceeded, Code.Canceled]).toContain((await call.aborted).code);
        expect(await failing).toMatchObject({ code: Code.DeadlineExceeded });
        await call.ended;
      });

      it("tells the handler when the caller cancels", async () => {
        const abort = new AbortController();
        const arrival = test.runner.nextCall();
        const stream = client
          .streamChat({ prompt: "wait after-one" }, { signal: abort.signal })
          [Symbol.asyncIterator]();
        await stream.next();
        const call = await arrival;
        const rest = stream.next().catch((error: unknown) => error);
        abort.abort();
        expect(await call.aborted).toMatchObject({ code: Code.Canceled, rawMessage: "cancelled by the caller" });
        await call.ended;
        expect(await rest).toMatchObject({ code: Code.Canceled });
        await until(() => test.servers.openCallCount() === 0, { see: () => test.servers.openCallCount() });
      });

      it.each([
        ["no token", {}],
        ["a wrong token", { authorization: `Bearer ${testToken}x` }],
        ["another scheme", { authorization: `Basic ${Buffer.from(`user:${testToken}`).toString("base64")}` }],
        ["an empty token", { authorization: "Bearer " }],
      ])("refuses a call with %s before any handler sees it", async (_, headers) => {
        const stranger = kind.connect({ ...test.target, token: undefined });
        const before = test.runner.calls.length;
        for (const call of [
          () => stranger.streamChat({ prompt: "count 1" }, { headers }),
          () => stranger.chat({ prompt: "count 1" }, { headers }),
        ]) {
          expect(await failureOf(call())).toMatchObject({ code: Code.Unauthenticated, reason: "UNAUTHENTICATED" });
        }
        expect(test.runner.calls.length).toBe(before);
        stranger.close();
      });

      it("tells health without a token", async () => {
        const stranger = kind.connect({ ...test.target, token: undefined });
        expect((await stranger.checkHealth("")).status).toBe(Status.SERVING);
        expect(await failureOf(stranger.checkHealth("no.such.Service"))).toMatchObject({ code: Code.NotFound });
        const watch = stranger.watchHealth("claude.runner.v1.ClaudeRunner")[Symbol.asyncIterator]();
        expect((await watch.next()).value.status).toBe(Status.SERVING);
        test.readiness.set(false);
        expect((await watch.next()).value.status).toBe(Status.NOT_SERVING);
        test.readiness.set(true);
        expect((await watch.next()).value.status).toBe(Status.SERVING);
        stranger.close();
        await watch.return?.();
        await until(() => test.readiness.listenerCount === 0, { see: () => test.readiness.listenerCount });
      });

      it("tells the pool as it is, and to a watcher whenever it has changed, until the watcher goes", async () => {
        const now = (...ids: string[]) => ({ workers: ids.map((id) => workerSnapshot({ id })) });
        const idsOf = ({ pool }: GetPoolResponse | WatchPoolResponse) => pool?.workers.map(({ workerId }) => workerId);
        test.pool.change(now("w1"));
        expect(idsOf(await client.getPool())).toEqual(["w1"]);
        const abort = new AbortController();
        const request = { minInterval: { nanos: 100_000_000 } };
        const states = client.watchPool(request, { signal: abort.signal })[Symbol.asyncIterator]();
        expect(idsOf((await states.next()).value)).toEqual(["w1"]);
        const next = states.next();
        test.pool.change(now("w1", "w2"));
        test.pool.change(now("w1", "w2", "w3"));
        expect(idsOf((await next).value)).toEqual(["w1", "w2", "w3"]);
        expect(test.servers.openCallCount(), "a watch is nothing that a drain waits for").toBe(0);
        const rest = states.next().catch((error: unknown) => error);
        abort.abort();
        expect(await rest).toMatchObject({ code: Code.Canceled });
        await until(() => test.pool.listenerCount === 0, { see: () => test.pool.listenerCount });
      });

      it("tells what is wrong with a request for the pool, and wants a token", async () => {
        const wrong = [client.getPool({ recentTurnCount: 101 }), client.watchPool({ minInterval: { seconds: 61n } })];
        for (const call of wrong) {
          expect(await failureOf(call)).toMatchObject({ code: Code.InvalidArgument, reason: "INVALID_REQUEST" });
        }
        const stranger = kind.connect({ ...test.target, token: undefined });
        for (const call of [stranger.getPool(), stranger.watchPool()]) {
          expect(await failureOf(call)).toMatchObject({ code: Code.Unauthenticated, reason: "UNAUTHENTICATED" });
        }
        stranger.close();
      });

      it("ends a watch at the caller's deadline", async () => {
        expect(await failureOf(client.watchPool({}, { timeoutMs: 80 }))).toMatchObject({ code: Code.DeadlineExceeded });
        await until(() => test.pool.listenerCount === 0, { see: () => test.pool.listenerCount });
      });

      it("sends no answer that is too large for clients", async () => {
        // The service keeps its answers well below: this is the net below the net, so a bare status will do.
        const prompt = `say ${4 * 1024 * 1024}`;
        for (const call of [() => client.streamChat({ prompt }), () => client.chat({ prompt })]) {
          const failure = await failureOf(call());
          expect(failure.code).toBe(Code.ResourceExhausted);
          if (kind.port === "grpc") expect(failure.reason).toBe("RESPONSE_TOO_LARGE");
        }
      });

      it("takes a request of many megabytes and refuses one that is larger than it reads", async () => {
        const withBytes = (bytes: number) => {
          const image = { mediaType: "image/png", data: new Uint8Array(bytes) };
          return { prompt: "length of it", content: [{ block: { case: "image" as const, value: image } }] };
        };
        // As JSON they are a third more.
        expect(await textsOf(client.streamChat(withBytes(2.5 * 1024 * 1024)))).toEqual(["12"]);
        const tooLarge = withBytes(4 * 1024 * 1024 + 1);
        for (const call of [() => client.streamChat(tooLarge), () => client.chat(tooLarge)]) {
          expect(await failureOf(call())).toMatchObject({
            code: Code.ResourceExhausted,
            reason: "REQUEST_TOO_LARGE",
            facts: { limitBytes: String(4 * 1024 * 1024) },
          });
        }
        expect((await client.chat({ prompt: "count 1" })).text).toBe("1");
      });
    });
  });
}
