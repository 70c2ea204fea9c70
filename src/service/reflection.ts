/**
 * Server reflection, v1 and v1alpha, the same on both ports: what lets buf curl and grpcurl call without a schema.
 *
 * Serves the descriptors that the code was generated from; leaves out whether it is served at all (`server/exposure.ts`).
 */
import { type DescExtension, type DescFile, type DescMessage, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { file_google_rpc_error_details } from "../../gen/google/rpc/error_details_pb.ts";
import { file_google_rpc_status } from "../../gen/google/rpc/status_pb.ts";
import {
  type ServerReflectionRequest,
  ServerReflection as ServerReflectionV1,
} from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionV1Alpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { type CallContext, type Handlers, type ServedService, served } from "./calls.ts";

/** What statuses carry: no service names these files, and a client shows bytes without them. */
const filesOfErrors: readonly DescFile[] = [file_google_rpc_status, file_google_rpc_error_details];

/** Both versions of reflection over the given services, the details of errors, and itself. */
export function reflectionServices(services: readonly ServedService[]): readonly ServedService[] {
  const index = new SchemaIndex(
    [...services.map(({ service }) => service), ServerReflectionV1, ServerReflectionV1Alpha],
    filesOfErrors,
  );
  async function* serverReflectionInfo(requests: AsyncIterable<Question>, { signal }: CallContext) {
    for await (const request of requests) {
      signal.throwIfAborted();
      yield {
        validHost: request.host,
        originalRequest: { host: request.host, messageRequest: request.messageRequest },
        messageResponse: index.answer(request.messageRequest),
      };
    }
  }
  const handlers: Handlers<typeof ServerReflectionV1> = { serverReflectionInfo };
  // The two versions differ in their package name only.
  const alphaHandlers = handlers as unknown as Handlers<typeof ServerReflectionV1Alpha>;
  return [
    served(ServerReflectionV1, handlers, { isEndedAtDrain: true }),
    served(ServerReflectionV1Alpha, alphaHandlers, { isEndedAtDrain: true }),
  ];
}

/** What both versions of the request have. */
type Question = Pick<ServerReflectionRequest, "host" | "messageRequest">;

const notFound = (what: string) =>
  ({ case: "errorResponse", value: { errorCode: Code.NotFound, errorMessage: `there is no ${what}` } }) as const;

/** Every file, symbol and extension that the services can reach, and those of further files. */
class SchemaIndex {
  readonly #serviceNames: readonly string[];
  readonly #files = new Map<string, DescFile>();
  readonly #symbols = new Map<string, DescFile>();
  readonly #extensions = new Map<string, Map<number, DescFile>>();
  /** Files as they are sent: encoding one takes up to a millisecond, and anyone may ask. */
  readonly #encoded = new Map<DescFile, Uint8Array>();

  constructor(services: readonly DescService[], further: readonly DescFile[]) {
    this.#serviceNames = services.map(({ typeName }) => typeName);
    for (const file of [...services.map((service) => service.file), ...further]) this.#addFile(file);
  }

  answer(question: Question["messageRequest"]) {
    switch (question.case) {
      case "listServices": {
        const service = this.#serviceNames.map((name) => ({ name }));
        return { case: "listServicesResponse", value: { service } } as const;
      }
      case "fileByFilename":
        return this.#file(this.#files.get(question.value), "such file");
      case "fileContainingSymbol":
        return this.#file(this.#symbols.get(question.value.replace(/^\./, "")), "such symbol");
      case "fileContainingExtension": {
        const { containingType, extensionNumber } = question.value;
        return this.#file(this.#extensions.get(containingType)?.get(extensionNumber), "such extension");
      }
      case "allExtensionNumbersOfType": {
        const numbers = this.#extensions.get(question.value);
        if (numbers === undefined && !this.#symbols.has(question.value)) return notFound("such type");
        const value = { baseTypeName: question.value, extensionNumber: [...(numbers?.keys() ?? [])] };
        return { case: "allExtensionNumbersResponse", value } as const;
      }
      default:
        return {
          case: "errorResponse",
          value: {
            errorCode: Code.InvalidArgument,
            errorMessage: "the request asks for nothing that this server knows",
          },
        } as const;
    }
  }

  /** A file and everything that it imports, itself first. */
  #file(file: DescFile | undefined, what: string) {
    if (file === undefined) return notFound(what);
    const files = new Set([file]);
    for (const { dependencies } of files) for (const dependency of dependencies) files.add(dependency);
    const fileDescriptorProto = [...files].map((one) => this.#bytesOf(one));
    return { case: "fileDescriptorResponse", value: { fileDescriptorProto } } as const;
  }

  #bytesOf(file: DescFile): Uint8Array {
    const known = this.#encoded.get(file);
    if (known !== undefined) return known;
    const bytes = toBinary(FileDescriptorProtoSchema, file.proto);
    this.#encoded.set(file, bytes);
    return bytes;
  }

  #addFile(file: DescFile): void {
    if (this.#files.has(file.proto.name)) return;
    this.#files.set(file.proto.name, file);
    for (const dependency of file.dependencies) this.#addFile(dependency);
    for (const message of file.messages) this.#addMessage(message, file);
    for (const service of file.services) {
      this.#symbols.set(service.typeName, file);
      for (const method of service.methods) this.#symbols.set(`${service.typeName}.${method.name}`, file);
    }
    for (const desc of file.enums) this.#symbols.set(desc.typeName, file);
    for (const extension of file.extensions) this.#addExtension(extension, file);
  }

  #addMessage(message: DescMessage, file: DescFile): void {
    this.#symbols.set(message.typeName, file);
    for (const field of message.fields) this.#symbols.set(`${message.typeName}.${field.name}`, file);
    for (const desc of message.nestedEnums) this.#symbols.set(desc.typeName, file);
    for (const nested of message.nestedMessages) this.#addMessage(nested, file);
    for (const extension of message.nestedExtensions) this.#addExtension(extension, file);
  }

  #addExtension(extension: DescExtension, file: DescFile): void {
    this.#symbols.set(extension.typeName, file);
    const numbers = this.#extensions.get(extension.extendee.typeName) ?? new Map<number, DescFile>();
    numbers.set(extension.number, file);
    this.#extensions.set(extension.extendee.typeName, numbers);
  }
}
