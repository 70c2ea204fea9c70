import { connect as connectHttp2, constants } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { resetBurst } from "../../src/server/connections/h2-session.ts";
import { type ContractClient, transportKinds } from "../contract/transports.ts";
import { until } from "../until.ts";
import { startTestServers, type TestServers, testToken, textsOf } from "./scripted-runner.ts";

/** What careless, slow and hostile peers do; afterwards the server has to be as it was. */
for (const tls of [false, true]) {
  describe(tls ? "over TLS" : "over plain connections", () => {
    let test: TestServers;
    beforeEach(async () => {
      test = await startTestServers({ tls });
    });
    afterEach(() => test.stop());

    const kinds = transportKinds.filter((kind) => kind.tls === tls);
    const oneOfEach = kinds.filter(({ library, port, protocol, httpVersion }) =>
      library === "grpc-js" ? true : port === "web" && protocol === "connect" && httpVersion === "1.1",
    );

    // Over HTTP/1.1 the kernel's buffers, tens of megabytes on some machines, come first: see web-answer.test.ts.
    const withWindows = kinds.filter(({ httpVersion }) => httpVersion === "2");
    it.each(withWindows)("$name: a client that stops reading stops the handler", async (kind) => {
      const client = kind.connect(test.target);
      const total = 20_000;
      const arrival = test.runner.nextCall();
      const stream = client.streamChat({ prompt: `flood ${total} 4096` })[Symbol.asyncIterator]();
      await stream.next();
      const call = await arrival;
      let before = -1;
      while (call.pulledCount !== before) {
        before = call.pulledCount;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      // Flow control windows and the client's own buffers take some megabytes, not all 80.
      expect(call.pulledCount).toBeLessThan(total / 4);
      await stream.return?.();
      client.close();
      await call.ended;
      await until(() => test.servers.openCallCount() === 0, { see: () => test.servers.openCallCount() });
    });

    it.each(kinds)("$name: clients that vanish in mid-stream leave nothing open", async (kind) => {
      const clients = Array.from({ length: 40 }, () => kind.connect(test.target));
      const aborts = clients.map(() => new AbortController());
      const streams = clients.map((client, at) =>
        client
          // Half of them while writes are blocked, half while nothing happens.
          .streamChat({ prompt: at % 2 === 0 ? "flood 2000 16384" : "wait after-one" }, { signal: aborts[at]!.signal })
          [Symbol.asyncIterator](),
      );
      await Promise.all(streams.map((stream) => stream.next()));
      expect(test.servers.openCallCount()).toBe(40);
      for (const abort of aborts) abort.abort();
      for (const client of clients) client.close();
      await Promise.all(test.runner.calls.map(({ ended }) => ended));
      await until(() => test.servers.openCallCount() === 0, { see: () => test.servers.openCallCount() });
      expect(test.logged).toEqual([]);
    });

    it.each(["application/grpc", "application/connect+proto"])(
      "a client that reads neither events nor the end of its call is cut off: %s",
      async (type) => {
        for (const port of type === "application/grpc"
          ? [test.target.grpcPort, test.target.webPort]
          : [test.target.webPort]) {
          const socket = open(port, tls, ["h2"]);
          const session = connectHttp2("http://localhost", { createConnection: () => socket });
          session.on("error", () => {});
          const arrival = test.runner.nextCall();
          const stream = session.request({
            ":method": "POST",
            ":path": "/claude.runner.v1.ClaudeRunner/StreamChat",
            "content-type": type,
            te: "trailers",
            authorization: `Bearer ${testToken}`,
            "grpc-timeout": "200m",
            "connect-timeout-ms": "200",
          });
          stream.on("error", () => {}).pause();
          const prompt = Buffer.from("flood 20000 4096");
          stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, prompt.length + 2, 0x12, prompt.length]), prompt]));
          const call = await arrival;
          expect(await call.aborted).toMatchObject({ code: 4 });
          await call.ended;
          expect(test.servers.openCallCount()).toBe(1);
          await until(() => test.servers.openCallCount() === 0, { see: () => test.servers.openCallCount() });
          session.destroy();
        }
      },
    );

    it.each(["FIN", "RST"])("a peer whose connection ends by %s leaves nothing open", async (kind) => {
      for (const port of [test.target.grpcPort, test.target.webPort]) {
        const tcp = connectTcp({ host: "127.0.0.1", port });
        const socket = tls ? connectTls({ socket: tcp, ALPNProtocols: ["h2"], rejectUnauthorized: false }) : tcp;
        const session = connectHttp2("http://localhost", { createConnection: () => socket });
        session.on("error", () => {});
        const stream = session.request({
          ":method": "POST",
          ":path": "/claude.runner.v1.ClaudeRunner/StreamChat",
          "content-type": "application/grpc",
          te: "trailers",
          authorization: `Bearer ${testToken}`,
        });
        stream.on("error", () => {});
        const arrival = test.runner.nextCall();
        const prompt = Buffer.from("wait after-one");
        stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, prompt.length + 2, 0x12, prompt.length]), prompt]));
        const call = await arrival;
        if (kind === "FIN") socket.end();
        else tcp.resetAndDestroy();
        expect((await call.aborted).code).toBe(1);
        await until(() => test.servers.openCallCount() === 0, { see: () => test.servers.openCallCount() });
        session.destroy();
      }
    });

    const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    it.each([
      ["junk", [Buffer.from([0, 1, 2, 3, 255, 254, 10, 13, 10, 13])]],
      ["half a preface, then something else", [preface.slice(0, 10), "junk junk junk junk"]],
      ["a preface in single bytes, then junk frames", [...preface, Buffer.alloc(64, 0xff)]],
      ["frames of impossible length", [preface, Buffer.from("ffffff0000000000010000", "hex"), Buffer.alloc(1000, 1)]],
      ["a request that is none", ["POST /nowhere HTTP/9.9\r\nno colon\r\n\r\n"]],
      ["a request with two lengths", ["POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n"]],
      ["a TLS greeting where none is spoken, or the other way round", [Buffer.from("16030100050100000100", "hex")]],
      ["pipelined requests and an end", [`${"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(20)}`]],
      ["nothing", []],
    ])("a peer that sends %s harms nobody", async (_, parts) => {
      for (const port of [test.target.grpcPort, test.target.webPort]) {
        for (const encrypted of new Set([tls, false])) {
          const socket = open(port, encrypted, ["h2", "http/1.1"]);
          socket.on("error", () => {}).resume();
          const closed = new Promise((resolve) => socket.on("close", resolve));
          for (const part of parts) socket.write(part);
          socket.end();
          await closed;
        }
      }
      await expectAlive();
    });

    it.each(["grpc", "web"] as const)(
      "many cancels on a connection of the %s port end nobody else's turn; a flood of them is cut off",
      async (port) => {
        await test.stop();
        // Time stands still, so that what may be reset does not depend on how fast this machine is.
        test = await startTestServers({ tls, clock: { ...systemClock, now: () => 0 } });
        const socket = open(port === "grpc" ? test.target.grpcPort : test.target.webPort, tls, ["h2"]);
        const session = connectHttp2("http://localhost", { createConnection: () => socket });
        session.on("error", () => {});
        const goneAway = new Promise<number>((resolve) => session.on("goaway", resolve));
        const closed = new Promise((resolve) => session.on("close", resolve));
        const request = (method: string, headers: Record<string, string> = {}) => {
          const path = { ":method": "POST", ":path": method, "content-type": "application/grpc", te: "trailers" };
          const stream = session.request({ ...path, ...headers });
          return stream.on("error", () => {});
        };
        const cancel = () =>
          new Promise<void>((resolve) => {
            const stream = request("/grpc.health.v1.Health/Watch");
            stream.on("close", resolve).on("response", () => stream.close(constants.NGHTTP2_CANCEL));
            stream.resume().end(Buffer.alloc(5));
          });

        const turn = request("/claude.runner.v1.ClaudeRunner/StreamChat", { authorization: `Bearer ${testToken}` });
        let isOver = false;
        turn.on("close", () => {
          isOver = true;
        });
        const prompt = Buffer.from("\x12\x0ewait after-one", "latin1");
        turn.end(Buffer.concat([Buffer.from([0, 0, 0, 0, prompt.length]), prompt]));
        await new Promise((resolve) => turn.once("data", resolve));
        for (let at = 0; at < resetBurst - 500; at += 50) await Promise.all(Array.from({ length: 50 }, cancel));
        expect(isOver).toBe(false);

        while (!session.closed && !session.destroyed) {
          await Promise.race([Promise.all(Array.from({ length: 50 }, cancel)), closed]);
        }
        expect(await goneAway).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
        await closed;
        await expectAlive();
      },
    );

    async function expectAlive(): Promise<void> {
      const clients: ContractClient[] = oneOfEach.map((kind) => kind.connect(test.target));
      for (const client of clients) {
        expect(await textsOf(client.streamChat({ prompt: "count 2" }))).toEqual(["1", "2"]);
        client.close();
      }
      await until(() => test.servers.openCallCount() === 0, { see: () => test.servers.openCallCount() });
      expect(test.logged).toEqual([]);
    }
  });
}

function open(port: number, encrypted: boolean, protocols: string[]): Socket {
  return encrypted
    ? connectTls({ host: "127.0.0.1", port, ALPNProtocols: protocols, rejectUnauthorized: false })
    : connectTcp({ host: "127.0.0.1", port });
}
