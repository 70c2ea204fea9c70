/**
 * WorkerProcess on the real Claude Code CLI: a process, the reader of what it writes, the conversation that it holds, and
 * the turn that it is busy with.
 *
 * Knows no pool and no RPC. Here is who hears the process's messages, what would keep it from being used again, and that it
 * ends; the parts know the rest. The prompt line is written here.
 */
import { redactSecrets } from "../redact.ts";
import { isRunnerError, RunnerError } from "../runner-error.ts";
import type { Binding, HistoryMessage, ModelSettings, Turn } from "../turn.ts";
import type {
  ProcessUsage,
  ResetFailure,
  ResetOutcome,
  RunningTurn,
  WorkerExit,
  WorkerProcess,
  WorkerTranscript,
} from "../worker-process.ts";
import { CliConversation } from "./conversation/cli-conversation.ts";
import { ChildProcess, type ProcessExit } from "./process/child-process.ts";
import type { Line } from "./process/line-pieces.ts";
import { lowerPriority, settlePriority } from "./process/priority.ts";
import { ProcessEnding } from "./process/process-ending.ts";
import { processUsage } from "./process/process-usage.ts";
import type { CliMessage } from "./protocol/cli-messages.ts";
import { ControlChannel, type RequestOptions } from "./protocol/control.ts";
import { Expectations } from "./protocol/expectations.ts";
import { HostPaths } from "./protocol/host-paths.ts";
import { type JsonObject, listAt, objectAt } from "./protocol/json-members.ts";
import { MessageReader } from "./protocol/message-reader.ts";
import { type OnRequest, Questions } from "./protocol/questions.ts";
import { promptLine } from "./protocol/user-line.ts";
import { type Charge, Charges } from "./turn/charges.ts";
import type { EarlierLine, TurnHost } from "./turn/turn-host.ts";
import { TurnRun } from "./turn/turn-run.ts";
import type { WorkerOptions } from "./worker-options.ts";

/** For how long a start runs at low priority at most, in milliseconds; one that is alone takes a tenth of it. */
const maxLowPriorityMs = 2_000;

/** Whose the messages of the process are. */
type Activity =
  | { readonly kind: "idle" }
  /** From the beginning of a seeding to the turn that it is for: at full detail its lines are that turn's. */
  | { readonly kind: "seeding"; readonly lines: EarlierLine[] }
  | { readonly kind: "turn"; readonly turnId: string; readonly run: TurnRun };

export class ClaudeWorker implements WorkerProcess {
  readonly id: string;
  readonly startedAtMs: number;
  readonly exited: Promise<WorkerExit>;
  readonly #options: WorkerOptions;
  readonly #paths: HostPaths;
  readonly #process: ChildProcess;
  readonly #ending: ProcessEnding;
  readonly #reader: MessageReader;
  readonly #control: ControlChannel;
  readonly #questions: Questions;
  readonly #expectations: Expectations;
  readonly #conversation: CliConversation;
  readonly #charges = new Charges();
  #activity: Activity = { kind: "idle" };
  /** Why this process cannot be used again. There is no way back from it. */
  #unclean: ResetFailure | undefined;
  #stopped: Promise<void> | undefined;

  /** Starts the process. Rejects with the system's error when the program does not start. */
  static async start(options: WorkerOptions): Promise<ClaudeWorker> {
    const process = await ChildProcess.start({
      ...options.command,
      env: options.env,
      clock: options.clock,
      writeTimeoutMs: options.timeouts.controlTimeoutMs,
    });
    const worker = new ClaudeWorker(options, process);
    try {
      await Promise.all([lowerPriority(process.pid), options.home.occupy(process.pid)]);
    } catch (error) {
      worker.#ending.kill("its folder could not be marked");
      await worker.exited;
      throw error;
    }
    return worker;
  }

  private constructor(options: WorkerOptions, process: ChildProcess) {
    const { clock, profile, timeouts } = options;
    this.id = options.id;
    this.startedAtMs = clock.now();
    this.#options = options;
    this.#paths = new HostPaths(options.home.folder);
    this.#process = process;
    this.#reader = this.#openReader();
    this.#ending = new ProcessEnding(process, {
      clock,
      stopTimeoutMs: timeouts.stopTimeoutMs,
      killed: () => this.#reader.close(),
    });
    const send = (line: string) => this.#write(line);
    this.#control = new ControlChannel({ clock, timeoutMs: timeouts.controlTimeoutMs, send });
    this.#questions = new Questions({
      send,
      onRequest: this.#answers(options.onRequest),
      openCountChanged: (count) => this.#turn?.questionsOpen(count),
    });
    this.#expectations = new Expectations(clock, timeouts.controlTimeoutMs);
    this.#conversation = new CliConversation(
      {
        ask: this.#ask,
        write: (line) => this.#write(line),
        expect: (fits, times) => this.#expectations.expect(fits, times),
        capabilities: options.capabilities,
      },
      options.session === undefined ? profile : { ...profile, ...settingsOf(options.session.launch) },
    );
    process.read((chunk) => {
      this.#reader.push(chunk);
      this.#turn?.flush();
    });
    this.exited = process.exited.then((exit) => this.#afterExit(exit));
  }

  get pid(): number {
    return this.#process.pid;
  }

  get transcript(): WorkerTranscript | undefined {
    return this.#options.session?.transcript;
  }

  async ready(signal?: AbortSignal): Promise<void> {
    const { startTimeoutMs, workerNice } = this.#options.timeouts;
    // On a machine that is busy with other things a start at low priority would hardly get on at all.
    const cancelRestore = this.#options.clock.after(maxLowPriorityMs, () => void settlePriority(this.pid, workerNice));
    try {
      await this.#conversation.open({ timeoutMs: startTimeoutMs, signal });
      await this.#beginSession(signal);
    } catch (cause) {
      if (signal?.aborted) throw signal.reason;
      throw new RunnerError("WORKER_START_FAILED", "a worker did not start", { facts: { startTimeoutMs }, cause });
    } finally {
      cancelRestore();
    }
    await settlePriority(this.pid, workerNice);
  }

  /** A process of a session is bound from its start, and knows what the turns before have cost. */
  async #beginSession(signal: AbortSignal | undefined): Promise<void> {
    const { session } = this.#options;
    if (session === undefined) return;
    await this.#conversation.bind(session.launch.binding, signal);
    if (session.launch.resume === undefined) return;
    this.#charges.carriedOver(objectAt(await this.#ask({ subtype: "get_usage" }, { signal }), "session"));
  }

  async ping(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    await this.#ask({ subtype: "get_settings" }, { timeoutMs, signal });
  }

  bind(binding: Binding, signal?: AbortSignal): Promise<void> {
    return this.#conversation.bind(binding, signal);
  }

  configure(settings: ModelSettings, signal?: AbortSignal): Promise<void> {
    return this.#conversation.configure(settings, signal);
  }

  async seed(history: readonly HistoryMessage[], signal?: AbortSignal): Promise<void> {
    this.#checkIdle();
    await this.#conversation.checkSeeding();
    if (this.#activity.kind === "idle") this.#activity = { kind: "seeding", lines: [] };
    await this.#conversation.seed(history, signal);
  }

  run(turn: Turn): RunningTurn {
    this.#checkIdle();
    const earlier = this.#activity.kind === "seeding" ? this.#activity.lines : [];
    this.#conversation.promptGiven(turn.id);
    const run = new TurnRun(turn, this.#turnHost(), this.#writePrompt(turn), earlier);
    this.#activity = { kind: "turn", turnId: turn.id, run };
    run.questionsOpen(this.#questions.openCount);
    void run.idle.then(() => this.#turnOver(run, turn.id));
    void run.ended.then(({ error }) => {
      this.#questions.turnEnded();
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

  #openReader(): MessageReader {
    const { maxLineBytes, secrets, log } = this.#options;
    return new MessageReader({
      maxLineBytes,
      secrets,
      onMessage: (message, line) => this.#receive(message, line),
      onGarbage: (lineLength, garbageCount) => {
        this.#unclean ??= "garbage";
        log.warn({ workerId: this.id, lineBytes: lineLength, garbageCount }, "a line is not JSON");
      },
      onBroken: (why, error) => {
        this.#ending.kill(why);
        if (error === undefined) return;
        log.error({ workerId: this.id, err: error }, "the output of a worker could not be read");
      },
    });
  }

  #receive(message: CliMessage, line: string): void {
    const { kind, body } = message;
    let charge: Charge | undefined;
    if (kind === "controlResponse") this.#control.receiveResponse(body);
    else if (kind === "controlRequest") this.#questions.receive(body);
    else if (kind === "controlCancel") this.#questions.receiveCancel(body);
    else if (kind === "conversationReset") this.#charges.conversationReset();
    else if (kind === "result") charge = this.#charges.book(body);
    else if (kind === "lifecycle") this.#conversation.noteLifecycle(body);
    this.#expectations.receive(message);
    const activity = this.#activity;
    if (activity.kind === "turn") activity.run.receive(message, line, charge);
    else if (activity.kind === "seeding") activity.lines.push({ message, line });
    else this.#receiveWhileIdle(message);
  }

  /** Between turns nothing should come but what was asked for. */
  #receiveWhileIdle({ kind, body }: CliMessage): void {
    if (kind === "result" && body.local_command !== "clear") this.#unclean ??= "foreign_turn";
    else if (kind === "backgroundTasks" && listAt(body, "tasks").length > 0) this.#unclean ??= "background_tasks";
    else if (kind === "compacted") this.#unclean ??= "compacted";
  }

  /** Says with each question which worker and turn it is of. What goes wrong with an answer is logged here. */
  #answers(onRequest: WorkerOptions["onRequest"]): OnRequest | undefined {
    if (onRequest === undefined) return undefined;
    return async (question, signal) => {
      const activity = this.#activity;
      const turnId = activity.kind === "turn" ? activity.turnId : undefined;
      try {
        return await onRequest({ ...question, workerId: this.id, turnId }, signal);
      } catch (error) {
        const { subtype } = question;
        if (!signal.aborted) {
          this.#options.log.warn({ workerId: this.id, turnId, subtype, err: error }, "a question was not answered");
        }
        return undefined;
      }
    };
  }

  // ---- Turns ---------------------------------------------------------------------------------------------------

  get #turn(): TurnRun | undefined {
    return this.#activity.kind === "turn" ? this.#activity.run : undefined;
  }

  #turnHost(): TurnHost {
    const { clock, log, timeouts, eventBufferSize, maxEventsPerTurn, profile } = this.#options;
    const { upstreamIdleTimeoutMs, upstreamTimeoutMs } = profile;
    return {
      clock,
      log,
      paths: this.#paths,
      bounds: { ...timeouts, upstreamIdleTimeoutMs, upstreamTimeoutMs, eventBufferSize, maxEventsPerTurn },
      chargedUsdMicros: this.#charges.totalCostUsdMicros,
      takenLineCount: () => this.#conversation.takenLineCount,
      request: this.#ask,
      pause: () => this.#process.pause(),
      resume: () => this.#process.resume(),
      kill: (why) => this.#ending.kill(why),
      isClean: () => this.#unclean === undefined,
    };
  }

  /** Until here another worker may take the turn over unseen; from here nobody repeats it. */
  async #writePrompt({ id, content }: Turn): Promise<void> {
    await this.#write(promptLine(id, content));
  }

  #turnOver(run: TurnRun, turnId: string): void {
    if (this.#turn !== run) return;
    this.#activity = { kind: "idle" };
    this.#questions.turnEnded();
    this.#unclean ??= run.taint;
    this.#conversation.promptOver(turnId, run.hasStarted);
  }

  #checkIdle(): void {
    if (this.#turn !== undefined) throw new Error("bug: a worker takes one turn at a time");
  }

  async #reset(): Promise<ResetFailure | undefined> {
    await this.#turn?.idle;
    if (this.#unclean !== undefined) return this.#unclean;
    if (!this.#process.isRunning || this.#ending.killedFor !== undefined) return "worker_died";
    const why = await this.#conversation.reset();
    // Something else may have come with the answers.
    if (why?.word) this.#options.log.info({ workerId: this.id, why: why.failure, word: why.word }, "no reset");
    if (why !== undefined || this.#unclean !== undefined) return why?.failure ?? this.#unclean;
    this.#activity = { kind: "idle" };
    return undefined;
  }

  // ---- The process ---------------------------------------------------------------------------------------------

  readonly #ask = (
    request: { readonly subtype: string; readonly [key: string]: unknown },
    options?: RequestOptions,
  ): Promise<JsonObject> => this.#control.request(request, options);

  async #write(line: Line): Promise<void> {
    try {
      await this.#process.write(line);
    } catch (cause) {
      throw new RunnerError("WORKER_DIED", "the worker does not read its input", { cause });
    }
  }

  async #stop(): Promise<void> {
    const turn = this.#turn;
    turn?.interrupt("drained");
    // Bounded by the timeout of interrupts.
    await turn?.ended;
    await this.#ending.stop(this.exited);
  }

  async #afterExit({ code, signal }: ProcessExit): Promise<WorkerExit> {
    this.#ending.gone();
    // Before anybody hears that it is gone: what they read of the transcript then is what was kept.
    const kept = this.#options.session?.transcript.keep();
    const { killedFor } = this.#ending;
    const cutBytes = this.#reader.end();
    const why = [
      killedFor === undefined ? "" : `killed: ${killedFor}`,
      cutBytes > 0 ? `its last line was cut off after ${cutBytes} bytes` : "",
      this.#lastWords(),
    ];
    const detail = why.filter((part) => part !== "").join("; ");
    const gone = new RunnerError("WORKER_DIED", "the worker is gone", {
      facts: { exitCode: code ?? "none", signal: signal ?? "none" },
      cause: new Error(detail),
    });
    this.#turn?.flush();
    this.#turn?.processGone(detail || `exit code ${code}, signal ${signal}`);
    this.#control.close(gone);
    this.#questions.processGone(gone);
    this.#expectations.close(gone);
    await kept;
    await this.#options.release();
    this.#options.log.debug({ workerId: this.id, exitCode: code, signal, detail }, "a worker is gone");
    return { code, signal, detail };
  }

  /** The last line of stderr, fit for a log. */
  #lastWords(): string {
    const { secrets } = this.#options;
    const text = redactSecrets(secrets.text(this.#process.stderrTail()));
    return text.trim().split("\n").at(-1)?.trim().slice(0, 500) ?? "";
  }
}

function settingsOf({ model, effort }: ModelSettings): ModelSettings {
  return { model, effort };
}
