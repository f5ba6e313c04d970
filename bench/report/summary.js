import { BASE } from '../servers.js'
import { mainFigures } from './figures.js'

/**
 * One entry for each scenario and server: medians of its figures, and by what factor it is better than the base.
 * Runs that failed count for nothing but `failures`.
 *
 * @param base the name of the server that the others are compared with
 */
export function summarise (runs, scenarios, base = BASE) {
  const entries = []
  for (const [scenario, { kind }] of Object.entries(scenarios)) {
    const ofScenario = runs.filter(run => run.scenario === scenario)
    const servers = [...new Set(ofScenario.map(({ server }) => server))]
    for (const server of servers) {
      const own = ofScenario.filter(run => run.server === server)
      const good = own.filter(({ failure }) => failure === null)
      entries.push({
        scenario,
        kind,
        server,
        runs: own.length,
        failures: own.filter(({ failure }) => failure !== null).map(({ failure }) => failure),
        figures: medians(good.map(({ figures }) => figures)),
        spread: spread(good.map(({ figures }) => figures[mainFigures[kind].key]))
      })
    }
  }
  for (const entry of entries) entry.ratio = ratioToBase(entry, entries, base)
  return entries
}

function ratioToBase ({ scenario, kind, figures }, entries, baseName) {
  const { key, better } = mainFigures[kind]
  const own = figures[key]
  const base = entries.find(entry => entry.scenario === scenario && entry.server === baseName)?.figures[key]
  if (own == null || base == null) return null
  return better === 'more' ? own / base : base / own
}

function medians (figures) {
  const keys = Object.keys(figures[0] ?? {})
  return Object.fromEntries(keys.map(key => [key, median(figures.map(figure => figure[key]))]))
}

/** Of truth values too: what most of them say. */
function median (values) {
  const known = values.filter(value => value !== null).sort((a, b) => a - b)
  if (known.length === 0) return null
  const middle = known.length >> 1
  if (known.length % 2 === 1 || typeof known[0] === 'boolean') return known[middle]
  return (known[middle - 1] + known[middle]) / 2
}

/** How far the extremes are from each other, as a share of the median. */
function spread (values) {
  const middle = median(values)
  return middle ? (Math.max(...values) - Math.min(...values)) / middle : null
}
