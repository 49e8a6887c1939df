import { expect, it } from "vitest";
import { startDeadline } from "../../src/health/deadline.ts";

function standStill(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

it("gives a component more time when it was this process that stood still", async () => {
  let isUp = false;
  startDeadline(50, () => {
    isUp = true;
  });
  standStill(400);
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(isUp).toBe(false);
  await expect.poll(() => isUp, { timeout: 5_000 }).toBe(true);
});

it("is taken back", async () => {
  const takeBack = startDeadline(10, () => {
    throw new Error("not taken back");
  });
  takeBack();
  await new Promise((resolve) => setTimeout(resolve, 50));
});
