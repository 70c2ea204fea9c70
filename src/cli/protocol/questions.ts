/**
 * What the CLI asks of its driver: permissions, hooks, tools of the client, questions to a person.
 *
 * Whoever answers may take long, and is not waited for with a time of ours: the CLI withdraws what it has no patience for.
 * What nobody answers is refused, since an unanswered question lets its turn hang for ever. Leaves out who answers.
 */
import { type JsonObject, objectAt, textAt } from "./json-members.ts";

/** A question of the CLI's. */
export interface CliQuestion {
  readonly requestId: string;
  /** What is asked: `can_use_tool`, `hook_callback`, `mcp_message`, `elicitation`. */
  readonly subtype: string;
  /** The request as the CLI sent it. */
  readonly request: JsonObject;
}

/**
 * Answers with the `response` of a successful reply; with `undefined`, or by rejecting, it leaves the question to be refused.
 * The signal aborts when nobody waits for the answer any more: the CLI has withdrawn the question, or its turn or its process
 * has ended.
 */
export type OnRequest<Question extends CliQuestion = CliQuestion> = (
  question: Question,
  signal: AbortSignal,
) => Promise<JsonObject | undefined>;

export interface QuestionsOptions {
  /** Absent: everything is refused at once. */
  readonly onRequest?: OnRequest | undefined;
  /** Writes one line. */
  readonly send: (line: string) => Promise<void>;
  /** Called when the number of questions changes that wait for an answer. */
  readonly openCountChanged: (openCount: number) => void;
}

export class Questions {
  readonly #options: QuestionsOptions;
  readonly #open = new Map<string, { readonly question: CliQuestion; readonly abort: AbortController }>();

  constructor(options: QuestionsOptions) {
    this.#options = options;
  }

  /** Questions that wait for an answer. */
  get openCount(): number {
    return this.#open.size;
  }

  /** Takes a `control_request` of the CLI's. */
  receive(message: JsonObject): void {
    const request = objectAt(message, "request");
    const question = { requestId: textAt(message, "request_id"), subtype: textAt(request, "subtype"), request };
    const { onRequest } = this.#options;
    if (onRequest === undefined) this.#refuse(question);
    else void this.#ask(question, onRequest);
  }

  /** Takes a `control_cancel_request`: the CLI does not want the answer any more. */
  receiveCancel(message: JsonObject): void {
    this.#close(textAt(message, "request_id"))?.abort(new Error("Claude Code has withdrawn the question"));
  }

  /** The turn is over to which they belong. They are refused, so that the CLI does not go on waiting. */
  turnEnded(): void {
    for (const [id, { question }] of [...this.#open]) {
      this.#close(id)?.abort(new Error("the turn has ended"));
      this.#refuse(question);
    }
  }

  /** The process is gone: nobody reads answers any more. */
  processGone(error: Error): void {
    for (const id of [...this.#open.keys()]) this.#close(id)?.abort(error);
  }

  async #ask(question: CliQuestion, onRequest: OnRequest): Promise<void> {
    const { requestId } = question;
    const abort = new AbortController();
    this.#open.set(requestId, { question, abort });
    this.#options.openCountChanged(this.#open.size);
    let answer: JsonObject | undefined;
    try {
      answer = await onRequest(question, abort.signal);
    } catch {
      // Whoever cannot answer has his own log; here it is refused.
      answer = undefined;
    }
    if (this.#open.get(requestId)?.abort !== abort) return; // Withdrawn, or refused with its turn.
    if (answer === undefined) this.#refuse(question);
    else this.#send(requestId, { subtype: "success", response: answer });
    this.#close(requestId);
  }

  /** A question waits no longer. Gives what tells so to whoever is answering. */
  #close(requestId: string): AbortController | undefined {
    const abort = this.#open.get(requestId)?.abort;
    if (this.#open.delete(requestId)) this.#options.openCountChanged(this.#open.size);
    return abort;
  }

  #refuse({ requestId, subtype }: CliQuestion): void {
    this.#send(requestId, refusalOf(subtype));
  }

  #send(requestId: string, response: JsonObject): void {
    this.#options
      .send(JSON.stringify({ type: "control_response", response: { request_id: requestId, ...response } }))
      .catch(() => {
        // The process is going; its end is told elsewhere.
      });
  }
}

/** An answer that lets the turn go on without what was asked for. */
function refusalOf(subtype: string): JsonObject {
  switch (subtype) {
    case "can_use_tool":
      return {
        subtype: "success",
        response: { behavior: "deny", message: "Nobody can be asked for permission here.", interrupt: false },
      };
    case "hook_callback":
      return { subtype: "success", response: {} };
    default:
      return { subtype: "error", error: `claude-runner does not answer ${subtype || "this"}` };
  }
}
