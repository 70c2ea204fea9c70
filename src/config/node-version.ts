/**
 * The oldest Node that this server runs on: the first whose SQLite is without a fault that loses what was written, and
 * whose API for it is no experiment. `bin/claude-runner.js` knows the same number, since it has to run on older ones.
 */
export const neededNode = { major: 24, minor: 15 } as const;

export function isNodeNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.replace(/^v/, "").split(".").map(Number);
  return major > neededNode.major || (major === neededNode.major && minor >= neededNode.minor);
}
