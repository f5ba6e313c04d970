import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { temporaryFolder } from './process.js'

export interface Pipe {
  /** Where others write. */
  readonly path: string
  /** The lines that have come so far. */
  read (): string[]
  /** Has it that nobody reads any more. */
  leave (): void
}

/** A pipe with a name, of which nothing is read by itself. */
export function openPipe (t: Test): Pipe {
  const path = join(temporaryFolder(t), 'pipe')
  execFileSync('mkfifo', [path])
  // Else it would wait here for who writes.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const memory = Buffer.alloc(1024 * 1024)
  let text = ''
  let open = true
  const leave = () => {
    if (open) closeSync(fd)
    open = false
  }
  t.teardown(leave)
  return {
    path,
    read () {
      try {
        for (let size = -1; size !== 0;) {
          size = readSync(fd, memory)
          text += memory.toString('latin1', 0, size)
        }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      }
      return text.split('\n').slice(0, -1)
    },
    leave
  }
}
