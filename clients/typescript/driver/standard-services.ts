/**
 * Health and reflection, for which the client has no words of its own: the standard services on the same server.
 */
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { ServerReflection } from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import type { HealthAnswer, HealthCommand, ReflectAnswer, ReflectCommand } from "../../suite/protocol.ts";
import { Health, ServingStatus } from "../src/health.ts";
import { ClaudeRunnerError } from "../src/node.ts";
import { callError } from "./answers.ts";
import type { Connections } from "./connections.ts";

export async function health({ target, service }: HealthCommand, connections: Connections): Promise<HealthAnswer> {
  try {
    const { status } = await createClient(Health, connections.transport(target)).check({ service });
    const name = Object.entries(ServingStatus).find(([, number]) => number === status)?.[0];
    return { status: name ?? String(status) };
  } catch (error) {
    return { error: callError(ClaudeRunnerError.from(error)) };
  }
}

export async function reflect({ target }: ReflectCommand, connections: Connections): Promise<ReflectAnswer> {
  try {
    const client = createClient(ServerReflection, connections.transport(target));
    const questions = async function* () {
      yield { messageRequest: { case: "listServices", value: "" } } as const;
    };
    for await (const { messageResponse } of client.serverReflectionInfo(questions())) {
      if (messageResponse.case === "listServicesResponse") {
        return { services: messageResponse.value.service.map(({ name }) => name) };
      }
    }
    throw new ConnectError("reflection gave no list of services", Code.Internal);
  } catch (error) {
    return { error: callError(ClaudeRunnerError.from(error)) };
  }
}
