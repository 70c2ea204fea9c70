import { afterEach, describe, expect, it } from "vitest";
import { ServerControl } from "../../src/commands/serve.ts";
import { onSignals } from "../../src/commands/signals.ts";
import type { Settings } from "../../src/config/settings.ts";
import { settingsSchema } from "../../src/config/settings.ts";
import { SettingsError } from "../../src/config/source.ts";
import type { RunnerStopOptions } from "../../src/main.ts";
import { createLog } from "../../src/telemetry/log.ts";

afterEach(() => {
  delete process.env.CLAUDE_RUNNER_LAUNCHER_PID;
});

describe("signals", () => {
  it("count each time", () => {
    const taken: string[] = [];
    using _signals = onSignals(["SIGQUIT"], (signal) => taken.push(signal));
    process.emit("SIGQUIT");
    process.emit("SIGQUIT");
    expect(taken).toEqual(["SIGQUIT", "SIGQUIT"]);
  });

  it("count once when the launcher passes on what the terminal has sent as well", () => {
    process.env.CLAUDE_RUNNER_LAUNCHER_PID = String(process.ppid);
    const taken: string[] = [];
    using _signals = onSignals(["SIGQUIT", "SIGHUP"], (signal) => taken.push(signal));
    process.emit("SIGQUIT");
    process.emit("SIGQUIT");
    process.emit("SIGHUP");
    expect(taken).toEqual(["SIGQUIT", "SIGHUP"]);
  });

  it("count each time when another program was started by the launcher's child", () => {
    process.env.CLAUDE_RUNNER_LAUNCHER_PID = "1";
    const taken: string[] = [];
    using _signals = onSignals(["SIGQUIT"], (signal) => taken.push(signal));
    process.emit("SIGQUIT");
    process.emit("SIGQUIT");
    expect(taken).toHaveLength(2);
  });

  it("are left alone afterwards", () => {
    const before = process.listenerCount("SIGQUIT");
    onSignals(["SIGQUIT"], () => undefined)[Symbol.dispose]();
    expect(process.listenerCount("SIGQUIT")).toBe(before);
  });
});

describe("a server that gets signals", () => {
  function control(options: { reload?: () => Settings; isTerminalGone?: boolean } = {}) {
    const lines: string[] = [];
    const stops: RunnerStopOptions[] = [];
    const reloads: Settings[] = [];
    const runner = {
      stop: async (stopOptions: RunnerStopOptions = {}) => void stops.push(stopOptions),
      reload: async (settings: Settings) => void reloads.push(settings),
    };
    const log = createLog({ level: "info", write: (line) => lines.push(line) });
    const made = new ServerControl(log, {
      reload: options.reload ?? (() => settingsSchema.parse({})),
      isTerminalGone: () => options.isTerminalGone ?? false,
    });
    return { control: made, runner, lines, stops, reloads };
  }

  it("drains, then hurries, then ends what runs", () => {
    const { control: server, runner, stops } = control();
    server.started(runner);
    server.take("SIGTERM");
    server.take("SIGINT");
    server.take("SIGTERM");
    server.take("SIGTERM");
    expect(stops).toEqual([{}, { drainTimeoutMs: 10_000 }, { drainTimeoutMs: 0 }, { drainTimeoutMs: 0 }]);
  });

  it("ends what runs at SIGQUIT", () => {
    const { control: server, runner, stops } = control();
    server.started(runner);
    server.take("SIGQUIT");
    expect(stops).toEqual([{ drainTimeoutMs: 0 }]);
  });

  it("stops as soon as it has started when it was told to before", () => {
    const { control: server, runner, stops } = control();
    server.take("SIGINT");
    expect(stops).toEqual([]);
    server.started(runner);
    expect(stops).toEqual([{}]);
  });

  it("takes new tokens at SIGHUP, unless it came from a terminal that was closed", async () => {
    const open = control();
    open.control.started(open.runner);
    open.control.take("SIGHUP");
    await expect.poll(() => open.lines.join()).toContain("were read again");
    expect(open.reloads).toHaveLength(1);
    expect(open.stops).toEqual([]);

    const closed = control({ isTerminalGone: true });
    closed.control.started(closed.runner);
    closed.control.take("SIGHUP");
    expect(closed.stops).toEqual([{}]);
    expect(closed.reloads).toEqual([]);
  });

  it("lets running turns end after an error that nobody caught, and says that it failed", () => {
    const { control: server, runner, stops, lines } = control();
    server.started(runner);
    server.fail(new Error("boom for crt_0123456789abcdef"));
    expect(stops).toEqual([{ drainTimeoutMs: 10_000 }]);
    expect(server.hasFailed).toBe(true);
    expect(lines.join()).toContain("boom");
    expect(lines.join()).not.toContain("0123456789");
    server.take("SIGTERM");
    expect(stops.at(-1)).toEqual({ drainTimeoutMs: 0 });
  });

  it("keeps what it has when the new settings are wrong", async () => {
    const wrong = { source: { kind: "flag", name: "--x" }, path: "a.b", problem: "is no setting" } as const;
    const {
      control: server,
      runner,
      lines,
      reloads,
    } = control({
      reload: () => {
        throw new SettingsError([wrong]);
      },
    });
    server.started(runner);
    server.take("SIGHUP");
    await expect.poll(() => lines.join()).toContain("the old ones stay");
    expect(lines.join()).toContain("--x: a.b is no setting");
    expect(reloads).toEqual([]);
  });
});
