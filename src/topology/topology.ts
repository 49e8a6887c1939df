import type { LiveConfig } from "../config/live-config.ts";
import type { RolloutBoard } from "../config/rollout-board.ts";
import type { Health } from "../health/health.ts";
import type { TopologyPorts } from "./ports.ts";

/** What plans are made from and carried out with. */
export interface TopologyParts {
  readonly live: LiveConfig;
  readonly health: Health;
  readonly board: RolloutBoard;
  readonly ports: TopologyPorts;
}

/** Makes brokers true to their declaration. */
export class Topology {
  readonly parts: TopologyParts;

  constructor(parts: TopologyParts) {
    this.parts = parts;
  }
}
