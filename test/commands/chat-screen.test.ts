import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { NoticeLevel } from "../../gen/claude/runner/v1/event_pb.ts";
import { StreamChatResponseSchema } from "../../gen/claude/runner/v1/runner_pb.ts";
import { ChatScreen } from "../../src/commands/chat-screen.ts";
import { FakeClock } from "../fake-clock.ts";
import { testTerminal } from "./test-terminal.ts";

type Event = NonNullable<MessageInitShape<typeof StreamChatResponseSchema>["event"]>;

function screenFor(options: { isTty: boolean; isQuiet?: boolean; showsText?: boolean }) {
  const clock = new FakeClock();
  const terminal = testTerminal({ isTty: options.isTty });
  const screen = new ChatScreen({
    terminal,
    isQuiet: options.isQuiet ?? false,
    showsText: options.showsText ?? true,
    clock,
  });
  const show = (event: Event, parentToolUseId = "") =>
    screen.show(create(StreamChatResponseSchema, { event, parentToolUseId }));
  const text = (value: string, messageIndex = 0, blockIndex = 0) =>
    show({ case: "textDelta", value: { text: value, messageIndex, blockIndex } });
  return { screen, clock, show, text, written: terminal.written };
}

const retracted = (messageIndex: number, fromBlockIndex: number): Event => ({
  case: "retracted",
  value: { messageIndex, fromBlockIndex },
});

describe("the screen of a chat", () => {
  it("shows a person the text as it comes", () => {
    const { text, written } = screenFor({ isTty: true });
    text("Hel");
    expect(written.stdout).toBe("Hel");
    text("lo");
    expect(written.stdout).toBe("Hello");
  });

  it("keeps from a pipe what could still be retracted", () => {
    const { screen, show, text, written } = screenFor({ isTty: false });
    text("void");
    show(retracted(0, 0));
    text("Hello");
    expect(written.stdout).toBe("");
    screen.finish();
    expect(written.stdout).toBe("Hello\n");
    expect(written.stderr).toBe("");
  });

  it("gives a pipe a message as soon as the next one begins", () => {
    const { screen, text, written } = screenFor({ isTty: false });
    text("First.", 0);
    text("Second.", 1);
    expect(written.stdout).toBe("First.\n");
    screen.finish();
    expect(written.stdout).toBe("First.\nSecond.\n");
  });

  it("marks for a person what turned out to be void, once", () => {
    const { screen, show, text, written } = screenFor({ isTty: true });
    text("kept ", 0, 0);
    text("wrong", 0, 1);
    show(retracted(0, 1));
    show(retracted(0, 1));
    text("right", 0, 1);
    expect(written.stdout).toBe("kept wrong\nright");
    expect(written.stderr).toBe("↑ void: the last 5 characters were retracted, and what follows replaces them\n");
    expect(screen.text).toBe("kept right");
  });

  it("retracts in the named message only", () => {
    const { screen, show, text } = screenFor({ isTty: false });
    text("one", 0, 0);
    text("two", 1, 0);
    show(retracted(1, 0));
    expect(screen.text).toBe("one");
  });

  it("gives each tool a line of its own, and says when it failed", () => {
    const { show, text, written } = screenFor({ isTty: true });
    text("I look.");
    show({ case: "toolUse", value: { toolUseId: "t1", toolName: "Read", inputJson: '{"path":\n"a"}' } });
    show({ case: "toolResult", value: { toolUseId: "t1", isError: true } });
    expect(written.stdout).toBe("I look.\n");
    expect(written.stderr).toBe('  Read {"path": "a"}\n  Read failed\n');
  });

  it("leaves out a sub-agent's text, and shows its tools", () => {
    const { screen, show, written } = screenFor({ isTty: true });
    show({ case: "textDelta", value: { text: "inner" } }, "t1");
    show({ case: "toolUse", value: { toolUseId: "t2", toolName: "Grep", inputJson: "{}" } }, "t1");
    expect(screen.text).toBe("");
    expect(written.stderr).toContain("Grep {}");
  });

  it("tells of retries, denials, other models and warnings", () => {
    const { show, written } = screenFor({ isTty: false });
    show({
      case: "apiRetry",
      value: { attempt: 1, maxAttemptCount: 2, httpStatus: 529, error: "overloaded", delay: { seconds: 2n } },
    });
    show({ case: "permissionDenied", value: { toolName: "Bash", message: "not here" } });
    show({ case: "modelSwitched", value: { toModel: "other", trigger: "overloaded" } });
    show({ case: "notice", value: { level: NoticeLevel.WARNING, text: "careful" } });
    show({ case: "notice", value: { level: NoticeLevel.INFO, text: "by the way" } });
    expect(written.stderr).toBe(
      [
        "  the model API failed (529 overloaded); retry 1 of 2 in 2000 ms",
        "  Bash was not allowed: not here",
        "  now answered by other (overloaded)",
        "  careful",
        "",
      ].join("\n"),
    );
  });

  it("writes nothing beside the answer when it is to be quiet", () => {
    const { screen, show, text, written } = screenFor({ isTty: true, isQuiet: true });
    show({ case: "toolUse", value: { toolUseId: "t1", toolName: "Read", inputJson: "{}" } });
    text("Hello");
    screen.finish();
    expect(written).toEqual({ stdout: "Hello\n", stderr: "" });
  });

  it("says what it waits for after two seconds, and takes it away again", async () => {
    const { clock, show, text, written } = screenFor({ isTty: true });
    await clock.advance(1_000);
    expect(written.stderr).toBe("");
    await clock.advance(1_000);
    expect(written.stderr).toContain("waiting for a worker … 2 s");
    show({ case: "started", value: {} });
    await clock.advance(3_000);
    expect(written.stderr).toContain("waiting for the model … 3 s");
    text("Hello");
    expect(written.stderr.endsWith("\r\x1b[K")).toBe(true);
  });

  it("lets the model move no cursor of a person's terminal, and changes nothing for a pipe", () => {
    const person = screenFor({ isTty: true });
    person.text("a\x1b[2Jb\x07\tc\n\u009bd");
    expect(person.written.stdout).toBe("a[2Jb\tc\nd");
    const pipe = screenFor({ isTty: false });
    pipe.text("a\x1b[2Jb\n");
    pipe.screen.finish();
    expect(pipe.written.stdout).toBe("a\x1b[2Jb\n");
  });
});
