// Measures the product, a plain ws loop and Socket.IO side by side, and then the product as a cluster. See README.md,
// or --help.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { machine } from './machine.js'
import { readOptions } from './options.js'
import { lackOfRedis } from './redis.js'
import { chart } from './report/svg.js'
import { document } from './report/markdown.js'
import { mainFigures } from './report/figures.js'
import { summarise } from './report/summary.js'
import { table } from './report/table.js'
import { isProduct } from './servers.js'
import { play } from './suite.js'

const path = relative => fileURLToPath(new URL(relative, import.meta.url))

const options = readOptions()
const { parts, reps, seconds } = options
const out = options.out ?? path('results/latest.json')
const profiles = path('results/profiles')
const lack = lackOfRedis()
const isPlayed = part => lack === null || part.needsRedis !== true
const total = Object.values(parts).filter(isPlayed).reduce((sum, { scenarios, servers }) => {
  return sum + Math.ceil(reps) * Object.keys(servers).length * Object.keys(scenarios).length
}, 0)

const startedAt = performance.now()
const played = {}
const runs = []
for (const [name, part] of Object.entries(parts)) {
  played[name] = isPlayed(part) ? await playPart(part) : { skipped: lack }
}

const results = { date: new Date().toISOString(), machine: machine(), options: { reps, seconds }, parts: played }
write(out, JSON.stringify(results, null, 2))
for (const [name, { title, base }] of Object.entries(parts)) {
  const { skipped, summary } = played[name]
  process.stdout.write(`\n${title}\n\n${skipped === undefined ? table(summary, base) : `SKIPPED: ${skipped}`}\n`)
}
process.stdout.write(`\nresults: ${out}\n`)
if (options.profile) process.stdout.write(`profiles: ${profiles}\n`)

const failed = runs.filter(({ failure }) => failure !== null)
if (options.docs && failed.length === 0) {
  write(path('../docs/benchmarks.svg'), chart(results.parts.servers.summary))
  write(path('../docs/benchmarks.md'), document(results, parts))
}
if (failed.length > 0) {
  process.stdout.write(`\n${failed.length} of ${runs.length} runs FAILED:\n`)
  for (const { scenario, server, rep, failure } of failed) {
    process.stdout.write(`  ${scenario} ${server} #${rep + 1}: ${failure}\n`)
  }
  if (options.docs) process.stdout.write('The documentation was left as it is.\n')
}
process.exit(failed.length > 0 ? 1 : 0)

async function playPart ({ scenarios, servers, base }) {
  const own = await play({
    scenarios,
    servers: Object.keys(servers),
    reps,
    seconds,
    nodeOptions: options.profile ? profiling : undefined,
    onRun (run) {
      runs.push(run)
      progress(run, mainFigures[scenarios[run.scenario].kind])
    }
  })
  return { summary: summarise(own, scenarios, base), runs: own }
}

function profiling (server, scenario, rep) {
  if (!isProduct(server)) return []
  // Each process writes a file of its own.
  return ['--cpu-prof', `--cpu-prof-dir=${profiles}/${scenario}-${server}-${rep + 1}`]
}

function progress ({ scenario, server, figures, failure }, { key, unit, format }) {
  const outcome = failure === null ? `${format(figures[key])} ${unit}` : `FAILED: ${failure}`
  const elapsed = Math.round((performance.now() - startedAt) / 1000)
  process.stderr.write(`${runs.length}/${total} ${elapsed} s  ${scenario} ${server}: ${outcome}\n`)
}

function write (file, text) {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}
