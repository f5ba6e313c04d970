import { run } from './driver.js'

/**
 * Plays each scenario against each server, repeatedly. Servers take turns, and who goes first changes, so that whatever
 * else the machine does meets all of them.
 *
 * @param scenarios by name
 * @param nodeOptions (server, scenario, repetition) for the server's process
 * @param onRun is told of each run as it ends
 */
export async function play ({ scenarios, servers, reps, seconds, nodeOptions = () => [], onRun = () => {} }) {
  const runs = []
  for (let rep = 0; rep < reps; rep++) {
    for (const [name, scenario] of Object.entries(scenarios)) {
      for (let i = 0; i < servers.length; i++) {
        const server = servers[(i + rep) % servers.length]
        const outcome = await run({ server, scenario, seconds, nodeOptions: nodeOptions(server, name, rep) })
        runs.push({ scenario: name, server, rep, ...outcome })
        onRun(runs.at(-1), runs.length)
      }
    }
  }
  return runs
}
