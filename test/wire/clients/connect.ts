import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { ConfigService } from "../../../gen/centralhub/config/v1/config_service_pb.ts";
import {
  type Answers,
  fromMessages,
  type Refusal,
  SUBJECT_DOMAIN,
  TOPIC_DOMAIN,
  UNKNOWN_DOMAIN,
} from "./expected.ts";

/** What the tests compare, asked through any transport of Connect. */
export async function connectAnswers(transport: Transport): Promise<Answers> {
  const client = createClient(ConfigService, transport);
  return fromMessages(
    await client.getKafkaTopics({ domain: TOPIC_DOMAIN }),
    await client.getNatsSubjects({ domain: SUBJECT_DOMAIN }),
    await client.getKafkaConsumerGroups({}),
  );
}

/** The error for a domain that does not exist. */
export async function connectRefusal(transport: Transport): Promise<Refusal & { error: ConnectError }> {
  const client = createClient(ConfigService, transport);
  try {
    await client.getKafkaTopics({ domain: UNKNOWN_DOMAIN });
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    const code = Code[error.code].replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
    return { code, message: error.rawMessage, error };
  }
  throw new Error("a domain that does not exist was answered");
}
