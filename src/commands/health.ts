/**
 * `claude-runner health`: whether a running server can serve turns, as an exit code. For a container's health check.
 */
import { secondsArgument } from "./arguments.ts";
import { type CommandEntry, helpSection } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { type AddressOptions, addAddressOptions } from "./server-options.ts";

interface HealthOptions extends AddressOptions {
  readonly alive?: true;
  readonly timeout: number;
}

export const health: CommandEntry = {
  usage: "health",
  summary: "ask whether a running server can serve turns",
  group: "Run",
  declare(command) {
    command
      .description(
        "Asks grpc.health.v1.Health of a running server, which needs no token. Exits with 0 if turns can be served, and " +
          "with 3 if they cannot, or if no server answers.",
      )
      .option("--alive", "succeed as soon as the server answers, whether it can serve turns or not")
      .option("--timeout <seconds>", "how long the answer may take", secondsArgument, 5);
    addAddressOptions(command).addHelpText(
      "after",
      helpSection("Examples:", [
        "claude-runner health",
        "claude-runner health --alive --url https://runner.example:7433 --ca-file ca.pem",
        "HEALTHCHECK CMD claude-runner health --alive",
      ]),
    );
  },
  async run(terminal, command) {
    const { alive, timeout, ...address } = command.opts<HealthOptions>();
    const { connect } = await import("./connection.ts");
    const { createClient } = await import("@connectrpc/connect");
    const { Health, HealthCheckResponse_ServingStatus: Status } = await import("../../gen/grpc/health/v1/health_pb.ts");
    const { callFailure, tellFailure } = await import("./call-failure.ts");
    const connection = await connect({ ...address, isAnonymous: true, env: terminal.env });
    try {
      const { status } = await createClient(Health, connection.transport).check({}, { timeoutMs: timeout * 1000 });
      const isServing = status === Status.SERVING;
      terminal.stdout.write(`${connection.url} ${isServing ? "serving" : "not serving"}\n`);
      return isServing || alive ? exitCodes.ok : exitCodes.unavailable;
    } catch (error) {
      tellFailure(callFailure(error, connection), terminal);
      return exitCodes.unavailable;
    }
  },
};
