import type { Reporter, TestModule } from "vitest/node";

/** Lists the tests that passed at their second try only: each is a fault to find, of the test or of what it tests. */
export class SecondTries implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const names = modules.flatMap((module) =>
      [...module.children.allTests()]
        .filter((test) => test.diagnostic()?.flaky)
        .map((test) => {
          const faults = (test.result().errors ?? []).map(({ stack, message }) => stack ?? message);
          return `${module.relativeModuleId} > ${test.fullName}\n${faults.join("\n")}`;
        }),
    );
    if (names.length > 0) console.warn(`passed at the second try only:\n\n${names.join("\n\n")}\n`);
  }
}
