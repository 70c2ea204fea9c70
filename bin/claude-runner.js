#!/usr/bin/env node
/**
 * The entry point of the installed command. Plain JavaScript that an older Node can read: it finds a Node that is new
 * enough, which is this one or the one that was installed beside it, and hands over.
 *
 * In a checkout the TypeScript below src/ runs as it is. The packed package has dist/ instead, because Node does not
 * take types out of files below node_modules.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { fileURLToPath, pathToFileURL } from "node:url";

/** From here on Node's SQLite, which the store is made of, is free of a fault that loses what was written. */
const needed = { major: 24, minor: 15 };
// A server's memory is mostly V8's young generation, which grows to 50 MB and more; 2 MiB halves are as fast (measured:
// 191 MB with 100 streams without it, 140 MB with it, at the same CPU per event). `npm start` gives the same flag.
const nodeFlags = ["--max-semi-space-size=2"];
const isEnough = (version) => {
  const [major, minor] = version.replace(/^v/, "").split(".").map(Number);
  return major > needed.major || (major === needed.major && minor >= needed.minor);
};

/**
 * What PID 1 of a container does here: nothing but start this program below it, pass signals on, and reap the orphans that
 * tools leave, which end up with PID 1 and which Node does not reap. The shell gives a child in the background no stdin
 * of its own accord. `wait` ends at each signal, and 127 is its word for a child that it does not have.
 */
const initScript = `
exec 3<&0
"$@" <&3 3<&- &
child=$!
for signal in TERM INT HUP QUIT; do trap "kill -$signal $child" $signal; done
while :; do
  wait $child
  code=$?
  if [ $code -eq 127 ] || ! kill -0 $child 2>/dev/null; then exit $code; fi
done`;

if (isLonelyInit()) becomeInit();

if (isEnough(process.version)) {
  const source = new URL("../src/commands/program.ts", import.meta.url);
  const compiled = new URL("../dist/src/commands/program.js", import.meta.url);
  const { main } = await import((existsSync(source) ? source : compiled).href);
  await main();
} else {
  const node = bundledNode();
  if (node === undefined) {
    console.error(
      `claude-runner needs Node ${needed.major}.${needed.minor} or newer; this is ${process.version}, and there is no bundled one for ${process.platform}-${process.arch}. Install Node ${needed.major}: https://nodejs.org`,
    );
    process.exit(1);
  }
  handOver(node);
}

/** Whether this is PID 1, as the only program of a container is, on a Node that can hand its process over. */
function isLonelyInit() {
  return process.pid === 1 && typeof process.execve === "function" && existsSync("/bin/sh");
}

/** Goes on as a shell, with this program below it. */
function becomeInit() {
  const self = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const env = { ...process.env, CLAUDE_RUNNER_LAUNCHER_PID: "1", CLAUDE_RUNNER_LAUNCHER_SCRIPT: process.argv[1] ?? "" };
  process.execve("/bin/sh", ["sh", "-c", initScript, "claude-runner-init", ...self], env);
}

/** The Node that came as an optional dependency, for the platforms that have one. */
function bundledNode() {
  const require = createRequire(import.meta.url);
  try {
    const manifest = require.resolve(`node-${process.platform}-${process.arch}/package.json`);
    const program = fileURLToPath(new URL("bin/node", pathToFileURL(manifest)));
    return existsSync(program) ? program : undefined;
  } catch {
    // Not installed: there is none for this platform, or optional dependencies were left out.
    return undefined;
  }
}

/** Runs this file again, passes signals on, and ends as the other one does. */
function handOver(node) {
  const child = spawn(node, [...nodeFlags, fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    // The channel says nothing; that it closes tells the child that this process was killed.
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    // By this the child knows that Ctrl-C reaches it twice: from the terminal and from here.
    // And by the script's name what a person types, for its hints.
    env: {
      ...process.env,
      CLAUDE_RUNNER_LAUNCHER_PID: String(process.pid),
      CLAUDE_RUNNER_LAUNCHER_SCRIPT: process.argv[1] ?? "",
    },
  });
  const signals = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];
  for (const signal of signals) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(`claude-runner cannot start ${node}: ${error.message}`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    for (const one of signals) process.removeAllListeners(one);
    process.kill(process.pid, signal);
    // Reached when the signal is one that is ignored.
    process.exitCode = 128 + (constants.signals[signal] ?? 0);
  });
}
