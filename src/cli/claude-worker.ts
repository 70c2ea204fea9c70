/**
 * WorkerProcess on the real Claude Code CLI: one process, what it is busy with, and what is known about it.
 *
 * Knows no pool and no RPC. What a turn is made of is in `turn-run.ts`; here is who hears the process's lines, what would
 * keep it from being used again, and how it ends.
 */
import type { Clock } from "../clock.ts";
import type { ProfileSettings } from "../config/profile-settings.ts";
import type { Settings } from "../config/settings.ts";
import { redactSecrets } from "../redact.ts";
import { isRunnerError, RunnerError } from "../runner-error.ts";
import type { Log } from "../telemetry/log.ts";
import { Timers } from "../timers.ts";
import type { Binding, HistoryMessage, ModelSettings, Turn } from "../turn.ts";
import type { ProcessUsage, ResetOutcome, RunningTurn, WorkerExit, WorkerProcess } from "../worker-process.ts";
import { initializeRequest } from "./conversation/initialize.ts";
import { applySettings, readSettings } from "./conversation/model-settings.ts";
import { type Conversation, clear, rewind } from "./conversation/reset.ts";
import { seedHistory } from "./conversation/seeding.ts";
import { ChildProcess, type ProcessExit } from "./process/child-process.ts";
import { endLeftovers } from "./process/leftovers.ts";
import type { Line } from "./process/line-pieces.ts";
import { lowerPriority, settlePriority } from "./process/priority.ts";
import { processUsage } from "./process/process-usage.ts";
import type { CliCapabilities } from "./program/capabilities.ts";
import { type CliMessage, parseLine } from "./protocol/cli-messages.ts";
import { ControlChannel, type RequestOptions } from "./protocol/control.ts";
import { Expectations } from "./protocol/expectations.ts";
import { HostPaths } from "./protocol/host-paths.ts";
import { type JsonObject, listAt, textAt } from "./protocol/json-members.ts";
import { type LineSplitter, lineSplitter } from "./protocol/lines.ts";
import { type CliLine, SecretTails } from "./protocol/secret-tails.ts";
import type { Secrets } from "./protocol/secrets.ts";
import type { WorkerFolder, WorkFolders } from "./start/worker-folders.ts";
import { type Charge, Ledger } from "./turn/charges.ts";
import { type EarlierLine, type TurnHost, TurnRun } from "./turn/turn-run.ts";

/** Lines that are not JSON which a process may write before it is taken for broken. */
const maxGarbageLines = 3;
/** For how long a start runs at low priority at most, in milliseconds; one that is alone takes a tenth of it. */
const maxLowPriorityMs = 2_000;
/** How long a process that is stopped may take after the end of its input, in milliseconds; 30 as a rule. */
const endOfInputMs = 1_000;

export interface WorkerOptions {
  readonly id: string;
  readonly path: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Values that nothing that the process says may hold further on. */
  readonly secrets: Secrets;
  readonly folder: WorkerFolder;
  readonly folders: WorkFolders;
  readonly profile: ProfileSettings;
  readonly timeouts: Pick<
    Settings["pool"],
    "startTimeoutMs" | "controlTimeoutMs" | "silenceTimeoutMs" | "interruptTimeoutMs" | "stopTimeoutMs" | "workerNice"
  >;
  readonly maxLineBytes: number;
  readonly eventBufferSize: number;
  readonly maxEventsPerTurn: number;
  /** Whether what it was started with is not right any more. */
  readonly isOutdated: () => boolean;
  /** The model API did not take the credential. */
  readonly refused: () => void;
  /** What the CLI was found to be able to; whoever needs to know waits for the probe. `undefined`: nobody knows. */
  readonly capabilities: () => Promise<CliCapabilities | undefined> | CliCapabilities | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export class ClaudeWorker implements WorkerProcess {
  readonly id: string;
  readonly startedAtMs: number;
  readonly exited: Promise<WorkerExit>;
  readonly #options: WorkerOptions;
  readonly #paths: HostPaths;
  readonly #secrets: Secrets;
  readonly #tails: SecretTails;
  readonly #process: ChildProcess;
  readonly #control: ControlChannel;
  readonly #expectations: Expectations;
  readonly #ledger = new Ledger();
  readonly #splitter: LineSplitter;
  readonly #timers: Timers;

  #isBound = false;
  /** Model and effort that were asked for last; at first by the launch. */
  #settings: ModelSettings;
  /** What the CLI made of the model of the launch, which may have been an alias. */
  #launchedModel: string | undefined;
  #conversation: Conversation | undefined;
  /** Lines of the conversation that the CLI has not yet said to be done with. */
  readonly #unfinished = new Set<string>();
  /** User lines that the CLI has taken up. One that was cancelled before that does not count, nor do seeded answers. */
  #takenLineCount = 0;
  #turn: TurnRun | undefined;
  /** Lines since the seeding of the turn to come began: at full detail they are its own. */
  #earlier: EarlierLine[] = [];
  #isSeeding = false;
  /** Why this process cannot be used again. There is no way back from it. */
  #unclean: string | undefined;
  #garbageCount = 0;
  #killedFor: string | undefined;
  #stopped: Promise<void> | undefined;

  /** Starts the process. Rejects with the system's error when the program does not start. */
  static async start(options: WorkerOptions): Promise<ClaudeWorker> {
    const process = await ChildProcess.start({
      path: options.path,
      args: options.args,
      env: options.env,
      cwd: options.folder.cwd,
      clock: options.clock,
      writeTimeoutMs: options.timeouts.controlTimeoutMs,
    });
    const worker = new ClaudeWorker(options, process);
    try {
      await Promise.all([lowerPriority(process.pid), options.folders.occupy(options.folder, process.pid)]);
    } catch (error) {
      worker.#kill("its folder could not be marked");
      await worker.exited;
      throw error;
    }
    return worker;
  }

  private constructor(options: WorkerOptions, process: ChildProcess) {
    const { clock, profile, timeouts } = options;
    this.id = options.id;
    this.#options = options;
    this.#process = process;
    this.startedAtMs = clock.now();
    this.#timers = new Timers(clock);
    this.#expectations = new Expectations(clock, timeouts.controlTimeoutMs);
    this.#paths = new HostPaths(options.folder);
    this.#secrets = options.secrets;
    this.#tails = new SecretTails(options.secrets);
    this.#settings = { model: profile.model, effort: profile.effort };
    this.#splitter = lineSplitter(options.maxLineBytes, (line) => this.#receiveLine(line));
    this.#control = new ControlChannel({
      clock,
      timeoutMs: timeouts.controlTimeoutMs,
      send: (line) => this.#write(line),
    });
    process.read((chunk) => this.#receiveChunk(chunk));
    this.exited = process.exited.then((exit) => this.#afterExit(exit));
  }

  get pid(): number {
    return this.#process.pid;
  }

  async ready(signal?: AbortSignal): Promise<void> {
    const { startTimeoutMs, workerNice } = this.#options.timeouts;
    // On a machine that is busy with other things a start at low priority would hardly get on at all.
    const cancelRestore = this.#options.clock.after(maxLowPriorityMs, () => void settlePriority(this.pid, workerNice));
    try {
      const applied = await readSettings(this.#ask, { timeoutMs: startTimeoutMs, signal });
      this.#launchedModel = applied.model;
    } catch (cause) {
      if (signal?.aborted) throw signal.reason;
      throw new RunnerError("WORKER_START_FAILED", "a worker did not start", { facts: { startTimeoutMs }, cause });
    } finally {
      cancelRestore();
    }
    await settlePriority(this.pid, workerNice);
  }

  async ping(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    await this.#ask({ subtype: "get_settings" }, { timeoutMs, signal });
  }

  async bind(binding: Binding, signal?: AbortSignal): Promise<void> {
    if (this.#isBound) throw new Error("bug: a worker is bound once");
    const request = initializeRequest(binding, this.#options.profile.systemPrompt);
    // Sent is spent, whatever comes of it.
    this.#isBound = true;
    await this.#ask(request, { signal });
  }

  async configure(settings: ModelSettings, signal?: AbortSignal): Promise<void> {
    if (settings.model === this.#settings.model && settings.effort === this.#settings.effort) return;
    const modelAlso = settings.model === this.#options.profile.model ? this.#launchedModel : undefined;
    this.#settings = settings;
    await applySettings(this.#ask, settings, modelAlso, { signal });
  }

  async seed(history: readonly HistoryMessage[], signal?: AbortSignal): Promise<void> {
    this.#checkIdle();
    if ((await this.#options.capabilities())?.seeding === false) {
      throw new RunnerError("NOT_SUPPORTED_BY_CLI", "the installed Claude Code does not take a history");
    }
    this.#isSeeding = true;
    const host = {
      ...this.#lineHost,
      willAdd: (role: HistoryMessage["role"], uuid: string) => {
        this.#unfinished.add(uuid);
        if (role === "user") this.#addToConversation(uuid);
      },
    };
    await seedHistory(host, history, signal);
  }

  run(turn: Turn): RunningTurn {
    this.#checkIdle();
    const earlier = this.#earlier;
    this.#earlier = [];
    this.#isSeeding = false;
    this.#unfinished.add(turn.id);
    const run = new TurnRun(turn, this.#turnHost(), earlier);
    this.#turn = run;
    void run.idle.then(() => this.#turnOver(run, turn.id));
    void run.ended.then(({ error }) => {
      if (error?.reason === "UPSTREAM_AUTH") this.#options.refused();
    });
    return run;
  }

  async reset(): Promise<ResetOutcome> {
    try {
      const why = await this.#reset();
      if (why === undefined) return { clean: true };
      this.#unclean ??= why;
      return { clean: false, why };
    } catch (error) {
      this.#options.log.debug({ workerId: this.id, err: error }, "a reset failed");
      return { clean: false, why: isRunnerError(error, "WORKER_DIED") ? "worker_died" : "reset_failed" };
    }
  }

  isOutdated(): boolean {
    return this.#options.isOutdated();
  }

  usage(): Promise<ProcessUsage> {
    return processUsage(this.pid);
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  // ---- What the process says -----------------------------------------------------------------------------------

  #receiveChunk(chunk: Buffer): void {
    try {
      this.#splitter.push(chunk);
    } catch (error) {
      this.#kill(error instanceof RangeError ? "a line is too long" : "a line could not be taken");
      this.#options.log.error({ workerId: this.id, err: error }, "the output of a worker could not be taken");
    }
    this.#turn?.flush();
  }

  #receiveLine(line: string): void {
    // What comes after a kill was decided without it.
    if (this.#killedFor !== undefined) return;
    const clean = this.#secrets.line(line);
    const message = parseLine(clean);
    if (message === undefined) {
      this.#receiveGarbage(clean);
      return;
    }
    const instead = this.#tails.pass(message, clean);
    if (instead === undefined) this.#receiveMessage(message, clean);
    else this.#receive(instead);
  }

  #receive(lines: readonly CliLine[]): void {
    for (const { message, line } of lines) this.#receiveMessage(message, line);
  }

  #receiveMessage(message: CliMessage, line: string): void {
    const { kind, body } = message;
    let charge: Charge | undefined;
    if (kind === "controlResponse") this.#control.receiveResponse(body);
    else if (kind === "controlRequest") this.#answer(body);
    else if (kind === "conversationReset") this.#ledger.conversationReset();
    else if (kind === "result") charge = this.#ledger.book(body);
    else if (kind === "lifecycle") this.#noteLifecycle(textAt(body, "command_uuid"), textAt(body, "state"));
    this.#expectations.receive(message);
    if (this.#turn !== undefined) this.#turn.receive(message, line, charge);
    else if (this.#isSeeding) this.#earlier.push({ message, line });
    else this.#receiveWhileIdle(message);
  }

  #noteLifecycle(uuid: string, state: string): void {
    if (state === "started") this.#takenLineCount += 1;
    else if (state === "completed" || state === "cancelled") this.#unfinished.delete(uuid);
  }

  /** Between turns nothing should come but what was asked for. */
  #receiveWhileIdle({ kind, body }: CliMessage): void {
    if (kind === "result" && body.local_command !== "clear") this.#unclean ??= "foreign_turn";
    else if (kind === "backgroundTasks" && listAt(body, "tasks").length > 0) this.#unclean ??= "background_tasks";
    else if (kind === "compacted") this.#unclean ??= "compacted";
  }

  #receiveGarbage(line: string): void {
    if (line.trim() === "") return;
    this.#unclean ??= "garbage";
    this.#garbageCount += 1;
    const { log } = this.#options;
    log.warn({ workerId: this.id, lineBytes: line.length, garbageCount: this.#garbageCount }, "a line is not JSON");
    if (this.#garbageCount > maxGarbageLines) this.#kill("it writes what is not JSON");
  }

  #answer(request: JsonObject): void {
    this.#control.receiveRequest(request).catch(() => {
      // The process is going; its end is told elsewhere.
    });
  }

  // ---- Turns ---------------------------------------------------------------------------------------------------

  #turnHost(): TurnHost {
    const { clock, log, timeouts, eventBufferSize, maxEventsPerTurn, profile } = this.#options;
    const { upstreamIdleTimeoutMs, upstreamTimeoutMs } = profile;
    return {
      clock,
      log,
      paths: this.#paths,
      bounds: { ...timeouts, upstreamIdleTimeoutMs, upstreamTimeoutMs, eventBufferSize, maxEventsPerTurn },
      chargedUsdMicros: this.#ledger.totalCostUsdMicros,
      takenLineCount: () => this.#takenLineCount,
      write: (line) => this.#write(line),
      request: this.#ask,
      pause: () => this.#process.pause(),
      resume: () => this.#process.resume(),
      kill: (why) => this.#kill(why),
      isClean: () => this.#unclean === undefined,
    };
  }

  #turnOver(run: TurnRun, turnId: string): void {
    if (this.#turn !== run) return;
    this.#turn = undefined;
    this.#unclean ??= run.taint;
    // A prompt that was cancelled before it started is not in the conversation, and cannot be gone back from.
    if (run.hasStarted) this.#addToConversation(turnId);
    else this.#unfinished.delete(turnId);
  }

  #addToConversation(uuid: string): void {
    this.#conversation = { firstUuid: this.#conversation?.firstUuid ?? uuid, lastUuid: uuid };
  }

  #checkIdle(): void {
    if (this.#turn !== undefined) throw new Error("bug: a worker takes one turn at a time");
  }

  async #reset(): Promise<string | undefined> {
    const { profile, capabilities } = this.#options;
    await this.#turn?.idle;
    if (this.#unclean !== undefined) return this.#unclean;
    if (!this.#process.isRunning || this.#killedFor !== undefined) return "worker_died";
    await this.#whenFinished();
    if (this.#conversation !== undefined) {
      const host = { ...this.#lineHost, request: this.#ask };
      const canRewind = (await capabilities())?.rewind;
      if (!canRewind && !profile.acceptClearResidue) return "reset_not_proven";
      const why = canRewind ? await rewind(host, this.#conversation) : await clear(host);
      if (why !== undefined) return why;
    }
    await this.configure({ model: profile.model, effort: profile.effort });
    // It may have come with the answers.
    if (this.#unclean !== undefined) return this.#unclean;
    this.#conversation = undefined;
    this.#earlier = [];
    this.#isSeeding = false;
    return undefined;
  }

  /** Waits until the CLI is done with every line that it was given: after an aborted seeding it may not be. */
  async #whenFinished(): Promise<void> {
    if (this.#unfinished.size > 0) await this.#expectations.expect(() => this.#unfinished.size === 0);
  }

  // ---- The process ---------------------------------------------------------------------------------------------

  /** What seeding and resets need. */
  readonly #lineHost = {
    write: (line: Line): Promise<void> => this.#write(line),
    expect: (fits: (message: CliMessage) => boolean): Promise<CliMessage> => this.#expectations.expect(fits),
  };

  readonly #ask = (
    request: { readonly subtype: string; readonly [key: string]: unknown },
    options?: RequestOptions,
  ): Promise<JsonObject> => this.#control.request(request, options);

  async #write(line: Line): Promise<void> {
    try {
      await this.#process.write(line);
    } catch (cause) {
      throw new RunnerError("WORKER_DIED", "the worker does not take its input", { cause });
    }
  }

  #kill(why: string): void {
    this.#killedFor ??= why;
    this.#process.signalGroup("SIGKILL");
  }

  async #stop(): Promise<void> {
    const { clock, timeouts } = this.#options;
    if (this.#turn !== undefined) {
      this.#turn.interrupt("drained");
      // Bounded by the timeout of interrupts.
      await this.#turn.ended;
    }
    this.#process.endInput();
    this.#timers.after(Math.min(endOfInputMs, timeouts.stopTimeoutMs), () => {
      this.#process.signalGroup("SIGTERM");
      this.#timers.after(timeouts.stopTimeoutMs, () => this.#kill("it did not end when it was told to"));
    });
    const { promise: givenUp, resolve } = Promise.withResolvers<void>();
    // A process that even SIGKILL does not end is left to the system.
    const cancelTimer = clock.after(2 * timeouts.stopTimeoutMs + 2 * endOfInputMs, resolve);
    await Promise.race([this.exited, givenUp]);
    cancelTimer();
    this.#timers.clear();
  }

  async #afterExit({ code, signal }: ProcessExit): Promise<WorkerExit> {
    const { log, folders, folder, profile } = this.#options;
    this.#timers.clear();
    const cutBytes = this.#splitter.pendingBytes();
    const why = [
      this.#killedFor === undefined ? "" : `killed: ${this.#killedFor}`,
      cutBytes > 0 ? `its last line was cut off after ${cutBytes} bytes` : "",
      this.#lastWords(),
    ];
    const detail = why.filter((part) => part !== "").join("; ");
    const gone = new RunnerError("WORKER_DIED", "the worker is gone", {
      facts: { exitCode: code ?? "none", signal: signal ?? "none" },
      cause: new Error(detail),
    });
    if (this.#killedFor === undefined) this.#receive(this.#tails.end());
    this.#turn?.flush();
    this.#turn?.processGone(detail || `exit code ${code}, signal ${signal}`);
    this.#control.close(gone);
    this.#expectations.close(gone);
    // Only tools start anything that outlives its worker.
    if (profile.tools.length > 0) await endLeftovers(folder.path);
    await folders.sweep(folder);
    log.debug({ workerId: this.id, exitCode: code, signal, detail }, "a worker is gone");
    return { code, signal, detail };
  }

  /** The last line of stderr, fit for a log. */
  #lastWords(): string {
    return (
      redactSecrets(this.#secrets.text(this.#process.stderrTail())).trim().split("\n").at(-1)?.trim().slice(0, 500) ??
      ""
    );
  }
}
