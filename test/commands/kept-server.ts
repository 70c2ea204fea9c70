/**
 * A server of sessions and turns that does what a test says, without a network; and a terminal before it.
 */
import { createRouterTransport, type ServiceImpl } from "@connectrpc/connect";
import { ClaudeRunner } from "../../gen/claude/runner/v1/runner_pb.ts";
import { SessionService } from "../../gen/claude/runner/v1/session_pb.ts";
import { TurnService } from "../../gen/claude/runner/v1/turn_pb.ts";
import type { KeptContext } from "../../src/commands/kept-calls.ts";
import { type TestTerminalOptions, testTerminal } from "./test-terminal.ts";

export interface KeptServer {
  readonly runner?: Partial<ServiceImpl<typeof ClaudeRunner>>;
  readonly sessions?: Partial<ServiceImpl<typeof SessionService>>;
  readonly turns?: Partial<ServiceImpl<typeof TurnService>>;
}

export function keptServer({ runner = {}, sessions = {}, turns = {} }: KeptServer, options: TestTerminalOptions = {}) {
  const transport = createRouterTransport(({ service }) => {
    service(ClaudeRunner, runner);
    service(SessionService, sessions);
    service(TurnService, turns);
  });
  const terminal = testTerminal(options);
  const connection = { transport, url: "127.0.0.1:7433", isTls: false, hasToken: true, notice: undefined };
  const context: KeptContext = { terminal, connection };
  return { transport, terminal, context, written: terminal.written };
}
