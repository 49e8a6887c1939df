import type { DescMethod, DescService, JsonReadOptions, JsonWriteOptions } from "@bufbuild/protobuf";
import type { ConnectRouter, ServiceImpl } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { validator } from "../../documents/validator.ts";
import type { Need } from "../../http/identity.ts";
import { type Implementation, LeanCall } from "./lean-call.ts";

type JsonOptions = Partial<JsonReadOptions & JsonWriteOptions>;

/** A service as it was registered. */
export interface RecordedService {
  readonly service: DescService;
  readonly implementation: Readonly<Record<string, unknown>>;
  /** Where it has its own. */
  readonly json: JsonOptions | undefined;
}

/** Registers services. */
export type Register = <Service extends DescService>(
  service: Service,
  implementation: Partial<ServiceImpl<Service>>,
  options?: Parameters<ConnectRouter["service"]>[2],
) => void;

/** Registers services with Connect and keeps what they were registered with: Connect does not give it back. */
export function registerRecorded(
  router: ConnectRouter,
  routes: (register: Register) => void,
): RecordedService[] {
  const recorded: RecordedService[] = [];
  routes((service, implementation, options) => {
    router.service(service, implementation, options);
    recorded.push({
      service,
      implementation: implementation as Record<string, unknown>,
      json: options?.jsonOptions,
    });
  });
  return recorded;
}

/** What all lean calls share. */
export interface LeanCallOptions {
  readonly needOf: (method: DescMethod) => Need;
  readonly basisOf: (method: DescMethod) => (() => unknown) | undefined;
  readonly json: JsonOptions;
  readonly writeMaxBytes: number;
}

/** The unary and server-streaming calls of services, by path. */
export function leanCalls(
  services: readonly RecordedService[],
  handlers: readonly UniversalHandler[],
  options: LeanCallOptions,
): ReadonlyMap<string, LeanCall> {
  const connects = new Map(handlers.map((handler) => [handler.requestPath, handler]));
  const calls = new Map<string, LeanCall>();
  for (const { service, implementation, json } of services) {
    for (const method of service.methods) {
      const path = `/${service.typeName}/${method.name}`;
      const connect = connects.get(path);
      const handler = implementation[method.localName];
      const isLean = method.methodKind === "unary" || method.methodKind === "server_streaming";
      if (!isLean || !connect || typeof handler !== "function") continue;
      calls.set(
        path,
        new LeanCall({
          method,
          connect,
          validator,
          need: options.needOf(method),
          implementation: handler.bind(implementation) as Implementation,
          json: json ?? options.json,
          writeMaxBytes: options.writeMaxBytes,
          basis: options.basisOf(method),
        }),
      );
    }
  }
  return calls;
}
