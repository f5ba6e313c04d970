/** A client of ioredis, in whatever version the gateway has. It is a pattern for clients of our own: it is not used. */
export interface RedisTemplate {
  readonly isCluster: boolean
  duplicate (...args: never[]): unknown
}
