/**
 * The server that is attacked: a whole one on loopback, its workers the scripted fake CLI, with two tenants and an operator.
 *
 * Knows the usual ways to call it, so that an attack says only what is unusual about it.
 */
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { expect } from "vitest";
import { StreamChatRequestSchema } from "../../gen/claude/runner/v1/runner_pb.ts";
import { sha256Of } from "../../src/policy/auth.ts";
import { grpcFrame } from "../e2e/raw-calls.ts";
import { tenants } from "../e2e/scene.ts";
import { type FakeScene, openFakeScene } from "../faults/fake-scene.ts";
import type { Port } from "./attack.ts";
import { type HeaderLine, http1, http2, type WireAnswer } from "./wire.ts";

export const tokens = { ...tenants, operator: "test-token-of-the-operator" } as const;

export const paths = {
  chat: "/claude.runner.v1.ClaudeRunner/Chat",
  streamChat: "/claude.runner.v1.ClaudeRunner/StreamChat",
  getInfo: "/claude.runner.v1.ClaudeRunner/GetInfo",
  getPool: "/claude.runner.v1.PoolService/GetPool",
  attachTurn: "/claude.runner.v1.TurnService/AttachTurn",
  getTurn: "/claude.runner.v1.TurnService/GetTurn",
  interruptTurn: "/claude.runner.v1.TurnService/InterruptTurn",
  listTurns: "/claude.runner.v1.TurnService/ListTurns",
  createSession: "/claude.runner.v1.SessionService/CreateSession",
  deleteSession: "/claude.runner.v1.SessionService/DeleteSession",
  forkSession: "/claude.runner.v1.SessionService/ForkSession",
  getSession: "/claude.runner.v1.SessionService/GetSession",
  listSessions: "/claude.runner.v1.SessionService/ListSessions",
  health: "/grpc.health.v1.Health/Check",
  watchHealth: "/grpc.health.v1.Health/Watch",
  reflection: "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
  oldReflection: "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
} as const;

export class Lab implements AsyncDisposable {
  readonly scene: FakeScene;

  static async open(): Promise<Lab> {
    const tokenOf = (tenant: keyof typeof tokens) => ({ tenant, sha256: sha256Of(tokens[tenant]) });
    return new Lab(
      await openFakeScene({
        admin: { enabled: true },
        auth: {
          tokens: [tokenOf("acme"), tokenOf("umbrella"), { ...tokenOf("operator"), operator: true }],
        },
        profiles: {
          default: { minSpares: 1, maxWorkers: 2 },
          // The other tenant's, which this one must not learn of.
          private: { minSpares: 0, tenant: "umbrella" },
        },
        telemetry: { prometheus: true },
      }),
    );
  }

  private constructor(scene: FakeScene) {
    this.scene = scene;
  }

  port(port: Port): number {
    return port === "grpc" ? this.scene.target.grpcPort : this.scene.target.webPort;
  }

  get adminPort(): number {
    return this.scene.runner.adminAddress!.port;
  }

  /** A call of JSON over HTTP/1.1, with the token of a tenant unless other header lines are given. */
  json(
    body: string | Buffer,
    { path = paths.chat, headers = [bearer(tokens.acme)] }: { path?: string; headers?: readonly HeaderLine[] } = {},
  ): Promise<WireAnswer> {
    return http1({
      port: this.port("web"),
      path,
      headers: [["Content-Type", "application/json"], ...headers],
      body,
    });
  }

  /** A gRPC call over HTTP/2 with these bytes behind the headers. */
  grpc(
    port: Port,
    path: string,
    body: Buffer = grpcFrame(Buffer.alloc(0)),
    headers: readonly HeaderLine[] = [bearer(tokens.acme)],
  ): Promise<WireAnswer> {
    return http2({
      port: this.port(port),
      path,
      headers: [["content-type", "application/grpc"], ["te", "trailers"], ...headers],
      body,
    });
  }

  /** Calls a method that answers at once, over gRPC on the gRPC port, as JSON over HTTP/2 on the web port. */
  getInfo(port: Port, headers: readonly HeaderLine[]): Promise<WireAnswer> {
    if (port === "grpc") return this.grpc(port, paths.getInfo, undefined, headers);
    return http2({
      port: this.port(port),
      path: paths.getInfo,
      headers: [["content-type", "application/json"], ...headers],
      body: "{}",
    });
  }

  /** Both ports answer, and a turn of an honest tenant ends well. */
  async isWell(): Promise<void> {
    for (const port of ["grpc", "web"] as const) {
      expect((await this.grpc(port, paths.health, undefined, [])).grpcStatus).toBe(0);
    }
    const answer = await this.json('{"prompt":"hello"}');
    expect(answer.status, answer.all.slice(0, 500)).toBe(200);
  }

  /** The text of all log lines so far. */
  get logText(): string {
    return this.scene.book.lines.map((line) => JSON.stringify(line)).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.scene.close();
  }
}

export function bearer(token: string): HeaderLine {
  return ["authorization", `Bearer ${token}`];
}

/** A request message in its gRPC frame. */
export function messageFrame<D extends DescMessage>(schema: D, message: MessageInitShape<D>): Buffer {
  return grpcFrame(Buffer.from(toBinary(schema, create(schema, message))));
}

export const goodTurn = messageFrame(StreamChatRequestSchema, { prompt: "hello" });

/** Whether a call was let in: it got an answer of the method. */
export function letIn({ status, grpcStatus, body }: WireAnswer): boolean {
  return status === 200 && (grpcStatus === undefined ? body.includes("serverVersion") : grpcStatus === 0);
}

/** Whether a call was refused with a status: of HTTP, of gRPC, or by a reset. */
export function refused({ status, grpcStatus }: WireAnswer): boolean {
  return status === 0 || status >= 400 || (grpcStatus ?? 0) > 0;
}
