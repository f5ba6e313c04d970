/** A short text that is the same for the same members, in whatever order, and hardly ever for others. */
export function digestOf (members: Iterable<{ readonly id: string, readonly version: number }>): string {
  let count = 0
  let sum = 0
  for (const { id, version } of members) {
    count++
    sum = (sum + hash(id, version)) >>> 0
  }
  return `${count}:${sum.toString(36)}`
}

/** FNV-1a over the id, begun at the version. */
function hash (id: string, version: number): number {
  let hash = (0x811c9dc5 ^ Math.imul(version, 0x9e3779b1)) >>> 0
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
