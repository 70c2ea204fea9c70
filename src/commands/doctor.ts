/**
 * `claude-runner doctor`: looks at everything that a server needs before one is started.
 */
import type { Settings } from "../config/settings.ts";
import { runnerVersion } from "../config/version.ts";
import { redactSecrets } from "../redact.ts";
import { type CommandEntry, helpSection } from "./command.ts";
import type { Finding } from "./doctor-checks.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { addSettingsOptions, passedOverText, settingsOf } from "./settings-options.ts";
import { type Terminal, withoutControls } from "./terminal.ts";

export const doctor: CommandEntry = {
  usage: "doctor",
  summary: "find what keeps a server from working, and what to do about it",
  group: "Set up",
  declare(command) {
    command
      .description(
        "Checks Claude Code, credentials, ports, folders, memory and settings. Changes nothing, asks no model and " +
          "shows no secret. It runs only Claude Code, to get its version, and first says which program that is. " +
          "Exits with 1 if there is a problem.",
      )
      .option("--deep", "also prove that nothing crosses from one turn to the next, as `verify` does; takes a minute")
      .option("--json", "print one JSON object");
    addSettingsOptions(command);
    command.addHelpText(
      "after",
      helpSection("Examples:", ["claude-runner doctor", "claude-runner doctor --config new.yaml"]),
    );
  },
  async run(terminal, command) {
    const loaded = settingsOf(terminal, command);
    const { settings, entries, fileName, warnings } = loaded;
    const { checks, programToRun } = await import("./doctor-checks.ts");
    const patient = { settings, entries, env: terminal.env };
    const passedOver = passedOverText(loaded);
    const runs = await programToRun(patient);
    const found: Finding[] = [
      { name: "settings", level: "ok", text: fileName ?? "defaults, without a settings file", advice: "" },
      ...(passedOver === undefined ? [] : [{ name: "settings", level: "note", text: passedOver, advice: "" } as const]),
      ...warnings.map((text): Finding => ({ name: "settings", level: "warning", text, advice: "" })),
      ...(runs === undefined ? [] : [runs]),
    ];
    const { json, deep } = command.opts<{ json?: true; deep?: true }>();
    const isJson = json === true;
    if (!isJson)
      terminal.stdout.write(
        `${terminal.out.bold(`claude-runner ${runnerVersion}`)}\n\n${found.map((one) => shown(one, terminal)).join("")}`,
      );
    // Side by side, and shown in their order as soon as they are there.
    for (const findings of checks.map((check) => check(patient))) {
      const these = await findings;
      found.push(...these);
      if (!isJson) terminal.stdout.write(these.map((one) => shown(one, terminal)).join(""));
    }
    const problemCount = found.filter(({ level }) => level === "problem").length;
    const proof = deep ? await proveReuse(terminal, settings) : undefined;
    if (isJson) {
      const report = { version: runnerVersion, problemCount, findings: found, ...(proof && { verify: proof.data }) };
      terminal.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
    } else {
      if (proof?.text) terminal.stdout.write(`\n${proof.text}`);
      terminal.stdout.write(`\n${verdict(problemCount, terminal)}\n`);
    }
    return problemCount > 0 ? exitCodes.failed : (proof?.exitCode ?? exitCodes.ok);
  },
};

/** The suite of `verify`. Without a usable Claude Code there is nothing to prove; the findings say so already. */
async function proveReuse(terminal: Terminal, settings: Settings) {
  const { verifyInstalled } = await import("./verify-cli.ts");
  const { reportData, reportText } = await import("../verify/report.ts");
  const report = await verifyInstalled(terminal, settings);
  if (typeof report === "number") return { text: "", data: null, exitCode: report };
  const exitCode: ExitCode = report.hasPassed ? exitCodes.ok : exitCodes.failed;
  return { text: reportText(report, terminal.out), data: reportData(report), exitCode };
}

function shown({ name, level, text, advice }: Finding, { out, asTyped }: Terminal): string {
  const mark = { ok: out.green("✓"), note: out.dim("·"), warning: out.yellow("!"), problem: out.red("✗") }[level];
  const line = `${mark} ${name.padEnd(20)} ${withoutControls(redactSecrets(text))}\n`;
  return advice === "" ? line : `${line}${" ".repeat(23)}${out.cyan(`→ ${asTyped(advice)}`)}\n`;
}

function verdict(problemCount: number, { out, asTyped }: Terminal): string {
  if (problemCount === 0) return out.green(asTyped("Ready: `claude-runner serve` will work."));
  return out.red(`${problemCount === 1 ? "One problem" : `${problemCount} problems`} to solve.`);
}
