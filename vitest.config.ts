import { defineConfig } from "vitest/config";

const SLOW = [
  "test/wire/**/*.test.ts",
  "test/backends/**/*.test.ts",
  "test/process/**/*.test.ts",
  "test/**/*-crash.test.ts",
];

// Two projects: `unit` is fast and needs nothing; `slow` opens real sockets and starts real processes, after it.
export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: 2,
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
          globalSetup: ["test/support/servers/run.ts"],
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
