/** What the page says when the connection or the server goes away in the middle of a turn. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openScene, type Scene, tenants } from "../e2e/scene.ts";
import { describeInBrowser } from "./describe-in-browser.ts";
import { scenario, Visit } from "./visit.ts";

/** A cable between the page and the server, which can be cut. */
class Cable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async to(port: number): Promise<Cable> {
    const server = createServer();
    const cable = new Cable(server);
    server.on("connection", (near) => {
      const far = connect(port, "127.0.0.1");
      for (const [one, other] of [[near, far] as const, [far, near] as const]) {
        cable.#sockets.add(one);
        one.pipe(other);
        one
          .on("error", () => {})
          .once("close", () => {
            cable.#sockets.delete(one);
            other.destroy();
          });
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return cable;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  remove(): void {
    this.#server.close();
    this.cut();
  }
}

describeInBrowser("a connection that is lost", (browser) => {
  let scene: Scene;
  let cable: Cable;
  let visit: Visit;
  beforeEach(async () => {
    scene = await openScene();
    cable = await Cable.to(scene.target.webPort);
    visit = await Visit.to(browser(), cable.url, { expected: [/Failed to load resource/] });
    await visit.signIn(tenants.acme);
    return async () => {
      await visit[Symbol.asyncDispose]();
      cable.remove();
      await scene.close();
    };
  });
  afterEach(() => expect(visit.problems).toEqual([]));

  it("in mid-turn is said, what had come stays, and the conversation can go on", async () => {
    await visit.say(scenario("stall"));
    await visit.lastTurn.locator(".text").waitFor();
    const before = await visit.lastTurn.locator(".text").innerText();
    cable.cut();
    await visit.lastTurn.getByText("Connection lost").waitFor();
    expect(await visit.lastTurn.locator(".text").innerText()).toBe(before);
    expect(await visit.lastTurn.locator(".failure").innerText()).toContain("broke off mid-turn");
    // The server notices as well: the worker is interrupted and serves again.
    await expect.poll(() => scene.workers().claimed).toBe(0);
    expect(await visit.ask(scenario("text", { text: "Back again." }))).toContain("Back again.");
  });

  it("before a turn is said, and the same prompt can be sent again", async () => {
    cable.remove();
    await visit.say("Hello");
    await visit.lastTurn.getByText("The server cannot be reached.").waitFor();
    expect(await visit.lastTurn.getByRole("button", { name: "Try again" }).isEnabled()).toBe(true);
  });

  it("by a server that shuts down is told with the server's own reason", async () => {
    await visit.say(scenario("stall"));
    await visit.lastTurn.locator(".text").waitFor();
    await scene.runner.stop({ drainTimeoutMs: 0 });
    await visit.lastTurn.locator(".failure").getByText("DRAINED", { exact: true }).waitFor();
    expect(await visit.lastTurn.locator(".failure").innerText()).toContain("it may have cost something");
  });
});
