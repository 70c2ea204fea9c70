/**
 * grpc.health.v1: Check, Watch and List, the same on both ports.
 *
 * Says what readiness says; decides nothing. Every service shares one readiness: whether turns can be served.
 */
import { ClaudeRunner } from "../../gen/claude/runner/v1/runner_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/grpc/health/v1/health_pb.ts";
import { RunnerError } from "../runner-error.ts";
import { type ServedService, served } from "./calls.ts";
import { toConnectError } from "./errors.ts";

/** Whether turns can be served, as the pool and the drain know it. */
export interface Readiness {
  isServing(): boolean;
  /** Calls the listener after every change; the returned function ends that. */
  onChange(listener: () => void): () => void;
}

const noSuchService = (name: string) =>
  new RunnerError("SERVICE_NOT_FOUND", "there is no such service", { facts: { service: name } });

/** `""` stands for the server as a whole. */
const serviceNames: readonly string[] = ["", ClaudeRunner.typeName];

/** The health service; open to probes, which send no token. */
export function healthService(readiness: Readiness): ServedService {
  const current = () => (readiness.isServing() ? Status.SERVING : Status.NOT_SERVING);
  return served(
    Health,
    {
      async check({ service }) {
        if (!serviceNames.includes(service)) throw toConnectError(noSuchService(service));
        return { status: current() };
      },

      async list() {
        return { statuses: Object.fromEntries(serviceNames.map((name) => [name, { status: current() }])) };
      },

      async *watch({ service }, { signal }) {
        const statusNow = serviceNames.includes(service) ? current : () => Status.SERVICE_UNKNOWN;
        let wake: (() => void) | undefined;
        const poke = () => wake?.();
        const unsubscribe = readiness.onChange(poke);
        signal.addEventListener("abort", poke);
        try {
          let sent: Status | undefined;
          for (;;) {
            signal.throwIfAborted();
            const status = statusNow();
            if (status !== sent) {
              sent = status;
              yield { status };
            } else {
              await new Promise<void>((resolve) => {
                wake = resolve;
              });
            }
          }
        } finally {
          unsubscribe();
          signal.removeEventListener("abort", poke);
        }
      },
    },
    { isOpen: true, isEndedAtDrain: true },
  );
}
