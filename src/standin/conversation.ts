/**
 * What a request to the Messages API says about its conversation: the prompt that is being answered, and how many
 * answers it has had. That makes scenarios stateless, so that any number of CLI processes can be served in any order.
 *
 * Leaves out everything else in a request, which is only recorded.
 */

/** As much of a request's body as matters here. The rest is there, but nobody looks. */
export interface MessagesRequest {
  readonly model: string;
  readonly stream: boolean;
  readonly messages: readonly RequestMessage[];
  readonly [other: string]: unknown;
}

export interface RequestMessage {
  readonly role: string;
  readonly content: string | readonly RequestBlock[];
}

export interface RequestBlock {
  readonly type: string;
  readonly text?: string;
  readonly [other: string]: unknown;
}

export interface Conversation {
  /** The last text that a user wrote, as opposed to what the CLI put in. Empty when there is none. */
  readonly prompt: string;
  /** How many answers of the model follow the prompt: which step of a scenario is due. */
  readonly answersSincePrompt: number;
  /** The last text of all, whoever wrote it. */
  readonly lastText: string;
  /** Whether the CLI asks for a summary of the conversation in order to shorten it. */
  readonly asksForSummary: boolean;
  /** Whether the conversation begins with such a summary. */
  readonly beginsWithSummary: boolean;
}

/** How the texts begin that the CLI itself writes into user messages. Measured with 2.1.329. */
const beginningsOfTheCli = [
  "Output token limit hit. Resume directly",
  "Your response above was cut off mid-stream.",
  "[Your previous response had no visible output.",
  "The previous response failed to produce a valid tool call.",
  "Your response above was stopped by a safety classifier",
  "[structured-output-enforce]",
  "[Request interrupted by user",
  "[Image: source:",
  "This session is being continued from a previous conversation",
  "<system-reminder>",
  "<local-command-caveat>",
  "<local-command-stdout>",
  "<command-name>",
  "<task-notification>",
  "Continue from where you left off.",
];

const summaryRequest = /^(?:CRITICAL: Respond with TEXT ONLY|Your task is to create a detailed summary)/;
const summaryBeginning = "This session is being continued from a previous conversation";

/** Reads a body. Returns undefined for one that is no request to the Messages API. */
export function readRequest(body: unknown): MessagesRequest | undefined {
  if (typeof body !== "object" || body === null || !("messages" in body) || !Array.isArray(body.messages)) {
    return undefined;
  }
  const messages = body.messages.filter(isMessage);
  const model = "model" in body && typeof body.model === "string" ? body.model : "claude-stand-in";
  return { ...body, model, messages, stream: "stream" in body && body.stream === true };
}

export function readConversation(request: MessagesRequest): Conversation {
  let prompt: string | undefined;
  let lastText: string | undefined;
  let answersSincePrompt = 0;
  for (let index = request.messages.length - 1; index >= 0 && prompt === undefined; index--) {
    const message = request.messages[index]!;
    if (message.role === "assistant") answersSincePrompt++;
    if (message.role !== "user") continue;
    const texts = textsOf(message);
    lastText ??= texts.at(-1);
    prompt = texts.findLast((text) => !isOfTheCli(text));
  }
  const first = request.messages.find((message) => message.role === "user");
  return {
    prompt: prompt ?? "",
    answersSincePrompt,
    lastText: lastText ?? "",
    asksForSummary: summaryRequest.test(lastText ?? ""),
    beginsWithSummary: first !== undefined && (textsOf(first)[0] ?? "").startsWith(summaryBeginning),
  };
}

/** What the user wrote before the prompt, oldest first. */
export function earlierPrompts(request: MessagesRequest, conversation: Conversation): readonly string[] {
  const prompts = request.messages
    .filter((message) => message.role === "user")
    .flatMap((message) => textsOf(message).filter((text) => !isOfTheCli(text)));
  return prompts.slice(0, Math.max(0, prompts.lastIndexOf(conversation.prompt)));
}

function isOfTheCli(text: string): boolean {
  return beginningsOfTheCli.some((beginning) => text.startsWith(beginning)) || summaryRequest.test(text);
}

function textsOf(message: RequestMessage): readonly string[] {
  if (typeof message.content === "string") return [message.content];
  return message.content.flatMap((block) => (block.type === "text" && block.text !== undefined ? [block.text] : []));
}

function isMessage(value: unknown): value is RequestMessage {
  return (
    typeof value === "object" &&
    value !== null &&
    "role" in value &&
    "content" in value &&
    (typeof value.content === "string" || Array.isArray(value.content))
  );
}
