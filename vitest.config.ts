import { defineConfig } from "vitest/config";
import { SecondTries } from "./test/support/second-tries.ts";

const SLOW = [
  "test/wire/**/*.test.ts",
  "test/backends/**/*.test.ts",
  "test/process/**/*.test.ts",
  "test/**/*-crash.test.ts",
];

// Two projects: `unit` is fast and needs nothing; `slow` opens real sockets and starts real processes, after it. Where
// nobody looks on, a machine that stands still for a moment is no reason to turn a change away: there a test of `slow` is
// tried once more, and named at the end.
export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: 2,
    reporters: ["default", new SecondTries()],
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: SLOW,
          testTimeout: 20_000,
          hookTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "slow",
          include: SLOW,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          retry: process.env.CI ? 1 : 0,
          globalSetup: ["test/support/servers/run.ts"],
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
