/**
 * How the cost of work grows, in CPU time of this process: costs are compared with each other, never with a clock.
 */

const minSampleMs = 8;
const roundCount = 7;

/**
 * How many times as much the larger work costs as the smaller. Samples of both take turns and the least of each counts,
 * so that what else the process does, such as collecting garbage, hardly matters.
 */
export function costGrowth(smaller: () => void, larger: () => void): number {
  let repeats = 1;
  while (sampleMs(smaller, repeats) < minSampleMs) repeats *= 2;
  larger(); // warms up
  let least = Number.POSITIVE_INFINITY;
  let leastLarger = Number.POSITIVE_INFINITY;
  for (let round = 0; round < roundCount; round++) {
    least = Math.min(least, sampleMs(smaller, repeats));
    leastLarger = Math.min(leastLarger, sampleMs(larger, repeats));
  }
  return leastLarger / least;
}

function sampleMs(work: () => void, repeats: number): number {
  const before = process.cpuUsage();
  for (let repeat = 0; repeat < repeats; repeat++) work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
