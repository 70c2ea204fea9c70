import { describe, expect, it } from "vitest";
import { CliConversation, type ConversationProfile } from "../../../src/cli/conversation/cli-conversation.ts";
import type { CliCapabilities } from "../../../src/cli/program/capabilities.ts";
import { type CliMessage, parseLine } from "../../../src/cli/protocol/cli-messages.ts";
import { type JsonObject, objectAt, textAt } from "../../../src/cli/protocol/json-members.ts";
import { answered, said } from "../../said.ts";

const able: CliCapabilities = { cliVersion: "2.1.332", rewind: true, seeding: true, literalPrompts: true, detail: "" };
const lifecycle = (uuid: string, state: string) => ({ type: "command_lifecycle", command_uuid: uuid, state });
const settle = () => new Promise(setImmediate);

interface Options {
  readonly profile?: Partial<ConversationProfile>;
  readonly capabilities?: CliCapabilities | undefined;
}

/** A conversation on a process that answers as it should, unless a test says otherwise. */
function conversing({ profile = {}, ...options }: Options = {}) {
  const asked: (JsonObject & { readonly subtype: string })[] = [];
  const written: JsonObject[] = [];
  /** How many times as long as for an answer was waited for each message. */
  const spans: number[] = [];
  const waiting: { readonly fits: (message: CliMessage) => boolean; readonly take: (message: CliMessage) => void }[] =
    [];
  const replies: Record<string, (request: JsonObject) => unknown> = {
    rewind_conversation: ({ target_message_uuid }) => ({
      rewound: true,
      targetMessageUuid: target_message_uuid,
      precedingAssistantUuid: null,
    }),
    get_settings: () => ({ applied: { model: modelAsked(asked) ?? "opus-exact", effort: "" } }),
  };
  const conversation = new CliConversation(
    {
      ask: async (request) => {
        asked.push(request as JsonObject & { subtype: string });
        return ((await replies[request.subtype]?.(request as JsonObject)) ?? {}) as JsonObject;
      },
      write: async (line) => {
        written.push(JSON.parse(typeof line === "string" ? line : [...line].join("")));
      },
      expect: (fits, times = 1) => {
        spans.push(times);
        return new Promise((take) => waiting.push({ fits, take }));
      },
      capabilities: () => ("capabilities" in options ? options.capabilities : able),
    },
    { model: "opus", effort: "medium", systemPrompt: "of the profile", acceptClearResidue: false, ...profile },
  );
  const says = (body: object) => {
    const message = parseLine(JSON.stringify(body))!;
    if (message.kind === "lifecycle") conversation.noteLifecycle(message.body);
    for (const { fits, take } of waiting) if (fits(message)) take(message);
  };
  /** A turn from its prompt to its end. */
  const turn = (uuid: string) => {
    conversation.promptGiven(uuid);
    says(lifecycle(uuid, "started"));
    says(lifecycle(uuid, "completed"));
    conversation.promptOver(uuid, true);
  };
  const subtypes = () => asked.map(({ subtype }) => subtype);
  return { conversation, asked, written, spans, replies, says, turn, subtypes };
}

const isSetting = (request: JsonObject) => request.subtype === "apply_flag_settings";

/** The model that was set last. */
function modelAsked(asked: readonly JsonObject[]): string | undefined {
  const last = asked.findLast(isSetting);
  return last && textAt(objectAt(last, "settings"), "model");
}

describe("a conversation", () => {
  it("is bound once, also when that fails: what was sent is spent", async () => {
    const { conversation, asked, replies } = conversing();
    replies.initialize = () => Promise.reject(new Error("no answer"));
    await expect(conversation.bind({})).rejects.toThrow("no answer");
    await expect(conversation.bind({})).rejects.toThrow("bug: a worker is bound once");
    expect(asked).toEqual([{ subtype: "initialize", systemPrompt: ["of the profile"] }]);
  });

  it("is configured only where something is to change, and may call the launched model by its alias", async () => {
    const { conversation, subtypes, replies } = conversing();
    await conversation.open({});
    await conversation.configure({ model: "opus", effort: "medium" });
    expect(subtypes()).toEqual(["get_settings"]);
    await conversation.configure({ model: "sonnet", effort: "medium" });
    replies.get_settings = () => ({ applied: { model: "opus-exact", effort: "medium" } });
    await conversation.configure({ model: "opus", effort: "medium" });
    await expect(conversation.configure({ model: "haiku", effort: "medium" })).rejects.toMatchObject({
      reason: "NOT_SUPPORTED_BY_CLI",
    });
  });

  it("takes no history where its CLI takes none, and one where that is not known", async () => {
    const unable = conversing({ capabilities: { ...able, seeding: false } });
    await expect(unable.conversation.checkSeeding()).rejects.toMatchObject({ reason: "NOT_SUPPORTED_BY_CLI" });
    await conversing({ capabilities: undefined }).conversation.checkSeeding();
  });

  it("waits longer for a question of the history with each picture in it", async () => {
    const { conversation, says, written, spans } = conversing();
    const image = { kind: "image", mediaType: "image/png", data: new Uint8Array(1) } as const;
    const seeded = conversation.seed([
      { role: "user", content: [image, image] },
      answered("two pictures"),
      said("and?"),
    ]);
    for (const at of [0, 2]) {
      await settle();
      says({ type: "result", user_message_uuids: [String(written[at]!.uuid)] });
    }
    await seeded;
    expect(spans).toEqual([3, 1]);
  });

  it("counts the user lines that were taken, seeded ones too, and none that was cancelled before", async () => {
    const { conversation, says, turn, written } = conversing();
    const seeded = conversation.seed([said("question")]);
    await settle();
    const uuid = String(written[0]!.uuid);
    says(lifecycle(uuid, "started"));
    says({ type: "result", user_message_uuids: [uuid] });
    says(lifecycle(uuid, "completed"));
    await seeded;
    turn("a");
    conversation.promptGiven("b");
    says(lifecycle("b", "cancelled"));
    expect(conversation.takenLineCount).toBe(2);
  });
});

describe("the reset of a conversation", () => {
  it("asks for nothing while there is none", async () => {
    const { conversation, subtypes } = conversing();
    expect(await conversation.reset()).toBeUndefined();
    expect(subtypes()).toEqual([]);
  });

  it("goes back from the last user message to the first, and begins anew", async () => {
    const { conversation, asked, turn } = conversing();
    for (const uuid of ["a", "b", "c"]) turn(uuid);
    expect(await conversation.reset()).toBeUndefined();
    turn("d");
    expect(await conversation.reset()).toBeUndefined();
    expect(asked).toEqual([
      { subtype: "rewind_conversation", target_message_uuid: "a", last_seen_user_message_uuid: "c" },
      { subtype: "rewind_conversation", target_message_uuid: "d", last_seen_user_message_uuid: "d" },
    ]);
  });

  it("leaves out a prompt that never started", async () => {
    const { conversation, subtypes } = conversing();
    conversation.promptGiven("a");
    conversation.promptOver("a", false);
    expect(await conversation.reset()).toBeUndefined();
    expect(subtypes()).toEqual([]);
  });

  it("waits until the CLI is done with every line", async () => {
    const { conversation, subtypes, says } = conversing();
    conversation.promptGiven("a");
    says(lifecycle("a", "started"));
    conversation.promptOver("a", true);
    const reset = conversation.reset();
    await settle();
    expect(subtypes()).toEqual([]);
    says(lifecycle("a", "completed"));
    expect(await reset).toBeUndefined();
    expect(subtypes()).toEqual(["rewind_conversation"]);
  });

  it("sets model and effort back to the profile's", async () => {
    const { conversation, asked } = conversing();
    await conversation.configure({ model: "sonnet", effort: "high" });
    expect(await conversation.reset()).toBeUndefined();
    expect(asked.filter(isSetting).at(-1)).toMatchObject({ settings: { model: "opus", effortLevel: "medium" } });
  });

  it.each<[string, Options]>([
    ["is not known to", { capabilities: undefined }],
    ["cannot", { capabilities: { ...able, rewind: false } }],
  ])("is not proven where the CLI %s rewind", async (_, options) => {
    const { conversation, turn, subtypes } = conversing(options);
    turn("a");
    expect(await conversation.reset()).toEqual({ failure: "reset_not_proven" });
    expect(subtypes()).toEqual([]);
  });

  it("is the documented command where the CLI cannot rewind and the profile accepts what that leaves", async () => {
    const { conversation, turn, subtypes, written, says } = conversing({
      capabilities: { ...able, rewind: false },
      profile: { acceptClearResidue: true },
    });
    turn("a");
    const reset = conversation.reset();
    await settle();
    expect(written).toMatchObject([{ message: { content: "/clear" } }]);
    says({ type: "conversation_reset" });
    says(lifecycle(String(written[0]!.uuid), "completed"));
    expect(await reset).toBeUndefined();
    expect(subtypes()).toEqual([]);
  });

  it("that failed leaves the conversation as it was", async () => {
    const { conversation, asked, turn, replies } = conversing();
    turn("a");
    replies.rewind_conversation = () => ({ rewound: false, reason: "stale_target" });
    expect(await conversation.reset()).toMatchObject({ failure: "rewind_stale_target" });
    expect(await conversation.reset()).toMatchObject({ failure: "rewind_stale_target" });
    expect(asked).toHaveLength(2);
  });
});
