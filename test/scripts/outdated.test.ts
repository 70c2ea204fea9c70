import { describe, expect, it } from "vitest";
import { readMaven } from "../../scripts/outdated/registries.ts";
import {
  compareVersions,
  exitCode,
  type Found,
  judge,
  newestOf,
  render,
  together,
} from "../../scripts/outdated/report.ts";

const now = new Date("2026-12-01T00:00:00Z");
const found = (more: Partial<Found>): Found => ({
  place: "root",
  name: "thing",
  pinned: "1.2.0",
  versions: [],
  ...more,
});

describe("versions", () => {
  it.each([
    ["1.9.0", "1.10.0"],
    ["1.2", "1.2.1"],
    ["2.0.0-rc.1", "2.0.0"],
    ["2.0.0-rc.2", "2.0.0-rc.10"],
    ["v0.0.0-20260817212433-ac3d", "v0.0.0-20261110000943-09e2"],
    ["2026.10.19", "2026.10.19.post1"],
    ["0.66b1", "0.67b0"],
  ])("%s comes before %s", (older, newer) => {
    expect(compareVersions(older, newer)).toBeLessThan(0);
    expect(compareVersions(newer, older)).toBeGreaterThan(0);
    expect(compareVersions(newer, newer)).toBe(0);
  });

  it("that are no releases count only for what is pinned to one", () => {
    expect(newestOf("1.2.0", ["1.2.0", "1.3.0", "2.0.0-beta.1", "2.0.0-2", "2.0.0rc1"])).toBe("1.3.0");
    expect(newestOf("v1.2.0", ["v1.2.1+incompatible", "v1.3.0-rc.1"])).toBe("v1.2.1+incompatible");
    expect(newestOf("2.0.0-beta.1", ["1.3.0", "2.0.0-beta.1", "2.0.0-beta.2"])).toBe("2.0.0-beta.2");
  });

  it("that a registry does not offer to this machine do not make the pinned one too new", () => {
    expect(judge(found({ versions: ["1.0.0"] }), [], now)).toMatchObject({ state: "current", newest: "1.2.0" });
  });
});

describe("a dependency", () => {
  it("is behind when there is a newer one, and says how old it is", () => {
    const pinnedTime = new Date("2026-11-21T12:00:00Z");
    const row = judge(found({ versions: ["1.2.0", "1.3.0"], pinnedTime }), [], now);
    expect(row).toMatchObject({ state: "behind", newest: "1.3.0", ageDays: 9 });
  });

  it("with a range is behind only when the range keeps the newest out", () => {
    expect(judge(found({ pinned: "^1.2.0", versions: ["1.3.0"] }), [], now).state).toBe("current");
    expect(judge(found({ pinned: "^1.2.0", versions: ["2.0.0"] }), [], now).state).toBe("behind");
    expect(judge(found({ pinned: "^0.2.0", versions: ["0.3.0"] }), [], now).state).toBe("behind");
  });

  it("is kept back from a version that was refused, and behind again after the next", () => {
    const kept = [{ place: "root", name: "thing", refused: "1.3.0", reason: "it breaks" }];
    expect(judge(found({ versions: ["1.3.0"] }), kept, now)).toMatchObject({
      state: "keptBack",
      note: "kept back: it breaks",
    });
    expect(judge(found({ versions: ["1.3.0", "1.3.1"] }), kept, now).state).toBe("behind");
    expect(judge(found({ place: "clients/go", versions: ["1.3.0"] }), kept, now).state).toBe("behind");
  });

  it("that is kept in a line is behind when the line goes on", () => {
    const kept = [{ place: "root", name: "thing", line: "1", reason: "LTS" }];
    expect(judge(found({ versions: ["1.2.0", "12.0.0"] }), kept, now).state).toBe("keptBack");
    expect(judge(found({ versions: ["1.2.0", "1.2.1", "12.0.0"] }), kept, now).state).toBe("behind");
  });

  it("of several packages is as new as what all of them have", () => {
    const one = together("Claude Code", [
      found({ versions: ["1.2.0", "1.3.0", "1.4.0"] }),
      found({ versions: ["1.2.0", "1.3.0"] }),
    ]);
    expect(judge(one, [], now)).toMatchObject({
      name: "Claude Code",
      newest: "1.3.0",
      state: "behind",
      note: "1.4.0 is there for some platforms only",
    });
  });
});

it("reads what Maven's plugin for versions says, long names on two lines included", () => {
  const said = [
    "[INFO] The following dependencies in Dependencies have newer versions:",
    "[INFO]   com.google.code.gson:gson ............................ 2.11.0 -> 2.15.0",
    "[INFO]   io.opentelemetry.instrumentation:opentelemetry-grpc-1.6 ...",
    "[INFO]                                             2.21.0-alpha -> 2.31.1-alpha",
    "[INFO]   org.junit:junit-bom ......................................... 6.1.3",
    "[INFO] BUILD SUCCESS",
  ].join("\n");
  expect(readMaven(said)).toEqual([
    { place: "clients/java", name: "com.google.code.gson:gson", pinned: "2.11.0", versions: ["2.11.0", "2.15.0"] },
    {
      place: "clients/java",
      name: "io.opentelemetry.instrumentation:opentelemetry-grpc-1.6",
      pinned: "2.21.0-alpha",
      versions: ["2.21.0-alpha", "2.31.1-alpha"],
    },
    { place: "clients/java", name: "org.junit:junit-bom", pinned: "6.1.3", versions: ["6.1.3", "6.1.3"] },
  ]);
});

describe("the report", () => {
  const rows = [
    judge(found({ name: "new" }), [], now),
    judge(found({ name: "old", versions: ["2.0.0"] }), [], now),
    judge(
      found({ place: "clients/go", name: "held", versions: ["3.0.0"] }),
      [{ place: "clients/go", name: "held", refused: "3.0.0", reason: "it breaks" }],
      now,
    ),
  ];

  it("shows what is not current, place by place", () => {
    expect(render(rows)).toBe(
      [
        "root: 1 of 2 at their newest",
        "  name  pinned  newest  age",
        "  old   1.2.0   2.0.0   -    BEHIND",
        "",
        "clients/go: 0 of 1 at their newest",
        "  name  pinned  newest  age",
        "  held  1.2.0   3.0.0   -    kept back: it breaks",
      ].join("\n"),
    );
  });

  it("fails for what is behind, not for what is kept back, and otherwise when something could not be looked at", () => {
    expect(exitCode(rows, [])).toBe(1);
    expect(
      exitCode(
        rows.filter(({ state }) => state !== "behind"),
        [],
      ),
    ).toBe(0);
    expect(exitCode(rows, ["root: no network"])).toBe(2);
  });
});
