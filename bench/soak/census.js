import { once } from 'node:events'
import { Redis } from 'ioredis'

/** By how much a figure may be more than it was: what is not named here must be as it was. */
const SLACK = {
  'heap MB': before => before * 0.1 + 3,
  'RSS MB': before => before * 0.25 + 25,
  'external MB': () => 3,
  // Of connections that are kept for the next scrape, and timers of the moment.
  files: () => 3,
  timers: () => 3,
  sockets: () => 2,
  // Peers go on writing to each other.
  'bytes that wait': () => 10_000
}

const MB = 1e6

/** Milliseconds after which a node that does not answer is stuck. */
const PATIENCE = 30_000

/** What nodes and Redis hold, now. Figures by name, those of a node with its number. */
export async function census (nodes, redisUrl) {
  const figures = {}
  for (const [i, node] of nodes.entries()) {
    for (const [name, value] of Object.entries(await ofNode(node))) figures[`node ${i + 1}: ${name}`] = value
  }
  for (const [name, value] of Object.entries(await ofRedis(redisUrl))) figures[`Redis: ${name}`] = value
  return figures
}

async function ofNode ({ child, port }) {
  const signal = AbortSignal.timeout(PATIENCE)
  const answer = once(child, 'message', { signal })
  child.send('census')
  const [{ heapUsed, external, rss, resources }] = await answer
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`, { signal })).text()
  const metric = name => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)[1])
  return {
    'heap MB': heapUsed / MB,
    'external MB': external / MB,
    'RSS MB': rss / MB,
    files: metric('process_open_fds'),
    sockets: resources.TCPSocketWrap ?? 0,
    timers: resources.Timeout ?? 0,
    connections: metric('symple_open_connections'),
    peers: metric('symple_peers'),
    'peers of others': metric('symple_remote_peers'),
    users: metric('symple_users'),
    rooms: metric('symple_rooms'),
    'bytes that wait': metric('symple_outbox_bytes')
  }
}

async function ofRedis (url) {
  const redis = new Redis(url)
  try {
    const channels = await redis.pubsub('CHANNELS')
    const counts = await redis.pubsub('NUMSUB', ...channels)
    return {
      keys: await redis.dbsize(),
      channels: channels.length,
      subscriptions: counts.filter((_, i) => i % 2 === 1).reduce((sum, count) => sum + count, 0),
      clients: String(await redis.client('LIST')).trim().split('\n').length
    }
  } finally {
    redis.disconnect()
  }
}

/** @returns rows for a table, and which figures have grown */
export function compare (before, after) {
  const rows = Object.entries(after).map(([name, now]) => {
    const slack = SLACK[name.replace(/^node \d+: /, '')]
    const grown = slack === undefined ? now !== before[name] : now > before[name] + slack(before[name])
    return { figure: name, before: round(before[name]), after: round(now), verdict: grown ? 'LEAK' : 'ok' }
  })
  return { rows, leaks: rows.filter(({ verdict }) => verdict !== 'ok').map(({ figure }) => figure) }
}

const round = number => Math.round(number * 10) / 10
