// What a process has used, as the kernel counts it. Where there is no /proc, the answer is null: not available.
import { readFileSync } from 'node:fs'

/** USER_HZ: the unit of times in /proc, 100 on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100

/** Processor time of all threads, user and system, in seconds. */
export function cpuSeconds (pid) {
  const stat = read(`/proc/${pid}/stat`)
  if (stat === null) return null
  // The second field is the program's name in parentheses, and may hold spaces: count from behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** Resident memory in bytes. */
export function residentBytes (pid) {
  const status = read(`/proc/${pid}/status`)
  const kibibytes = /^VmRSS:\s*(\d+) kB/m.exec(status ?? '')
  return kibibytes === null ? null : Number(kibibytes[1]) * 1024
}

/** Begins to measure; the function it returns tells what happened since. */
export function startMeter (pid) {
  const startedAt = performance.now()
  const serverBefore = cpuSeconds(pid)
  const ownBefore = process.cpuUsage()
  return () => {
    const own = process.cpuUsage(ownBefore)
    const serverAfter = cpuSeconds(pid)
    const elapsed = (performance.now() - startedAt) / 1000
    return {
      elapsed,
      serverCpu: serverAfter === null ? null : serverAfter - serverBefore,
      loadShare: (own.user + own.system) / 1e6 / elapsed
    }
  }
}

/** So much for each second of the server's processor time; null where that is not known. */
export function perCpuSecond (count, { serverCpu }) {
  return serverCpu === null || serverCpu === 0 ? null : count / serverCpu
}

function read (file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}
