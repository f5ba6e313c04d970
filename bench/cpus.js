// The server gets one processor for itself and the load the others, so that neither slows the other down.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** The processors that this process may use; empty where that can't be known. */
function allowed () {
  try {
    const [, list] = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))
    return list.split(',').flatMap(range => {
      const [first, last = first] = range.split('-').map(Number)
      return Array.from({ length: last - first + 1 }, (_, i) => first + i)
    })
  } catch {
    return []
  }
}

const [first, ...others] = allowed()
const usable = others.length > 0 && spawnSync('taskset', ['--version'], { stdio: 'ignore' }).status === 0

export const pinning = usable ? { server: String(first), load: others.join(',') } : null

/** A command, made to run on some processors where that can be arranged. `taskset` becomes the program: one process. */
export function pinned (role, command) {
  return pinning === null ? command : ['taskset', '-c', pinning[role], ...command]
}
