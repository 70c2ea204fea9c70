import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WorkerState, WorkerStateCountSchema } from "../../gen/claude/runner/v1/pool_pb.ts";
import { type PoolPictureOptions, poolPicture } from "../../src/commands/pool-picture.ts";
import { styleFor } from "../../src/commands/terminal.ts";
import { duration } from "../../src/service/protobuf.ts";
import { busyPool } from "./pool-states.ts";

const plain = styleFor(false, {});
const draw = (changes: Partial<PoolPictureOptions> = {}) =>
  poolPicture({ pool: busyPool(), url: "127.0.0.1:7433", columns: 119, style: plain, ...changes });

describe("the picture of a pool", () => {
  it("shows the server, each profile, the workers and the recent turns", () => {
    expect(draw()).toEqual([
      "claude-runner  127.0.0.1:7433  serving  up 3 h  all tenants",
      "memory 512 MiB of 2.0 GiB  │███████▌                      │",
      "",
      "default  3 of 8 workers",
      "  ▶○○·····",
      "  ▶ 1 running  ○ 2 spare  keeps 2 spares",
      "  3 of 64 waiting, for 1.5 s  turns:  1,234 reused  1 cold",
      "",
      "tools  0 of 1 worker  not ready  no usable Claude Code",
      "  ·",
      "  keeps no spares",
      "  nobody waits  no turns yet",
      "",
      "worker  state      for  profile  tenant  turns    age   memory  turn",
      "w2      running  2.0 s  default  acme       12    2 h  100 MiB  01234567",
      "w1      spare    9.0 s  default              0  9.5 s",
      "w3      spare    0.0 s  default              0  0.0 s",
      "",
      "   ago  turn      profile  model            worker     end         first text    total  where time went",
      " 2.0 s  01234567  default  claude-opus-5-5  w2 reused  running                 2000 ms  ░░░░░░░░░░░░░░░░▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓",
      "  60 s  fedcba98  default  claude-opus-5-5  w1 spare   completed       120 ms   400 ms  ▓▓▓▓▓▓▓▓▓██████████████████████",
      "60 min  aaaaaaaa  tools    claude-opus-5-5             queue full              1.00 ms  ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░",
      "░ queue  ▒ bind, history, write  ▓ until the first text  █ answer",
    ]);
  });

  it("lets what goes on get older while nothing new is told, and nothing else", () => {
    const before = draw({ columns: 200 });
    const after = draw({ columns: 200, sinceMs: 1_000 });
    expect(after.find((line) => line.startsWith("w2"))).toContain("3.0 s");
    expect(after.find((line) => line.includes("01234567  default"))).toContain("3000 ms");
    expect(after.join("\n")).toContain("waiting, for 2.5 s");
    expect(after.find((line) => line.includes("fedcba98"))).toContain("400 ms");
    expect(after).toHaveLength(before.length);
  });

  it("says for a tenant whose the view is, and shows no free places, which it cannot know", () => {
    const lines = draw({ pool: busyPool({ coversAllTenants: false, memoryBytes: 0n, memoryBudgetBytes: 0n }) });
    expect(lines[0]).toContain("your tenant, and workers that belong to nobody");
    expect(lines.join("\n")).not.toContain("memory 0");
    expect(lines).toContain("default  3 workers");
    expect(lines).toContain("  ▶○○");
  });

  it("says what is wrong with the server, and with the view", () => {
    expect(draw({ pool: busyPool({ serving: false }) })[0]).toContain("  not serving  ");
    expect(draw({ pool: busyPool({ draining: true }) })[0]).toContain("  draining  ");
    const lost = draw({ notice: "no server answers" });
    expect(lost[0]).toContain("  not answering  ");
    expect(lost).toContain("no server answers");
  });

  it("says so when there are no turns", () => {
    expect(draw({ pool: busyPool({ recentTurns: [] }) }).at(-1)).toBe("no turns of your tenant yet");
  });

  it("counts a state that it does not know", () => {
    const pool = busyPool();
    pool.profiles[0]!.workerCounts = [create(WorkerStateCountSchema, { state: 99 as WorkerState, count: 2 })];
    expect(draw({ pool })).toContain("  ~ 2 other  keeps 2 spares");
  });

  it("keeps room for the turns on a small terminal: profiles get a line each, and workers none", () => {
    expect(draw({ columns: 60, rows: 11 })).toEqual([
      "claude-runner  127.0.0.1:7433  serving  up 3 h  all tenants",
      "memory 512 MiB of 2.0 GiB  │███████▌                      │",
      "",
      "default  3 of 8 workers  3 waiting  ▶○○·····",
      "tools  0 of 1 worker  not ready  no usable Claude Code  ·",
      "",
      "   ago  turn      end           total  where time went",
      " 2.0 s  01234567  running     2000 ms  ░░░░░░░░░░░▓▓▓▓▓▓▓▓▓▓",
      "  60 s  fedcba98  completed    400 ms  ▓▓▓▓▓▓███████████████",
      "60 min  aaaaaaaa  queue full  1.00 ms  ░░░░░░░░░░░░░░░░░░░░░",
      "░ queue  ▒ bind, history, write  ▓ until the first text",
    ]);
  });

  it("shows the busiest of many workers, and how many there are beside them", () => {
    const workers = Array.from({ length: 30 }, (_, n) => ({
      workerId: `w${n}`,
      profile: "default",
      state: n === 20 ? WorkerState.CLAIMED : WorkerState.SPARE,
      stateAge: duration(1),
    }));
    const lines = draw({ pool: busyPool({ workers }), rows: 30 });
    const first = lines.findIndex((line) => line.startsWith("worker"));
    expect(lines[first + 1]).toMatch(/^w20 +running/);
    expect(lines).toContainEqual(expect.stringMatching(/^and \d\d more$/));
    expect(lines).toHaveLength(30);
  });

  it("lets a server move no cursor", () => {
    const nasty = "\x1b[2J\x07\nevil\t";
    const [first] = busyPool().profiles;
    const pool = busyPool({
      profiles: [{ ...first!, profile: nasty }],
      workers: [{ workerId: nasty, profile: nasty, tenant: nasty, turnId: nasty }],
      recentTurns: [{ turnId: nasty, profile: nasty, model: nasty, workerId: nasty }],
    });
    const lines = draw({ pool, columns: 300, notice: nasty });
    expect(lines.join(" ")).toContain("evil");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    for (const line of lines) expect(line).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
  });

  it("is never wider or higher than there is room, coloured or not", () => {
    const coloured = styleFor(true, {});
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours take no room
    const width = (line: string) => line.replace(/\x1b\[\d+m/g, "").length;
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 0, max: 40 }),
        fc.integer({ min: 0, max: 6 }),
        (columns, rows, turnCount, profileCount) => {
          const { recentTurns, profiles } = busyPool();
          const pool = busyPool({
            recentTurns: Array.from({ length: turnCount }, (_, at) => recentTurns[at % 3]!),
            profiles: Array.from({ length: profileCount }, (_, at) => profiles[at % 2]!),
          });
          const lines = draw({ pool, columns, rows, style: coloured, notice: "x".repeat(300) });
          expect(lines.length).toBeLessThanOrEqual(rows);
          for (const line of lines) expect(width(line)).toBeLessThanOrEqual(columns);
        },
      ),
    );
  });
});
