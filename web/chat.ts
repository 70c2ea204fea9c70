/**
 * The conversation: sends turns, reads their streams, keeps what was said, and shows all of it.
 */
import type { GetInfoResponse, StreamChatResponse } from "../clients/typescript/src/gen/claude/runner/v1/runner_pb.ts";
import type { Announcer } from "./announce.ts";
import type { Api } from "./api.ts";
import { Call } from "./call.ts";
import { Composer } from "./composer.ts";
import { Conversation } from "./conversation.ts";
import { el, setShown } from "./dom.ts";
import { failureOf } from "./failure.ts";
import { breathe, drawSoon } from "./frames.ts";
import { SettingsForm, type TurnChoice } from "./settings-form.ts";
import { newTrace } from "./trace.ts";
import { Turn, type TurnEnd } from "./turn.ts";
import { TurnView } from "./turn-view.ts";

/** So many events are taken in one go; then the browser may handle input, and draw. */
const eventsPerBreath = 200;
/** More turns than a conversation may take along are not kept in the page either. */
const maxTurnsInPage = 200;
/** Closer to the end of the page than this, in pixels, a reader follows what is new. */
const followDistance = 80;

export class Chat {
  readonly element: HTMLElement;
  readonly #api: Api;
  readonly #announcer: Announcer;
  readonly #conversation = new Conversation();
  readonly #composer: Composer;
  readonly #turns = el("ol", { class: "turns", "aria-label": "Conversation" });
  readonly #welcome: HTMLElement;
  readonly #latest: HTMLButtonElement;
  #running: Call | undefined;
  #turnCount = 0;
  /** Whether the end of the page is kept in sight. */
  #isFollowing = true;
  /** Where the page was scrolled to, in pixels. */
  #scrollTop = 0;

  constructor(api: Api, info: GetInfoResponse, announcer: Announcer) {
    this.#api = api;
    this.#announcer = announcer;
    this.#composer = new Composer(new SettingsForm(info), {
      send: (prompt, choice) => void this.#send(prompt, choice),
      cancel: () => this.cancel(),
      startAnew: () => this.#startAnew(),
    });
    this.#welcome = el(
      "div",
      { class: "welcome" },
      el("p", { class: "welcome-head" }, "What should Claude Code do?"),
      el("p", {}, "A process that is already running answers. The conversation is kept in this page only."),
      el("p", { class: "small" }, versions(info)),
    );
    this.#latest = el("button", { type: "button", class: "latest" }, "To the latest");
    this.#latest.addEventListener("click", () => this.#follow());
    const dock = el("div", { class: "dock" }, this.#latest, this.#composer.element);
    this.element = el(
      "section",
      { class: "chat", "aria-label": "Chat" },
      el("h1", { class: "visually-hidden" }, "Chat"),
      el("div", { class: "transcript" }, this.#welcome, this.#turns),
      dock,
    );
    // What gets the focus keeps clear of it, however much is written or opened in it.
    new ResizeObserver(() => {
      this.element.style.setProperty("--dock-height", `${dock.offsetHeight}px`);
      if (this.#isFollowing) this.#toEnd();
    }).observe(dock);
    setShown(this.#latest, false);
    window.addEventListener("scroll", this.#onScroll, { passive: true });
    document.addEventListener("keydown", this.#onKey);
  }

  /** For when it is shown. */
  focus(): void {
    this.#composer.focus();
    if (this.#isFollowing) this.#toEnd();
  }

  /** Cancels the turn that runs, if one does. */
  cancel(): void {
    this.#running?.cancel();
  }

  /** Ends what runs, and lets go of the page. */
  close(): void {
    this.cancel();
    window.removeEventListener("scroll", this.#onScroll);
    document.removeEventListener("keydown", this.#onKey);
  }

  async #send(prompt: string, choice: TurnChoice): Promise<void> {
    if (this.#running !== undefined) return;
    const { profile, model, effort, deadlineMs } = choice;
    const { traceId, traceparent } = newTrace();
    const turn = new Turn({ prompt, traceId, sentAtMs: performance.now() });
    const call = new Call({ deadlineMs, headers: { traceparent } });
    const { view, draw } = this.#addTurn(turn, choice);
    this.#running = call;
    this.#composer.setRunning(true);
    this.#announcer.say("Sent. Claude is working.");
    const clock = setInterval(() => view.drawClock(), 1_000);

    const history = this.#conversation.history.map(({ role, text }) => ({ role, text }));
    const events = this.#api.runner.streamChat({ profile, model, effort, prompt, history }, call.options);
    turn.finish(await readStream(events, turn, call, draw));

    clearInterval(clock);
    call.over();
    this.#running = undefined;
    if (turn.end?.kind === "result") this.#conversation.add(prompt, turn.text || (turn.result?.text ?? ""));
    this.#composer.setRunning(false);
    this.#showLength();
    draw();
  }

  /** Gives the turn its place in the page. `draw` shows its changes with the next frame. */
  #addTurn(turn: Turn, choice: TurnChoice): { readonly view: TurnView; readonly draw: () => void } {
    this.#turnCount += 1;
    const retry = () => void this.#send(turn.request.prompt, choice);
    const view = new TurnView(turn, this.#turnCount, { retry }, this.#announcer);
    this.#turns.append(el("li", {}, view.element));
    while (this.#turns.childElementCount > maxTurnsInPage) this.#turns.firstElementChild?.remove();
    setShown(this.#welcome, false);
    this.#isFollowing = true;
    const drawNow = () => {
      const hasMore = view.draw();
      if (this.#isFollowing) this.#toEnd();
      return hasMore;
    };
    const draw = () => drawSoon(drawNow);
    draw();
    return { view, draw };
  }

  #startAnew(): void {
    if (this.#running !== undefined) return;
    this.#conversation.clear();
    this.#turns.replaceChildren();
    this.#turnCount = 0;
    setShown(this.#welcome, true);
    this.#showLength();
    this.#announcer.say("A new conversation.");
  }

  #showLength(): void {
    const { length, forgottenCount } = this.#conversation;
    this.#composer.showLength({ count: length, forgottenCount, hasTurns: this.#turns.childElementCount > 0 });
  }

  readonly #onKey = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || event.isComposing || this.#running === undefined || this.element.hidden) return;
    event.preventDefault();
    this.cancel();
    this.#composer.focus();
  };

  /** Whoever scrolls up does not follow; the page growing below them is no such wish. */
  readonly #onScroll = (): void => {
    if (!this.element.isConnected || this.element.hidden) return;
    const { scrollHeight, clientHeight, scrollTop } = document.documentElement;
    const isAtEnd = scrollHeight - clientHeight - scrollTop < followDistance;
    if (isAtEnd) this.#isFollowing = true;
    else if (scrollTop < this.#scrollTop) this.#isFollowing = false;
    this.#scrollTop = scrollTop;
    setShown(this.#latest, !this.#isFollowing);
  };

  #follow(): void {
    this.#isFollowing = true;
    this.#toEnd();
    this.#composer.focus();
  }

  #toEnd(): void {
    if (this.element.hidden) return; // Another view is looked at.
    const page = document.documentElement;
    page.scrollTop = page.scrollHeight;
  }
}

/** Takes every event of the stream, and tells how it ended. */
async function readStream(
  events: AsyncIterable<StreamChatResponse>,
  turn: Turn,
  call: Call,
  draw: () => void,
): Promise<TurnEnd> {
  try {
    for await (const event of events) {
      turn.apply(event);
      draw();
      if (turn.eventCount % eventsPerBreath === 0) await breathe();
    }
    if (turn.result !== undefined) return { kind: "result" };
    throw new Error("the stream ended without a result");
  } catch (error) {
    if (call.wasCancelled) return { kind: "cancelled" };
    return { kind: "failed", failure: failureOf(error, { hasBegun: turn.eventCount > 0 }) };
  }
}

function versions({ serverVersion, cliVersion }: GetInfoResponse): string {
  return `claude-runner ${serverVersion} with ${cliVersion === "" ? "no usable Claude Code" : `Claude Code ${cliVersion}`}`;
}
