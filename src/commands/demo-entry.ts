/**
 * `claude-runner demo` on the command line; what it does is `demo.ts`.
 */
import { createLog } from "../telemetry/log.ts";
import { collectorArgument, portArgument } from "./arguments.ts";
import { type CommandEntry, helpSection } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { onSignals } from "./signals.ts";

interface DemoCommandOptions {
  readonly serve?: true;
  readonly grpcPort: number;
  readonly webPort: number;
  readonly adminPort?: number;
  readonly otlpEndpoint?: string;
}

export const demo: CommandEntry = {
  usage: "demo",
  summary: "see it work: no key, no network, no cost",
  group: "Run",
  declare(command) {
    command
      .description(
        "Runs the real Claude Code and the real server, with a stand-in on this machine in place of the model: " +
          "one cold turn, several warm ones, and where the time went. Takes half a minute and leaves nothing behind.",
      )
      .option("--serve", "keep running afterwards and show how to call it")
      .option("--grpc-port <port>", "the gRPC port; 0 means any free port", portArgument, 0)
      .option("--web-port <port>", "the web port; 0 means any free port", portArgument, 0)
      .option("--admin-port <port>", "open the admin port too, with /metrics; 0 means any free port", portArgument)
      .option(
        "--otlp-endpoint <url>",
        "send traces and metrics to this collector, such as http://127.0.0.1:4318",
        collectorArgument,
      )
      .addHelpText(
        "after",
        helpSection("Examples:", [
          "claude-runner demo",
          "claude-runner demo --serve --grpc-port 7433",
          "claude-runner demo --serve --otlp-endpoint http://127.0.0.1:4318",
        ]),
      );
  },
  async run(terminal, command) {
    const { serve, grpcPort, webPort, adminPort, otlpEndpoint } = command.opts<DemoCommandOptions>();
    const { runDemo } = await import("./demo.ts");
    const abort = new AbortController();
    using _signals = onSignals(["SIGINT", "SIGTERM", "SIGHUP"], () => {
      if (abort.signal.aborted) process.exit(exitCodes.interrupted);
      abort.abort();
    });
    try {
      await runDemo({
        serve: serve === true,
        grpcPort,
        webPort,
        adminPort,
        otlpEndpoint,
        signal: abort.signal,
        log: createLog({ level: "warn" }),
        screen: {
          columns: process.stdout.columns ?? 100,
          write: (text) => void terminal.stdout.write(text),
          dim: terminal.out.dim,
          bold: terminal.out.bold,
          asTyped: terminal.asTyped,
        },
      });
    } catch (error) {
      if (!abort.signal.aborted) throw error;
      return exitCodes.interrupted;
    }
    return exitCodes.ok;
  },
};
