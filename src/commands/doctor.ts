/**
 * `claude-runner doctor`: looks at everything that a server needs before one is started.
 */
import { runnerVersion } from "../config/version.ts";
import { redactSecrets } from "../telemetry/redact.ts";
import { type CommandEntry, helpSection } from "./command.ts";
import type { Finding } from "./doctor-checks.ts";
import { exitCodes } from "./exit-codes.ts";
import { addSettingsOptions, settingsOf } from "./settings-options.ts";
import { type Terminal, withoutControls } from "./terminal.ts";

export const doctor: CommandEntry = {
  usage: "doctor",
  summary: "look for what keeps a server from working, and what to do",
  group: "Set up",
  declare(command) {
    command
      .description(
        "Checks Claude Code, credentials, ports, folders, memory and settings. Changes nothing, asks no model, " +
          "shows no secret. Exit code 1 when there is a problem.",
      )
      .option("--json", "print one JSON object");
    addSettingsOptions(command);
    command.addHelpText(
      "after",
      helpSection("Examples:", ["claude-runner doctor", "claude-runner doctor --config new.yaml"]),
    );
  },
  async run(terminal, command) {
    const { settings, fileName, warnings } = settingsOf(terminal, command);
    const { checks } = await import("./doctor-checks.ts");
    const found: Finding[] = [
      { name: "settings", level: "ok", text: fileName ?? "defaults, without a settings file", advice: "" },
      ...warnings.map((text): Finding => ({ name: "settings", level: "warning", text, advice: "" })),
    ];
    const isJson = command.opts<{ json?: true }>().json === true;
    if (!isJson)
      terminal.stdout.write(
        `${terminal.out.bold(`claude-runner ${runnerVersion}`)}\n\n${found.map((one) => shown(one, terminal)).join("")}`,
      );
    // Side by side, and shown in their order as soon as they are there.
    for (const findings of checks.map((check) => check({ settings, env: terminal.env }))) {
      const these = await findings;
      found.push(...these);
      if (!isJson) terminal.stdout.write(these.map((one) => shown(one, terminal)).join(""));
    }
    const problemCount = found.filter(({ level }) => level === "problem").length;
    if (isJson)
      terminal.stdout.write(
        `${JSON.stringify({ version: runnerVersion, problemCount, findings: found }, undefined, 2)}\n`,
      );
    else terminal.stdout.write(`\n${verdict(problemCount, terminal)}\n`);
    return problemCount > 0 ? exitCodes.failed : exitCodes.ok;
  },
};

function shown({ name, level, text, advice }: Finding, { out }: Terminal): string {
  const mark = { ok: out.green("✓"), note: out.dim("·"), warning: out.yellow("!"), problem: out.red("✗") }[level];
  const line = `${mark} ${name.padEnd(20)} ${withoutControls(redactSecrets(text))}\n`;
  return advice === "" ? line : `${line}${" ".repeat(23)}${out.cyan(`→ ${advice}`)}\n`;
}

function verdict(problemCount: number, { out }: Terminal): string {
  if (problemCount === 0) return out.green("Ready: `claude-runner serve` will work.");
  return out.red(`${problemCount === 1 ? "One problem" : `${problemCount} problems`} to solve.`);
}
