/**
 * `claude-runner demo`: the main job on the real Claude Code, offline, in half a minute.
 *
 * Starts everything on loopback with the stand-in in the model's place, makes a cold turn and several warm ones, draws
 * where the time went, and ends what it started. With `--serve` it stays up and says how to call it.
 */
import { sleep, systemClock } from "../clock.ts";
import type { Log } from "../telemetry/log.ts";
import { type DemoScene, openDemoScene } from "./demo-scene.ts";
import { comparison, type DemoScreen, type DemoTurn, demoClients, demoTurn, timesFaster } from "./demo-turns.ts";

export interface DemoOptions {
  /** Whether to stay up after the turns. */
  readonly serve: boolean;
  readonly grpcPort: number;
  readonly webPort: number;
  /** Absent: the admin port stays closed. */
  readonly adminPort: number | undefined;
  /** Where traces and metrics go. Absent: nowhere. */
  readonly otlpEndpoint: string | undefined;
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly screen: DemoScreen;
}

/** Rejects when something of it does not work. Nothing is left running either way. */
export async function runDemo(options: DemoOptions): Promise<void> {
  const { screen, signal } = options;
  const { write, dim, bold } = screen;
  write(
    `${bold("claude-runner demo")}\n${dim("The real Claude Code answers; in the model's place is a stand-in on this machine. No key, no network, no cost.")}\n`,
  );
  const ports = { grpc: options.grpcPort, web: options.webPort, admin: options.adminPort };
  const scene = await openDemoScene(ports, options.log, options.otlpEndpoint);
  try {
    write(
      `${dim(`gRPC ${scene.runner.grpcAddress.host}:${scene.runner.grpcAddress.port} · web ${webUrl(scene)} · model ${scene.standinUrl}`)}\n`,
    );
    const turns = await makeTurns(scene, screen, signal);
    summary(turns, screen);
    if (options.serve) {
      write(screen.asTyped(howToCall(scene, bold)));
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    }
  } finally {
    await scene.close();
  }
  write(`\n${dim("Stopped. Nothing is left running.")}\n`);
}

function grpcUrl({ runner }: DemoScene): string {
  return `http://${runner.grpcAddress.host}:${runner.grpcAddress.port}`;
}

function webUrl({ runner }: DemoScene): string {
  if (runner.webAddress === undefined) throw new Error("the web port is closed");
  return `http://${runner.webAddress.host}:${runner.webAddress.port}`;
}

async function makeTurns(scene: DemoScene, screen: DemoScreen, signal: AbortSignal): Promise<DemoTurn[]> {
  const { grpc, web } = demoClients(grpcUrl(scene), webUrl(scene), scene.token);
  // Otherwise the cold turn would share the machine with the spares that are starting, and look worse than it is.
  await untilWarm(scene, screen, signal);
  const turns = [
    { client: grpc, profile: "cold", label: "1  cold, through gRPC", prompt: "Hello! What are you?" },
    { client: grpc, label: "2  a spare, through gRPC", prompt: "What is a warm pool?" },
    { client: grpc, label: "3  reused, through gRPC", prompt: "Why is a process that is already running faster?" },
    { client: grpc, label: "4  reused, through gRPC", prompt: "/clear is not a command here, is it?" },
    { client: grpc, label: "5  reused, through gRPC", prompt: "And what do you remember of the turns before?" },
    { client: web, label: "6  reused, through the web port", prompt: "Does this work from a browser?" },
  ];
  const done: DemoTurn[] = [];
  for (const { client, ...turn } of turns) {
    done.push(await demoTurn(client, { profile: "default", ...turn }, screen, signal));
  }
  return done;
}

/** Waits until the spares are ready and the CLI was probed, and says so meanwhile. */
async function untilWarm({ runner }: DemoScene, { write, dim }: DemoScreen, signal: AbortSignal): Promise<void> {
  const startedMs = systemClock.now();
  const isWarm = () => {
    const workers = runner.pool.snapshot().profiles.find(({ profile }) => profile === "default")?.workers;
    return workers?.starting === 0 && workers.spare > 0 && runner.cli().capabilities !== undefined;
  };
  write(dim("Starting two workers and testing what this Claude Code can do "));
  for (let ticks = 0; !isWarm(); ticks += 1) {
    if (systemClock.now() - startedMs > 60_000) throw new Error("no worker was ready within a minute");
    if (ticks % 10 === 0) write(dim("·"));
    await sleep(systemClock, 25, signal);
  }
  write(dim(` ${((systemClock.now() - startedMs) / 1000).toFixed(1)} s\n`));
}

function summary(turns: readonly DemoTurn[], { write, bold, dim }: DemoScreen): void {
  const [cold, ...others] = turns as [DemoTurn, ...DemoTurn[]];
  const reused = others.filter(({ claim }) => claim.startsWith("reused"));
  if (reused.length === 0) throw new Error("no turn got a worker that had been used before");
  write(`\n${bold("From the call to its first text")}\n${comparison(turns).join("\n")}\n`);
  write(
    `A reused worker answered ${bold(`${timesFaster(cold, reused).toFixed(0)} times faster`)} than a process that was started for its turn.\n`,
  );
  write(`${dim("The stand-in answers at once: a real model adds its own time to each.")}\n`);
}

function howToCall(scene: DemoScene, bold: DemoScreen["bold"]): string {
  const { host, port } = scene.runner.grpcAddress;
  const service = "claude.runner.v1.ClaudeRunner";
  const auth = `-H 'authorization: Bearer ${scene.token}'`;
  const admin = scene.runner.adminAddress;
  const metrics = admin === undefined ? "" : `  curl http://${admin.host}:${admin.port}/metrics\n\n`;
  return `
${bold("Look at it")} in a browser: ${webUrl(scene)}/ with the token ${scene.token}

${bold("Call it")} (Ctrl-C ends it)

  curl ${webUrl(scene)}/${service}/Chat \\
    ${auth} -H 'content-type: application/json' \\
    -d '{"prompt": "Hello!"}'

  npx buf curl --http2-prior-knowledge ${webUrl(scene)}/${service}/StreamChat \\
    ${auth} --reflect-header 'authorization: Bearer ${scene.token}' \\
    -d '{"prompt": "Hello!"}'

  grpcurl -plaintext ${auth} \\
    -d '{"prompt": "Hello!"}' ${host}:${port} ${service}/StreamChat

  claude-runner pool --url http://${host}:${port} --token ${scene.token}

  claude-runner chat --url http://${host}:${port} --token ${scene.token} "Hello!"

${metrics}`;
}
