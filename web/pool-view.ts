/**
 * What the pool does, live: workers by state, the queue, how turns got their workers, where the time of recent ones went.
 *
 * It is watched while it is looked at only.
 */
import type { PoolState } from "../clients/typescript/src/gen/claude/runner/v1/pool_pb.ts";
import type { Announcer } from "./announce.ts";
import type { Api } from "./api.ts";
import { el, setShown, setText } from "./dom.ts";
import { failureOf, isUnknownCall, wantsToken } from "./failure.ts";
import { counted, epochMsOf, millisecondsOf, sizeText, timeText } from "./format.ts";
import { drawSoon } from "./frames.ts";
import { KeyedRows } from "./keyed.ts";
import { ProfileCard } from "./pool-profile.ts";
import { RecentTurnRow } from "./pool-turn.ts";
import { WorkerRow, workerHeadings } from "./pool-worker.ts";
import { stageLegend } from "./timeline-view.ts";
import { Watch } from "./watch.ts";

/** The shortest time between two states, in milliseconds. */
const intervalMs = 500;
const recentTurnCount = 30;

export class PoolView {
  readonly element: HTMLElement;
  readonly #announcer: Announcer;
  readonly #watch: Watch<PoolState>;
  readonly #connection = el("p", { class: "connection" });
  readonly #problem = el("div", { class: "pool-problem" });
  readonly #content: HTMLElement;
  readonly #serving = el("span", { class: "chip" });
  readonly #overview = el("p", { class: "figures" });
  readonly #memory = el("meter", { class: "memory", min: 0, "aria-label": "Memory of all workers" });
  readonly #memoryText = el("span", {});
  readonly #memoryLine: HTMLElement;
  readonly #profiles: KeyedRows<PoolState["profiles"][number], ProfileCard>;
  readonly #workers: KeyedRows<PoolState["workers"][number], WorkerRow>;
  readonly #turns: KeyedRows<PoolState["recentTurns"][number], RecentTurnRow>;
  readonly #noWorkers = el("p", { class: "empty" }, "No workers.");
  readonly #noTurns = el("p", { class: "empty" }, "No turns yet.");
  readonly #workerTable: HTMLElement;
  #state: PoolState | undefined;
  #saidServing: string | undefined;

  constructor(api: Api, announcer: Announcer) {
    this.#announcer = announcer;
    const cards = el("div", { class: "cards" });
    const workerRows = el("tbody");
    const turnRows = el("ol", { class: "recent" });
    this.#profiles = new KeyedRows<PoolState["profiles"][number], ProfileCard>({
      parent: cards,
      keyOf: ({ profile }) => profile,
      make: ({ profile }) => new ProfileCard(profile),
      update: (card, profile) => card.show(profile),
    });
    this.#workers = new KeyedRows<PoolState["workers"][number], WorkerRow>({
      parent: workerRows,
      keyOf: ({ workerId }) => workerId,
      make: () => new WorkerRow(),
      update: (row, worker) => row.show(worker),
    });
    this.#turns = new KeyedRows<PoolState["recentTurns"][number], RecentTurnRow>({
      parent: turnRows,
      keyOf: ({ turnId }) => turnId,
      make: (turn) => new RecentTurnRow(turn, announcer),
      update: (row, turn) => row.show(turn, this.#state?.readTime),
    });
    this.#workerTable = el(
      "div",
      { class: "scroll", tabindex: 0, role: "group", "aria-label": "Workers, scrollable" },
      el(
        "table",
        { class: "workers" },
        el("thead", {}, el("tr", {}, ...workerHeadings.map((name) => el("th", { scope: "col" }, name)))),
        workerRows,
      ),
    );
    this.#memoryLine = el("p", { class: "memory-line" }, "Memory ", this.#memory, this.#memoryText);
    this.#content = el(
      "div",
      { class: "pool-content" },
      el("div", { class: "overview" }, this.#serving, this.#overview, this.#memoryLine),
      el("h2", {}, "Profiles"),
      cards,
      el("h2", {}, "Recent turns"),
      stageLegend(),
      turnRows,
      this.#noTurns,
      el("h2", {}, "Workers"),
      this.#workerTable,
      this.#noWorkers,
    );
    this.element = el(
      "section",
      { class: "pool", "aria-label": "Pool" },
      el("div", { class: "pool-head" }, el("h1", {}, "Pool"), this.#connection),
      this.#problem,
      this.#content,
    );
    setShown(this.#content, false);
    setShown(this.#problem, false);
    this.#connection.textContent = "Connecting …";
    this.#watch = new Watch<PoolState>({
      open: (signal) => watchPool(api, signal),
      onState: (state) => {
        this.#state = state;
        drawSoon(this.#draw);
      },
      onBreak: (error, nextTryMs) => this.#broken(error, nextTryMs),
      isFinal: (error) => {
        const failure = failureOf(error, { hasBegun: false });
        return isUnknownCall(failure) || wantsToken(failure) || failure.code === "PERMISSION_DENIED";
      },
      after: (ms, run) => {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
      },
    });
  }

  /** Watches, or stops to. */
  setWatching(isWatching: boolean): void {
    if (isWatching) this.#watch.start();
    else this.#watch.stop();
  }

  close(): void {
    this.#watch.stop();
  }

  #broken(error: unknown, nextTryMs: number | undefined): void {
    const failure = failureOf(error, { hasBegun: this.#state !== undefined });
    if (nextTryMs === undefined) {
      const isMissing = isUnknownCall(failure);
      const words = isMissing
        ? "This server does not show its pool: it does not serve claude.runner.v1.PoolService."
        : `${failure.title}. ${failure.message} ${failure.advice}`;
      this.#problem.replaceChildren(el("p", {}, words));
      setShown(this.#problem, true);
      setShown(this.#content, false);
      this.#connection.textContent = "";
      this.#announcer.say(words);
      return;
    }
    if (this.#connection.dataset.tone !== "bad")
      this.#announcer.say("The connection to the server is lost. Trying again.");
    this.#connection.dataset.tone = "bad";
    const what = this.#state === undefined ? "No answer" : "Connection lost: the state below is old";
    setText(this.#connection, `${what}. Trying again in ${timeText(nextTryMs)}.`);
  }

  readonly #draw = (): undefined => {
    const state = this.#state;
    if (state === undefined) return;
    this.#connection.dataset.tone = "good";
    const time =
      state.readTime === undefined ? "" : `, as of ${new Date(epochMsOf(state.readTime)).toLocaleTimeString()}`;
    setText(this.#connection, `Live${time}`);
    setShown(this.#content, true);
    this.#drawOverview(state);
    this.#profiles.show(state.profiles);
    this.#turns.show(state.recentTurns);
    this.#workers.show(state.workers);
    setShown(this.#noTurns, state.recentTurns.length === 0);
    setShown(this.#noWorkers, state.workers.length === 0);
    setShown(this.#workerTable, state.workers.length > 0);
  };

  #drawOverview(state: PoolState): void {
    const serving = state.draining ? "Shutting down" : state.serving ? "Serving" : "Not serving";
    setText(this.#serving, serving);
    this.#serving.dataset.tone = state.serving && !state.draining ? "good" : "bad";
    if (this.#saidServing !== undefined && this.#saidServing !== serving)
      this.#announcer.say(`The server: ${serving}.`);
    this.#saidServing = serving;
    const figures = [
      counted(state.workers.length, "worker"),
      state.coversAllTenants ? "all tenants" : "your tenant's view",
      ...(state.uptime === undefined ? [] : [`up ${timeText(millisecondsOf(state.uptime))}`]),
    ];
    this.#overview.replaceChildren(...figures.map((figure) => el("span", {}, figure)));
    const budget = Number(state.memoryBudgetBytes);
    setShown(this.#memoryLine, budget > 0);
    this.#memory.max = budget;
    this.#memory.value = Number(state.memoryBytes);
    setText(this.#memoryText, `${sizeText(Number(state.memoryBytes))} of ${sizeText(budget)}`);
  }
}

async function* watchPool(api: Api, signal: AbortSignal): AsyncIterable<PoolState> {
  const minInterval = { seconds: 0n, nanos: intervalMs * 1e6 };
  for await (const { pool } of api.pool.watchPool({ recentTurnCount, minInterval }, { signal })) {
    if (pool !== undefined) yield pool;
  }
}
