import { fromBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { ClaudeRunner } from "../../gen/claude/runner/v1/runner_pb.ts";
import { type ServedService, served } from "../../src/service/calls.ts";
import { reflectionServices } from "../../src/service/reflection.ts";

interface Answer {
  readonly messageResponse: { readonly case: string; readonly value: Record<string, unknown> };
}
type Handler = (
  requests: AsyncIterable<object>,
  call: { readonly signal: AbortSignal },
) => AsyncIterable<Answer & { originalRequest: object }>;

const unused = served(ClaudeRunner, {} as never);
const services = reflectionServices([unused]);

async function ask(question: object, service: ServedService = services[0]!): Promise<Answer["messageResponse"]> {
  const handler = service.handlers.serverReflectionInfo as unknown as Handler;
  async function* requests() {
    yield { host: "here", messageRequest: question };
  }
  for await (const answer of handler(requests(), { signal: new AbortController().signal })) {
    expect(answer.originalRequest).toEqual({ host: "here", messageRequest: question });
    return answer.messageResponse;
  }
  throw new Error("no answer");
}

function files({ case: kind, value }: Answer["messageResponse"]): FileDescriptorProto[] {
  expect(kind).toBe("fileDescriptorResponse");
  return (value.fileDescriptorProto as Uint8Array[]).map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
}

describe("reflection", () => {
  it("lists the services in both versions, itself included", async () => {
    for (const service of services) {
      const { value } = await ask({ case: "listServices", value: "" }, service);
      expect(value.service).toEqual([
        { name: "claude.runner.v1.ClaudeRunner" },
        { name: "grpc.reflection.v1.ServerReflection" },
        { name: "grpc.reflection.v1alpha.ServerReflection" },
      ]);
    }
  });

  it.each([
    "claude.runner.v1.ClaudeRunner",
    "claude.runner.v1.ClaudeRunner.StreamChat",
    "claude.runner.v1.StreamChatRequest",
    "claude.runner.v1.StreamChatRequest.prompt",
    "claude.runner.v1.Effort",
    ".claude.runner.v1.ClaudeRunner",
  ])("finds the file of %s, with everything that it imports", async (symbol) => {
    const found = files(await ask({ case: "fileContainingSymbol", value: symbol }));
    expect(found[0]?.name).toBe("claude/runner/v1/runner.proto");
    const names = found.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { dependency } of found) for (const name of dependency) expect(names).toContain(name);
  });

  it.each([
    ["google.rpc.Status", "google/rpc/status.proto"],
    ["google.rpc.ErrorInfo", "google/rpc/error_details.proto"],
    ["google.rpc.BadRequest.FieldViolation", "google/rpc/error_details.proto"],
    ["google.rpc.QuotaFailure", "google/rpc/error_details.proto"],
    ["google.rpc.ResourceInfo", "google/rpc/error_details.proto"],
    ["google.rpc.RetryInfo", "google/rpc/error_details.proto"],
    ["claude.runner.v1.TurnResult", "claude/runner/v1/result.proto"],
  ])("finds %s, which a status carries, in both versions: a client showed its bytes", async (symbol, file) => {
    for (const service of services) {
      const found = files(await ask({ case: "fileContainingSymbol", value: symbol }, service));
      expect(found[0]?.name).toBe(file);
    }
  });

  it("finds files by name", async () => {
    const found = files(await ask({ case: "fileByFilename", value: "google/protobuf/duration.proto" }));
    expect(found.map(({ name }) => name)).toEqual(["google/protobuf/duration.proto"]);
  });

  it("finds the validation rules as extensions", async () => {
    const containingType = "google.protobuf.FieldOptions";
    const { value } = await ask({ case: "allExtensionNumbersOfType", value: containingType });
    const [extensionNumber] = value.extensionNumber as number[];
    const found = files(await ask({ case: "fileContainingExtension", value: { containingType, extensionNumber } }));
    expect(found[0]?.name).toBe("buf/validate/validate.proto");
  });

  it.each([
    { case: "fileContainingSymbol", value: "no.such.Symbol" },
    { case: "fileByFilename", value: "../../etc/passwd" },
    { case: "fileContainingExtension", value: { containingType: "no.such.Type", extensionNumber: 1 } },
    { case: "allExtensionNumbersOfType", value: "no.such.Type" },
  ])("says NOT_FOUND within the stream for $case", async (question) => {
    expect(await ask(question)).toMatchObject({ case: "errorResponse", value: { errorCode: 5 } });
  });

  it("says so when it does not know the question", async () => {
    expect(await ask({ case: undefined })).toMatchObject({ case: "errorResponse", value: { errorCode: 3 } });
  });
});
