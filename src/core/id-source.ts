import { randomFillSync } from 'node:crypto'

/** Bytes of randomness in an id: 128 bits, which nobody guesses. */
const ID_BYTES = 16

/** Ids for which the system is asked at once: a call costs much, whatever it brings. */
const BATCH = 256

/** @returns a source of ids, each the base64url of 128 random bits, in which no `|` occurs */
export function createIdSource (): () => string {
  const pool = Buffer.alloc(ID_BYTES * BATCH)
  let used = pool.length
  return () => {
    if (used === pool.length) {
      randomFillSync(pool)
      used = 0
    }
    const id = pool.toString('base64url', used, used + ID_BYTES)
    used += ID_BYTES
    return id
  }
}
