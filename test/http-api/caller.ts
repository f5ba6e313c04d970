import type { Test } from 'tap'
import { startNodes } from '../cluster/nodes.js'
import { eventually } from '../helper.js'
import { startProcess, type ServerProcess } from '../process.js'
import { startRedis, type RedisServer } from '../redis.js'

export const KEY = 'a-key-of-the-tests-0123456789abcdef'

export interface Problem {
  type: string
  title: string
  status: number
  detail: string
  errors?: Array<{ index?: number, field?: string, detail: string }>
}

export interface Answer {
  status: number
  headers: Headers
  /** As it came. */
  text: string
  /** Parsed; undefined: there is none. */
  body: unknown
}

export interface Content {
  /** Null: none is sent. */
  key?: string | null
  headers?: Record<string, string>
  /** A string is sent as it is, anything else as JSON. */
  body?: unknown
}

/** Sends a request, such as `GET /api/rooms`. */
export type Call = (request: string, content?: Content) => Promise<Answer>

/** @param origin of the node that is asked, with the prefix in a gateway */
export function callerOf (origin: string): Call {
  return async (request, { key = KEY, headers = {}, body } = {}) => {
    const [method, path] = request.split(' ')
    const response = await fetch(origin + path!, {
      method: method!,
      redirect: 'manual',
      headers: {
        ...key !== null && { authorization: `Bearer ${key}` },
        ...body !== undefined && { 'content-type': 'application/json' },
        ...headers
      },
      ...body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json') === true
    const parsed = isJson && text !== '' ? JSON.parse(text) as unknown : undefined
    return { status: response.status, headers: response.headers, text, body: parsed }
  }
}

/** An answer that is to be problem details of a status, and is checked to be. */
export function problemOf (t: Test, { status, headers, body }: Answer, expected: number): Problem {
  const problem = body as Problem
  t.equal(status, expected)
  t.match(headers.get('content-type'), /^application\/problem\+json/)
  t.match(problem, { type: 'about:blank', title: /^[A-Z]/, status: expected, detail: /^[A-Za-z]/ })
  return problem
}

export interface Stage {
  /** Asks one node. */
  call: Call
  /** Asks the node on which the peers are. */
  there: Call
  /** Where peers connect. */
  url: string
  nodes: ServerProcess[]
  redis: RedisServer | null
}

/** A node by itself. */
export async function oneNode (t: Test, env: Record<string, string> = {}): Promise<Stage> {
  const node = await startProcess(t, { SYMPLE_API_KEY: KEY, SYMPLE_RATE_LIMIT: '0', ...env })
  const call = callerOf(node.origin)
  return { call, there: call, url: node.url, nodes: [node], redis: null }
}

/** Two nodes: one that is asked, and one that has the peers. */
export async function twoNodes (t: Test, env: Record<string, string> = {}): Promise<Stage> {
  const redis = await startRedis(t)
  const nodes = await startNodes(t, redis.url, 2, { SYMPLE_API_KEY: KEY, SYMPLE_NODE_TTL: '6', ...env })
  const [call, there] = nodes.map(({ origin }) => callerOf(origin))
  await eventually(async () => {
    const { body } = await call!('GET /api/nodes')
    return (body as { nodes: Array<{ alive: boolean }> }).nodes.filter(({ alive }) => alive).length === 2
  }, 'two nodes')
  return { call: call!, there: there!, url: nodes[1]!.url, nodes, redis }
}

/** The same on one node, and on two of which one is asked about peers of the other. */
export const STAGES = { 'one node': oneNode, 'another node than that of the peers': twoNodes }
