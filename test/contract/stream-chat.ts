/**
 * What ClaudeRunner promises its callers, as one suite for every way to call it: `streamChatContract(kind, scene)`.
 *
 * Runs against a whole server with the real CLI. Leaves out what only one port has (see test/server) and what only a
 * broken worker shows (see test/faults).
 */
import { afterAll, describe } from "vitest";
import type { Scene } from "../e2e/scene.ts";
import { answersContract } from "./stream-chat/answers.ts";
import { ContractCalls } from "./stream-chat/calls.ts";
import { detailsContract } from "./stream-chat/details.ts";
import { endsContract } from "./stream-chat/ends.ts";
import { refusalsContract } from "./stream-chat/refusals.ts";
import { requestsContract } from "./stream-chat/requests.ts";
import { unaryContract } from "./stream-chat/unary.ts";
import type { TransportKind } from "./transports.ts";

export { contractSettings } from "./stream-chat/calls.ts";

/** The server of `theScene` has to have `contractSettings`. */
export function streamChatContract(kind: TransportKind, theScene: () => Scene): void {
  describe(kind.name, () => {
    const calls = new ContractCalls(kind, theScene);
    afterAll(() => calls.close());

    answersContract(calls);
    requestsContract(calls);
    detailsContract(calls);
    endsContract(calls);
    refusalsContract(calls);
    unaryContract(calls);
  });
}
