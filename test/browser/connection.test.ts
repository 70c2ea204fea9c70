/** What the page says when the connection or the server goes away in the middle of a turn. */
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openScene, type Scene, type SettingsInput, tenants } from "../e2e/scene.ts";
import { describeInBrowser } from "./describe-in-browser.ts";
import { scenario, Visit } from "./visit.ts";

/** A cable between the page and the server, which can be cut. */
class Cable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #port = 0;

  #farPort: number;

  private constructor(server: Server, farPort: number) {
    this.#server = server;
    this.#farPort = farPort;
  }

  static async to(port: number): Promise<Cable> {
    const server = createServer();
    const cable = new Cable(server, port);
    server.on("connection", (near) => {
      const far = connect(cable.#farPort, "127.0.0.1");
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

  /** What is connected from now on goes to another server. */
  leadTo(port: number): void {
    this.#farPort = port;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** What is connected now brings nothing any more, and nobody is told. */
  freeze(): void {
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  /** Nobody gets through until it is plugged in again. */
  async unplug(): Promise<void> {
    this.#port = (this.#server.address() as AddressInfo).port;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }

  async plug(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, "127.0.0.1", resolve));
  }

  remove(): void {
    this.#server.close();
    this.cut();
  }
}

describeInBrowser("a connection that is lost", (browser) => {
  let scene: Scene;
  let cable: Cable;
  let store: NonNullable<SettingsInput["store"]>;
  let visit: Visit;
  beforeEach(async () => {
    const folder = await mkdtemp(join(tmpdir(), "runner-page-"));
    store = { kind: "sqlite", folder };
    scene = await openScene({ settings: { store } });
    cable = await Cable.to(scene.target.webPort);
    visit = await Visit.to(browser(), cable.url, { expected: [/Failed to load resource/] });
    await visit.signIn(tenants.acme);
    return async () => {
      await visit[Symbol.asyncDispose]();
      cable.remove();
      await scene.close();
      await rm(folder, { recursive: true, force: true });
    };
  });
  afterEach(() => expect(visit.problems).toEqual([]));

  it("in mid-turn is joined again: nothing of the answer is lost, and nothing comes twice", async () => {
    const text = Array.from({ length: 20 }, (_, index) => String.fromCharCode(97 + index)).join("");
    await visit.say(scenario("text", { text, deltas: 1, betweenDeltasMs: 400 }));
    await visit.lastTurn.locator(".text").waitFor();
    for (let cuts = 0; cuts < 3; cuts += 1) {
      cable.cut();
      const shown = await visit.lastTurn.locator(".text").innerText();
      await expect.poll(() => visit.lastTurn.locator(".text").innerText()).not.toBe(shown);
    }
    await visit.over();
    expect(await visit.lastTurn.locator(".text").innerText()).toBe(text);
    expect(await visit.lastTurn.locator(".failure").count()).toBe(0);
    expect(scene.standin.requests.filter(({ body }) => JSON.stringify(body).includes(text))).toHaveLength(1);
  });

  it("without a word is noticed when no heartbeat comes, and the turn is joined again", async () => {
    await visit.page.clock.install();
    await visit.page.reload();
    await visit.prompt.waitFor();
    const text = "abcdefghijklmnopqrst";
    await visit.say(scenario("text", { text, deltas: 1, betweenDeltasMs: 400 }));
    await visit.lastTurn.locator(".text").waitFor();
    cable.freeze();
    await visit.page.clock.fastForward(39_000);
    expect(await visit.lastTurn.getByText("Trying again").count()).toBe(0);
    // Connections that the browser has kept are gone as well, and it may take those first.
    const over = visit.over().then(() => true);
    const isOver = () =>
      Promise.race([over, new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 8_000))]);
    await visit.page.clock.fastForward(1_500);
    while (!(await isOver())) await visit.page.clock.fastForward(10_500);
    expect(await visit.lastTurn.locator(".text").innerText()).toBe(text);
    expect(await visit.lastTurn.locator(".failure").count()).toBe(0);
  });

  it("before a turn is said, and the turn begins when the server can be reached again", async () => {
    cable.cut();
    await cable.unplug();
    await visit.say(scenario("text", { text: "Here at last." }));
    await visit.lastTurn.getByText("The server cannot be reached. Trying again").waitFor();
    await cable.plug();
    await visit.over();
    expect(await visit.lastTurn.locator(".text").innerText()).toBe("Here at last.");
  });

  it("by a server that shuts down ends with the server's own reason, which the next one tells", async () => {
    await visit.say(scenario("stall"));
    await visit.lastTurn.locator(".text").waitFor();
    await scene.runner.stop({ drainTimeoutMs: 0 });
    await visit.lastTurn.getByText("The server cannot be reached. Trying again").waitFor();
    const next = await openScene({ settings: { store } });
    try {
      cable.leadTo(next.target.webPort);
      await visit.lastTurn.locator(".failure").getByText("DRAINED", { exact: true }).waitFor();
      expect(await visit.lastTurn.locator(".failure").innerText()).toContain("it may have cost something");
    } finally {
      await next.close();
    }
  });
});
