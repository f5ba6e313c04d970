import type { Redis } from 'ioredis'
import type { Test } from 'tap'
import { eventually } from '../helper.js'
import { startProcess, type ServerProcess } from '../process.js'
import { scrape } from '../scrape.js'
import type { Crowd, Player } from './crowd.js'

/** Seconds after which the nodes of these tests count as gone. */
export const NODE_TTL = 1

/** Starts nodes, each a process of its own, on one Redis, and waits until each can reach the others. */
export async function startNodes (
  t: Test, redisUrl: string, count: number, env: Record<string, string> = {}
): Promise<ServerProcess[]> {
  const nodes = await Promise.all(Array.from({ length: count }, async () => await startNode(t, redisUrl, env)))
  for (const node of nodes) await ready(node)
  return nodes
}

/** Starts one node, without waiting for more than that it listens. */
export async function startNode (t: Test, redisUrl: string, env: Record<string, string> = {}): Promise<ServerProcess> {
  return await startProcess(t, {
    SYMPLE_REDIS_URL: redisUrl, SYMPLE_NODE_TTL: String(NODE_TTL), SYMPLE_RATE_LIMIT: '0', ...env
  })
}

/** What `/readyz` says now. */
export async function readiness (node: ServerProcess): Promise<{ status: number, reasons: string[] }> {
  const response = await fetch(`${node.origin}/readyz`)
  const { reasons = [] } = await response.json() as { reasons?: string[] }
  return { status: response.status, reasons }
}

/** Waits until a node says that it is ready. */
export async function ready (node: ServerProcess): Promise<void> {
  await eventually(async () => (await readiness(node)).status === 200, 'a node that is ready')
}

/** Waits until a node says that it is not. */
export async function unready (node: ServerProcess): Promise<void> {
  await eventually(async () => (await readiness(node)).status === 503, 'a node that is not ready')
}

/** The value of a metric of a node now; labels as they stand there. */
export async function metric (node: ServerProcess, name: string): Promise<number> {
  const value = (await scrape(node.origin)).samples.get(name)
  if (value === undefined) throw new Error(`no metric ${name}`)
  return value
}

/** The id by which other nodes know the node on which a player is. */
export function nodeIdOf (player: Player): string {
  return player.client.peer.id.slice(0, player.client.peer.id.indexOf('-'))
}

/** Who stands in the directory, place by place; places without anybody are left out. */
export async function directory (redis: Redis): Promise<Record<string, string[]>> {
  const entries: Record<string, string[]> = {}
  for (const pattern of ['symple:room:*', 'symple:user:*']) {
    for (const key of await redis.keys(pattern)) entries[key.slice('symple:'.length)] = (await redis.hkeys(key)).sort()
  }
  return entries
}

/** What must stand in the directory. */
export function expectedDirectory (crowd: Crowd): Record<string, string[]> {
  const entries: Record<string, string[]> = {}
  for (const { user, rooms, client } of crowd.players) {
    for (const place of [`user:${user}`, ...Array.from(rooms, room => `room:${room}`)]) {
      entries[place] = [...entries[place] ?? [], client.peer.id].sort()
    }
  }
  return entries
}

/** Waits until the directory holds exactly the players of a crowd. */
export async function directoryExact (redis: Redis, crowd: Crowd): Promise<void> {
  const wanted = JSON.stringify(sorted(expectedDirectory(crowd)))
  let found = ''
  try {
    await eventually(async () => {
      found = JSON.stringify(sorted(await directory(redis)))
      return found === wanted
    }, 'an exact directory')
  } catch (error) {
    throw new Error(`the directory is ${found} and should be ${wanted}`, { cause: error })
  }
}

/** Waits until nothing in Redis names a node. */
export async function vanished (redis: Redis, node: string): Promise<void> {
  await eventually(async () => {
    const keys = await redis.keys(`*${node}*`)
    return keys.length === 0 && await redis.hexists('symple:nodes', node) === 0
  }, `no key of ${node}`)
}

function sorted<T> (record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => a < b ? -1 : 1))
}
