/**
 * Cases in which a turn is broken off: by its caller, or at one of its limits.
 */
import type { TurnEvent } from "../../turn-event.ts";
import type { CaseGroup } from "../case.ts";

const isText = ({ kind }: TurnEvent) => kind === "textDelta";

export const interrupts: CaseGroup = {
  name: "Turns that are broken off",
  cases: [
    {
      name: "cancelled as soon as it is asked",
      lane: "plain",
      reset: "mayEnd",
      play: (lease) => lease.turn({ scenario: "slow-text", interruptAt: "once" }),
    },
    {
      name: "cancelled before the model API answers",
      lane: "plain",
      reset: "clean",
      play: (lease) => lease.turn({ scenario: "silence", interruptAt: "request" }),
    },
    {
      name: "cancelled in mid-text",
      lane: "plain",
      reset: "clean",
      play: (lease) => lease.turn({ scenario: "slow-text", interruptAt: isText }),
    },
    {
      name: "cancelled in mid-thought",
      lane: "plain",
      reset: "clean",
      play: (lease) =>
        lease.turn({
          scenario: { name: "thinking", options: { betweenDeltasMs: 50 } },
          interruptAt: ({ kind }) => kind === "thinkingDelta",
        }),
    },
    {
      name: "cancelled in mid-text, twice, with turns around it",
      lane: "plain",
      reset: "clean",
      async play(lease) {
        await lease.turn();
        await lease.turn({ scenario: "slow-text", interruptAt: isText });
        await lease.turn({ scenario: "slow-text", interruptAt: isText });
        await lease.turn();
      },
    },
    {
      name: "cancelled as the answer ends",
      lane: "plain",
      reset: "clean",
      leaseCount: 4,
      // Whichever comes first, the result or the interrupt.
      play: (lease) =>
        lease.turn({ interruptAt: ({ kind }) => kind === "messageDelta", outcome: ["completed", "cancelled"] }),
    },
    {
      name: "cancelled while it waits to try again",
      lane: "plain",
      reset: "clean",
      play: (lease) => lease.turn({ scenario: "error-500", interruptAt: ({ kind }) => kind === "apiRetry" }),
    },
    {
      name: "at the limit of model calls",
      lane: "plain",
      reset: "mayEnd",
      play: (lease) =>
        lease.turn({ scenario: "max-tokens", limits: { maxModelCallCount: 2 }, outcome: "modelCallLimit" }),
    },
    {
      name: "at the limit of output",
      lane: "plain",
      reset: "clean",
      play: (lease) =>
        lease.turn({
          scenario: { name: "long-text", options: { betweenDeltasMs: 1 } },
          limits: { maxOutputBytes: 200 },
          outcome: "outputLimit",
        }),
    },
    {
      name: "at the limit of time",
      lane: "plain",
      reset: "clean",
      play: (lease) => lease.turn({ scenario: "silence", limits: { maxDurationMs: 100 }, outcome: "durationLimit" }),
    },
  ],
};
