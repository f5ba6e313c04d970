import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** Where `scripts/ensure-deploy-tools.sh` puts what the system has no package of. */
const FOLDER = fileURLToPath(new URL('../../node_modules/.cache/deploy-tools', import.meta.url))

/** The root of the repository. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Seconds that the process allows itself beside the drain, as it stands in the source. */
export const GRACE = Number(/^const GRACE = (\d+)$/m.exec(readFileSync(join(ROOT, 'src/server.ts'), 'utf8'))![1])

/** Seconds between the moment at which a node ends by itself, however its drain went, and its being killed. */
export const SPARE = 5

/** An environment in which the tools of deploy/ are found. */
export const TOOLS_PATH = [process.env['PATH'], '/usr/sbin', FOLDER].join(delimiter)

const execute = promisify(execFile)

/** Runs a program in the root of the repository, and says what it printed. Throws where it fails, with what it said. */
export async function tool (program: string, ...args: string[]): Promise<string> {
  try {
    const env = { ...process.env, PATH: TOOLS_PATH }
    const { stdout } = await execute(program, args, { cwd: ROOT, env, maxBuffer: 2 ** 26 })
    return stdout
  } catch (error) {
    const { code, stderr, stdout } = error as { code?: unknown, stderr?: string, stdout?: string }
    const problem = code === 'ENOENT' ? 'is missing: run "sh scripts/ensure-deploy-tools.sh"' : `${stderr}${stdout}`
    throw new Error(`${program} ${args.join(' ')}: ${problem}`, { cause: error })
  }
}
