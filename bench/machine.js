import { cpus, platform, release, totalmem } from 'node:os'
import { pinning } from './cpus.js'

/** Where figures come from. */
export function machine () {
  const processors = cpus()
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cpus: processors.length,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${platform()} ${release()}`,
    node: process.version,
    pinned: pinning !== null
  }
}
