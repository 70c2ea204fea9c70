/**
 * What a server of this build serves, asked by reflection: behaviours of services that come later wait for them.
 */
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";

export async function listServices(grpcPort: number, token: string): Promise<readonly string[]> {
  const client = createClient(ServerReflection, createGrpcTransport({ baseUrl: `http://127.0.0.1:${grpcPort}` }));
  const questions = async function* () {
    yield { messageRequest: { case: "listServices", value: "" } } as const;
  };
  const answers = client.serverReflectionInfo(questions(), { headers: { authorization: `Bearer ${token}` } });
  for await (const { messageResponse } of answers) {
    if (messageResponse.case === "listServicesResponse") return messageResponse.value.service.map(({ name }) => name);
  }
  throw new Error("reflection gave no list of services");
}
