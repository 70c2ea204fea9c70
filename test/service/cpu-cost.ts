/**
 * What work costs in CPU time of this process, to compare costs with each other; never with a clock.
 */

/** The least CPU time of several rounds, in milliseconds: what the work takes when nothing else disturbs. */
export function cpuCostMs(work: () => void, rounds = 5): number {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
}
