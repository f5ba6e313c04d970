/** A client of ioredis, in whatever version the gateway has. It is a pattern for clients of our own: it is not used. */
export interface RedisTemplate {
  /** Whether it is one of a Redis Cluster. */
  readonly isCluster: boolean
  /** Makes a client like it. */
  duplicate (...args: never[]): unknown
}
