/**
 * The topics in what a member of a group told when it joined, in the form of Kafka's own consumers
 * (ConsumerProtocolSubscription: a version, then the topics). Empty when it has another form.
 */
export function subscribedTopics(metadata: Buffer): string[] {
  const topics: string[] = [];
  const VERSION_BYTES = 2;
  if (metadata.length < VERSION_BYTES + 4) return topics;
  const count = metadata.readInt32BE(VERSION_BYTES);
  let position = VERSION_BYTES + 4;
  for (let index = 0; index < count; index++) {
    if (position + 2 > metadata.length) return [];
    const length = metadata.readInt16BE(position);
    position += 2;
    if (length < 0 || position + length > metadata.length) return [];
    topics.push(metadata.toString("utf8", position, position + length));
    position += length;
  }
  return topics;
}
