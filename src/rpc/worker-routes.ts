import type { DescMethod } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { ConfigService } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { UserDataService } from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import type { ConfigManager } from "../config/config-manager.ts";
import type { ConfigWatch } from "../config/watch.ts";
import { configService, type Reports } from "./config-service.ts";
import type { Register } from "./lean/lean-calls.ts";

/** What the services of a worker answer from. */
export interface WorkerAnswers {
  readonly config: ConfigManager;
  readonly watch: ConfigWatch;
  readonly rollout: Reports;
  /** Undefined when the primary has the database. */
  readonly users: Partial<ServiceImpl<typeof UserDataService>> | undefined;
}

/** The calls about user data of which there are many; what is rare and needs more than the database is the primary's. */
const OF_USERS = ["saveUserEvent", "saveUserEvents", "getUserData", "watchUserData"] as const;

/** Registers what a worker answers by itself. */
export function workerRoutes({ config, watch, rollout, users }: WorkerAnswers): (register: Register) => void {
  return (register) => {
    register(ConfigService, configService(config, watch, rollout));
    if (!users) return;
    const own = Object.fromEntries(OF_USERS.map((name) => [name, users[name]]));
    register(UserDataService, own as Partial<ServiceImpl<typeof UserDataService>>);
  };
}

/** The paths of the same calls. */
export function workerPaths(hasUsers: boolean): readonly string[] {
  const config: readonly DescMethod[] = ConfigService.methods;
  const users = hasUsers ? OF_USERS.map((name) => UserDataService.method[name]) : [];
  return [...config, ...users].map(({ parent, name }) => `/${parent.typeName}/${name}`);
}
