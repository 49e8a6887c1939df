const SEED = 0x9747b28c;
const M = 0x5bd1e995;

/** The hash that Kafka's Java client spreads keys over partitions by; 32 bits, without their sign. */
export function murmur2(key: Buffer): number {
  let hash = SEED ^ key.length;
  const whole = key.length & ~3;
  for (let at = 0; at < whole; at += 4) {
    let word = Math.imul(key.readInt32LE(at), M);
    word = Math.imul(word ^ (word >>> 24), M);
    hash = Math.imul(hash, M) ^ word;
  }
  const rest = key.length - whole;
  if (rest > 2) hash ^= key.readUInt8(whole + 2) << 16;
  if (rest > 1) hash ^= key.readUInt8(whole + 1) << 8;
  if (rest > 0) hash = Math.imul(hash ^ key.readUInt8(whole), M);
  hash = Math.imul(hash ^ (hash >>> 13), M);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** The partition that the Java client sends a key to. */
export function partitionOf(key: Buffer, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}
