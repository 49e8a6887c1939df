import { type DescMethod, getOption, hasOption } from "@bufbuild/protobuf";
import { required_scope } from "../../gen/centralhub/options/v1/options_pb.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import type { Need } from "../http/identity.ts";

/** Which of the standard services anyone may call. */
export interface PublicServices {
  readonly health: boolean;
  readonly reflection: boolean;
}

/**
 * What a call of a method needs: the scope that its .proto names. Standard services have no such option, so
 * settings speak for them; any other method without one is open to no one.
 */
export function needOf(method: DescMethod, open: PublicServices): Need {
  const service = method.parent.typeName;
  if (service === Health.typeName) return open.health ? "public" : { scope: "health:read" };
  if (service === ServerReflection.typeName || service === ServerReflectionAlpha.typeName) {
    return open.reflection ? "public" : { scope: "config:read" };
  }
  return hasOption(method, required_scope) ? { scope: getOption(method, required_scope) } : "undeclared";
}
