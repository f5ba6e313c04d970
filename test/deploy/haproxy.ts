import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { eventually } from '../helper.js'
import { run, temporaryFolder } from '../process.js'
import { freePort } from '../redis.js'
import { ROOT, TOOLS_PATH, tool } from './tools.js'

export const CONFIG = join(ROOT, 'deploy/compose/haproxy.cfg')

/** How the configuration names a node where no variable says where it is. */
export const NODES: readonly string[] =
  [...readFileSync(CONFIG, 'utf8').matchAll(/^ {2}server .*"\$\{\w+-(.+)\}"$/gm)].map(([, address]) => address!)

/** Starts the load balancer of compose.yaml in front of nodes on this machine. @returns where it is, as host:port */
export async function startHaproxy (t: Test, ports: readonly number[]): Promise<string> {
  if (ports.length !== NODES.length) throw new Error(`the configuration has ${NODES.length} nodes`)
  const address = `127.0.0.1:${await freePort()}`
  const nodes = Object.fromEntries(ports.map((port, i) => [`SYMPLE_NODE_${i + 1}`, `127.0.0.1:${port}`]))
  const haproxy = run(t, 'haproxy', ['-f', CONFIG, '-db'], { PATH: TOOLS_PATH, SYMPLE_BIND: address, ...nodes }, temporaryFolder(t))
  await eventually(async () => {
    if (haproxy.child.exitCode !== null) throw new Error(`haproxy ended: ${haproxy.stderr}`)
    return await fetch(`http://${address}/`).then(({ ok }) => ok, () => false)
  }, 'a load balancer')
  return address
}

/** What haproxy says of the configuration; throws where that can't be honoured. */
export async function checkConfig (): Promise<string> {
  return await tool('haproxy', '-c', '-f', CONFIG)
}
