// What a process has used, as the kernel counts it. Where there is no /proc, the answer is null: not available.
import { readdirSync, readFileSync } from 'node:fs'

/** USER_HZ: the unit of times in /proc, 100 on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100

/** Processor time of all threads, user and system, in seconds; as finely as the kernel tells it. */
export function cpuSeconds (pid) {
  return fineCpuSeconds(pid) ?? coarseCpuSeconds(pid)
}

/** In nanoseconds, of each thread that there is. */
function fineCpuSeconds (pid) {
  const tasks = `/proc/${pid}/task`
  try {
    return readdirSync(tasks).reduce((sum, task) => {
      return sum + Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0]) / 1e9
    }, 0)
  } catch {
    return null
  }
}

function coarseCpuSeconds (pid) {
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

/** Begins to measure; the function it returns tells what happened since. A server may be more than one process. */
export function startMeter (...pids) {
  const startedAt = performance.now()
  const serverBefore = sumOfCpuSeconds(pids)
  const ownBefore = process.cpuUsage()
  return () => {
    const own = process.cpuUsage(ownBefore)
    const serverAfter = sumOfCpuSeconds(pids)
    const elapsed = (performance.now() - startedAt) / 1000
    return {
      elapsed,
      serverCpu: serverAfter === null ? null : serverAfter - serverBefore,
      loadShare: (own.user + own.system) / 1e6 / elapsed
    }
  }
}

function sumOfCpuSeconds (pids) {
  return pids.map(cpuSeconds).reduce((sum, seconds) => sum === null || seconds === null ? null : sum + seconds, 0)
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
