import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { type ChannelCredentials, Client, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { ConfigService } from "../../../gen/centralhub/config/v1/config_service_pb.ts";
import {
  type Answers,
  fromMessages,
  type Refusal,
  SUBJECT_DOMAIN,
  TOPIC_DOMAIN,
  UNKNOWN_DOMAIN,
} from "./expected.ts";

type Fields = Readonly<Record<string, string>>;

/** The stock client of grpc-js, with messages of protobuf-es; close() it. */
export class GrpcJsClient {
  readonly #client: Client;

  constructor(address: string, credentials: ChannelCredentials) {
    this.#client = new Client(address, credentials);
  }

  call<In extends DescMessage, Out extends DescMessage>(
    method: DescMethodUnary<In, Out>,
    fields: Fields = {},
  ): Promise<MessageShape<Out>> {
    const request = Object.assign(create(method.input), fields);
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        `/${method.parent.typeName}/${method.name}`,
        (message: MessageShape<In>) => Buffer.from(toBinary(method.input, message)),
        (bytes: Buffer) => fromBinary(method.output, bytes),
        request,
        new Metadata(),
        { deadline: Date.now() + 10_000 },
        (error: ServiceError | null, answer?: MessageShape<Out>) => {
          if (answer) resolve(answer);
          else reject(error ?? new Error("neither an answer nor an error"));
        },
      );
    });
  }

  async answers(): Promise<Answers> {
    return fromMessages(
      await this.call(ConfigService.method.getKafkaTopics, { domain: TOPIC_DOMAIN }),
      await this.call(ConfigService.method.getNatsSubjects, { domain: SUBJECT_DOMAIN }),
      await this.call(ConfigService.method.getKafkaConsumerGroups),
    );
  }

  async refusal(): Promise<Refusal> {
    try {
      await this.call(ConfigService.method.getKafkaTopics, { domain: UNKNOWN_DOMAIN });
    } catch (error) {
      const { code, details } = error as ServiceError;
      return { code: status[code], message: details };
    }
    return { code: "OK", message: "" };
  }

  close(): void {
    this.#client.close();
  }
}
