/**
 * The stand-in for the Messages API: a loopback HTTP server that the real Claude Code CLI talks to when there is to be
 * no credential, no cost and no outside network. For tests, the demo, the bench, and as the sink of the reset probe.
 *
 * It never calls anything, and binds to loopback only. Leaves out every route that the CLI does not use.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Clock, systemClock } from "../clock.ts";
import { Attempts } from "./attempts.ts";
import { Chooser, type ScenarioFile, type ScenarioReference, type ScenarioScript } from "./choose.ts";
import { readConversation, readRequest } from "./conversation.ts";
import { type Exchange, play } from "./play.ts";
import { type RecordedRequest, Recorder, RequestRecord } from "./record.ts";
import { ScenarioError } from "./scenario.ts";
import { readScenarioFile } from "./scenario-file.ts";
import { estimateTokens, newId } from "./stream.ts";

export interface StandinOptions {
  /** Default 0: any free one. */
  readonly port?: number;
  /** A loopback address. Default 127.0.0.1. */
  readonly host?: string;
  /** Rules and scenarios of one's own: the path of a YAML or JSON file, or its content. */
  readonly scenarios?: string | ScenarioFile;
  /** What answers a prompt without a marker that no rule fits. Default: the file's, else `answer`. */
  readonly defaultScenario?: ScenarioReference;
  /** How many requests are kept. Default 1000. */
  readonly maxRecordedRequests?: number;
  /** The size of all kept requests together, in characters. Default 64 Mi. The newest one is kept in any case. */
  readonly maxRecordedBytes?: number;
  /** The time that pauses are measured in. */
  readonly clock?: Clock;
}

export interface ScriptOptions {
  /** How many requests it answers. Default: all, until it is removed. */
  readonly times?: number;
}

export interface Standin extends AsyncDisposable {
  /** What ANTHROPIC_BASE_URL is to be set to: `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** The newest requests of any kind, oldest first. */
  readonly requests: readonly RecordedRequest[];
  /** A request that fits: the oldest that is recorded, else the next to come. Rejects with the signal's reason. */
  waitForRequest(predicate: (request: RecordedRequest) => boolean, signal?: AbortSignal): Promise<RecordedRequest>;
  /**
   * Answers messages with a scenario whatever their prompts say, or as a function of the request says (`undefined`: as
   * if it were not there). The newest script is asked first. Disposing removes it.
   */
  script(scenario: ScenarioReference | ScenarioScript, options?: ScriptOptions): Disposable;
  /** Forgets scripts, recorded requests and counted failures. */
  clear(): void;
  /** Breaks off what is being answered and closes the port. Twice is fine. */
  close(): Promise<void>;
}

/** Rejects with a ScenarioError when a scenario is not valid, or with the system's error when the port is taken. */
export async function startStandin(options: StandinOptions = {}): Promise<Standin> {
  const host = options.host ?? "127.0.0.1";
  if (!["127.0.0.1", "::1", "localhost"].includes(host)) throw new RangeError(`${host} is not a loopback address`);
  const file = typeof options.scenarios === "string" ? await readScenarioFile(options.scenarios) : options.scenarios;
  const chooser = new Chooser(file, options.defaultScenario);
  const standin = new LoopbackStandin(chooser, options);
  await standin.listen(host, options.port ?? 0);
  return standin;
}

/** Clients keep connections for minutes; a server that closes them first looks like a network failure to them. */
const keepAliveTimeoutMs = 3_600_000;
const maxBodyBytes = 256 * 1024 * 1024;

class LoopbackStandin implements Standin {
  readonly #chooser: Chooser;
  readonly #attempts = new Attempts();
  readonly #recorder: Recorder;
  readonly #clock: Clock;
  readonly #server: Server;
  #requestCount = 0;
  #url = "";
  #closed: Promise<void> | undefined;

  constructor(chooser: Chooser, options: StandinOptions) {
    this.#chooser = chooser;
    this.#clock = options.clock ?? systemClock;
    this.#recorder = new Recorder({
      maxRequests: options.maxRecordedRequests ?? 1_000,
      maxBytes: options.maxRecordedBytes ?? 64 * 1024 * 1024,
    });
    this.#server = createServer({ keepAliveTimeout: keepAliveTimeoutMs, requestTimeout: 0 }, (request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        // When the client is gone, so is what was planned for it. Anything else is a fault of a script or of ours.
        if (response.destroyed) return;
        if (response.headersSent) response.destroy();
        else sendError(response, 500, "api_error", `stand-in: ${error instanceof Error ? error.message : error}`);
      });
    });
  }

  get url(): string {
    return this.#url;
  }

  get requests(): readonly RecordedRequest[] {
    return this.#recorder.requests;
  }

  listen(host: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, host, () => {
        this.#server.off("error", reject);
        const address = this.#server.address() as AddressInfo;
        this.#url = `http://${address.family === "IPv6" ? `[${address.address}]` : address.address}:${address.port}`;
        resolve();
      });
    });
  }

  waitForRequest(predicate: (request: RecordedRequest) => boolean, signal?: AbortSignal): Promise<RecordedRequest> {
    return this.#recorder.waitFor(predicate, signal);
  }

  script(scenario: ScenarioReference | ScenarioScript, options: ScriptOptions = {}): Disposable {
    const remove = this.#chooser.script(scenario, options.times);
    return { [Symbol.dispose]: remove };
  }

  clear(): void {
    this.#chooser.clearScripts();
    this.#attempts.clear();
    this.#recorder.clear();
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const bodyText = await readBody(request);
    if (bodyText === undefined) return sendError(response, 413, "request_too_large", "The body is too large.");
    const record = new RequestRecord({
      index: this.#requestCount++,
      method: request.method ?? "",
      path: request.url ?? "",
      headers: request.headers,
      bodyText,
      receivedAtMs: this.#clock.wallNow(),
    });
    const path = record.path.split("?", 1)[0]!;
    record.scenario = path;
    switch (`${record.method} ${path}`) {
      case "POST /v1/messages":
        return this.#answerMessages(record, response);
      case "POST /v1/messages/count_tokens":
        this.#recorder.add(record);
        return sendJson(response, 200, { input_tokens: estimateTokens(bodyText.length) });
      case "HEAD /":
      case "GET /":
        this.#recorder.add(record);
        return sendJson(response, 200, { service: "claude-runner stand-in for the Messages API" });
      default:
        this.#recorder.add(record);
        return sendError(response, 404, "not_found_error", `The stand-in does not serve ${record.method} ${path}.`);
    }
  }

  async #answerMessages(record: RequestRecord, response: ServerResponse): Promise<void> {
    const request = readRequest(record.body);
    if (request === undefined) {
      this.#recorder.add(record);
      return sendError(response, 400, "invalid_request_error", "The body is no request to the Messages API.");
    }
    const conversation = readConversation(request);
    let scenario: ReturnType<Chooser["choose"]>;
    try {
      scenario = this.#chooser.choose(record, { request, conversation });
    } catch (error) {
      if (!(error instanceof ScenarioError)) throw error;
      this.#recorder.add(record);
      return sendError(response, 400, "invalid_request_error", `stand-in: ${error.message}`);
    }
    record.scenario = scenario.name ?? "unnamed";
    record.step = Math.min(conversation.answersSincePrompt, scenario.steps.length - 1);
    this.#recorder.add(record);

    const session = record.headers["x-claude-code-session-id"] ?? "";
    const answer = this.#attempts.next(
      scenario.steps[record.step]!,
      `${session}\n${record.step}\n${conversation.prompt}`,
      request.stream,
    );
    const left = new AbortController();
    const exchange: Exchange = {
      response,
      clock: this.#clock,
      signal: left.signal,
      streaming: request.stream,
      facts: { messageId: newId("msg"), model: request.model, requestBytes: record.bodyText.length },
      brokenOff: false,
    };
    response.once("close", () => {
      record.aborted = !response.writableFinished && !exchange.brokenOff;
      left.abort();
    });
    await play(answer, exchange);
  }
}

/** The body as text, or undefined when it is too large. Rejects when the client goes away. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBodyBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes).toString("utf8");
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json", "request-id": newId("req") });
  response.end(JSON.stringify(body));
}

function sendError(response: ServerResponse, status: number, type: string, message: string): void {
  sendJson(response, status, { type: "error", error: { type, message } });
}
