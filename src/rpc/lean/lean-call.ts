import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  fromJsonString,
  type JsonReadOptions,
  type JsonWriteOptions,
  type Message,
  type MessageInitShape,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import type { Validator } from "@bufbuild/protovalidate";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import type { Need } from "../../http/identity.ts";
import { LAYOUTS } from "../userdata-layout.ts";
import { READERS } from "../userdata-reading.ts";
import { AnswerCache } from "./answer-cache.ts";
import { enveloped, type Framing } from "./framing.ts";

/** A handler as services are written with: of a unary call, or of one that streams its answer. */
export type Implementation = (input: Message, context: HandlerContext) => unknown;

/** What a lean call is made of. */
export interface CallParts {
  readonly method: DescMethod;
  readonly need: Need;
  readonly implementation: Implementation;
  /** Connect's own way to answer the call. */
  readonly connect: UniversalHandler;
  readonly validator: Validator;
  readonly json: Partial<JsonReadOptions & JsonWriteOptions>;
  /** The largest answer in bytes. */
  readonly writeMaxBytes: number;
  /**
   * What the answers depend on beside the request, where that is all that they depend on: as long as it is the same
   * value, equal requests have equal answers.
   */
  readonly basis?: (() => unknown) | undefined;
}

/** One RPC on the lean path: reads its requests, runs its handler, lays out its answers. */
export class LeanCall {
  readonly method: DescMethod;
  readonly need: Need;
  readonly invoke: Implementation;
  readonly connect: UniversalHandler;
  readonly cache: AnswerCache | undefined;
  readonly basis: CallParts["basis"];
  readonly #parts: CallParts;
  // A message that goes to many is laid out once in each form.
  readonly #frames = [new WeakMap<object, Buffer>(), new WeakMap<object, Buffer>()] as const;

  constructor(parts: CallParts) {
    this.#parts = parts;
    this.method = parts.method;
    this.need = parts.need;
    this.invoke = parts.implementation;
    this.connect = parts.connect;
    this.basis = parts.basis;
    this.cache = parts.basis && new AnswerCache(parts.basis);
  }

  /** The request; undefined for one that is malformed or not valid, for Connect to say what is wrong with it. */
  read({ isBinary }: Framing, message: Buffer): Message | undefined {
    const { method, json, validator } = this.#parts;
    try {
      const read = isBinary ? READERS.get(method.input.typeName)?.(message) : undefined;
      if (read) return read;
      const input = isBinary
        ? fromBinary(method.input, message)
        : fromJsonString(method.input, message.toString("utf8"), json);
      return validator.validate(method.input, input).kind === "valid" ? input : undefined;
    } catch {
      return undefined;
    }
  }

  /** One answer as it goes onto the wire. Throws RESOURCE_EXHAUSTED for one that is too large. */
  layOut(framing: Framing, output: unknown): Buffer {
    const { method, json, writeMaxBytes } = this.#parts;
    const schema: DescMessage = method.output;
    const message = create(schema, output as MessageInitShape<DescMessage>);
    const bytes = framing.isBinary
      ? binaryOf(schema, message)
      : Buffer.from(toJsonString(schema, message, json));
    if (bytes.byteLength > writeMaxBytes) {
      const text = `message size ${bytes.byteLength} is larger than the hub writes, ${writeMaxBytes} bytes`;
      throw new ConnectError(text, Code.ResourceExhausted);
    }
    return framing.isEnveloped ? enveloped(bytes) : Buffer.from(bytes);
  }

  /** The same for a message that many calls share: it is laid out once. */
  layOutShared(framing: Framing, output: object): Buffer {
    const frames = this.#frames[framing.isBinary ? 0 : 1];
    let frame = frames.get(output);
    if (!frame) {
      frame = this.layOut(framing, output);
      frames.set(output, frame);
    }
    return frame;
  }
}

// Good until the next message is laid out. What has no layout of its own, or is nothing that this one knows, goes by its schema.
function binaryOf(schema: DescMessage, message: Message): Uint8Array {
  const layout = LAYOUTS.get(schema.typeName);
  if (!layout) return toBinary(schema, message);
  try {
    return layout(message);
  } catch {
    return toBinary(schema, message);
  }
}
