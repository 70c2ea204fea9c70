/**
 * The servers that behaviours are tried on: opened when first asked for, shared by all behaviours and languages, closed
 * together.
 */
import { randomUUID } from "node:crypto";
import { testTls } from "../../test/contract/transports.ts";
import type { LogLine } from "../../test/e2e/log-book.ts";
import { openScene, type Scene, type SettingsInput, tenants } from "../../test/e2e/scene.ts";
import { type FutureServer, openFutureServer } from "./future-server.ts";
import type { Target } from "./protocol.ts";

export { testTls } from "../../test/contract/transports.ts";
export type { Scene } from "../../test/e2e/scene.ts";

const mainSettings: SettingsInput = {
  profiles: {
    default: { description: "What most turns run under." },
    secret: { description: "Another tenant's.", tenant: "umbrella", minSpares: 0 },
  },
};

export class Lab implements AsyncDisposable {
  readonly #opened = new AsyncDisposableStack();
  readonly #once = new Map<string, Promise<unknown>>();

  /** The server that most behaviours use. */
  main(): Promise<Scene> {
    return this.#shared("main", () => this.scene(mainSettings));
  }

  /** A server whose certificate is its own authority: see `testTls`. */
  overTls(): Promise<Scene> {
    return this.#shared("tls", () => this.scene({ grpc: { tls: testTls } }));
  }

  /** A server with one worker and no queue: a second turn finds it full. */
  crowded(): Promise<Scene> {
    return this.#shared("crowded", () =>
      this.scene({ queue: { maxLength: 0 }, profiles: { default: { maxWorkers: 1 } } }),
    );
  }

  /** A server of a later contract, whose turns have events that no client of today knows. */
  future(): Promise<FutureServer> {
    return this.#shared("future", () => openFutureServer());
  }

  /** A server for one behaviour alone. Closed by its user; with the lab at the latest. */
  async scene(settings: SettingsInput = {}): Promise<Scene> {
    const scene = await openScene({ settings });
    this.#opened.defer(() => scene.close());
    return scene;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#once.values());
    await this.#opened.disposeAsync();
  }

  #shared<T extends object>(name: string, open: () => Promise<T>): Promise<T> {
    const known = this.#once.get(name) as Promise<T> | undefined;
    const opening = known ?? open().then((server) => this.#owned(server));
    this.#once.set(name, opening);
    return opening;
  }

  /** What closes by `await using` is closed with the lab; scenes are already. */
  #owned<T extends object>(server: T): T {
    if (Symbol.asyncDispose in server) this.#opened.use(server as T & AsyncDisposable);
    return server;
  }
}

/** The gRPC port of a scene, with the token of tenant `acme` unless told otherwise. */
export function targetOf(scene: Scene, change: Partial<Target> = {}): Target {
  return { address: `127.0.0.1:${scene.target.grpcPort}`, token: tenants.acme, ...change };
}

/** A mark for a turn, and the line of the server's log with which the turn was booked, whatever became of it. */
export function markedTurn({ book }: Scene): {
  readonly labels: Readonly<Record<string, string>>;
  readonly booked: Promise<LogLine>;
} {
  const job = randomUUID();
  const isOurs = ({ message, labels }: LogLine) =>
    (message === "turn ended" || message === "turn refused") && (labels as { job?: string } | undefined)?.job === job;
  return { labels: { job }, booked: book.wait(isOurs) };
}

/** Until no worker of the scene has a turn. */
export function untilAllFree(scene: Scene): Promise<void> {
  return untilWorkers(scene, ({ claimed }) => claimed === 0);
}

/** Until a worker is ready for the next turn. */
export function untilOneIsIdle(scene: Scene): Promise<void> {
  return untilWorkers(scene, ({ claimed, spare, boundIdle }) => claimed === 0 && spare + boundIdle > 0);
}

async function untilWorkers(scene: Scene, are: (counts: ReturnType<Scene["workers"]>) => boolean): Promise<void> {
  while (!are(scene.workers())) {
    await scene.book.wait(({ message }) => message === "worker changed state", scene.book.position);
  }
}
