// A short comparison with the plain ws loop that fails when the product has become much slower. Only ratios are
// judged, as they hold on any machine; the least ratio is far below the typical one, since CI machines are noisy.
import { ratio } from './report/figures.js'
import { summarise } from './report/summary.js'
import { scenarios } from './scenarios.js'
import { play } from './suite.js'

const REPS = 3
const SECONDS = 1

/** Smaller than in the full suite, to be done in a minute. */
const guarded = {
  fan20: { ...scenarios.fan20, receivers: 400, least: 8, typical: 30 },
  rooms: { ...scenarios.rooms, least: 1.3, typical: 2.9 },
  direct: { ...scenarios.direct, least: 0.6, typical: 1.1 },
  storm: { ...scenarios.storm, peers: 500, least: 2.5, typical: 7 }
}

const runs = await play({ scenarios: guarded, servers: ['product', 'ws'], reps: REPS, seconds: SECONDS })
const verdicts = summarise(runs, guarded).filter(({ server }) => server === 'product').map(judge)
process.exit(verdicts.length === Object.keys(guarded).length && verdicts.every(ok => ok) ? 0 : 1)

function judge ({ scenario, ratio: measured }) {
  const { least, typical } = guarded[scenario]
  const [failed] = runs.filter(run => run.scenario === scenario && run.failure !== null)
  // Without /proc there is no ratio to judge; the deliveries have been checked all the same.
  const ok = failed === undefined && (measured === null || measured >= least)
  const fault = failed === undefined ? '' : `  ${failed.server}: ${failed.failure}`
  process.stdout.write(`${ok ? 'ok    ' : 'FAILED'}  ${scenario.padEnd(6)}  ${ratio(measured).padStart(5)} of the ws loop ` +
    `(at least ${ratio(least)}, typically ${ratio(typical)})${fault}\n`)
  return ok
}
