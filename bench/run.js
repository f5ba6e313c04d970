// Measures the product, a plain ws loop and Socket.IO side by side. See README.md, or --help.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { machine } from './machine.js'
import { readOptions } from './options.js'
import { chart } from './report/svg.js'
import { document } from './report/markdown.js'
import { mainFigures } from './report/figures.js'
import { summarise } from './report/summary.js'
import { table } from './report/table.js'
import { play } from './suite.js'

const path = relative => fileURLToPath(new URL(relative, import.meta.url))

const options = readOptions()
const { scenarios, servers, reps, seconds } = options
const out = options.out ?? path('results/latest.json')
const profiles = path('results/profiles')
const total = Math.ceil(reps) * servers.length * Object.keys(scenarios).length

const startedAt = performance.now()
const runs = await play({
  scenarios,
  servers,
  reps,
  seconds,
  nodeOptions: options.profile ? profiling : undefined,
  onRun: progress
})
const results = {
  date: new Date().toISOString(),
  machine: machine(),
  options: { reps, seconds },
  summary: summarise(runs, scenarios),
  runs
}
write(out, JSON.stringify(results, null, 2))
process.stdout.write(`\n${table(results.summary)}\n\nresults: ${out}\n`)
if (options.profile) process.stdout.write(`profiles: ${profiles}\n`)

const failed = runs.filter(({ failure }) => failure !== null)
if (options.docs && failed.length === 0) {
  write(path('../docs/benchmarks.svg'), chart(results.summary))
  write(path('../docs/benchmarks.md'), document(results, scenarios))
}
if (failed.length > 0) {
  process.stdout.write(`\n${failed.length} of ${runs.length} runs FAILED:\n`)
  for (const { scenario, server, rep, failure } of failed) {
    process.stdout.write(`  ${scenario} ${server} #${rep + 1}: ${failure}\n`)
  }
  if (options.docs) process.stdout.write('The documentation was left as it is.\n')
}
process.exit(failed.length > 0 ? 1 : 0)

function profiling (server, scenario, rep) {
  if (server !== 'product') return []
  return ['--cpu-prof', `--cpu-prof-dir=${profiles}`, `--cpu-prof-name=${scenario}-${rep + 1}.cpuprofile`]
}

function progress ({ scenario, server, figures, failure }, done) {
  const { key, unit, format } = mainFigures[scenarios[scenario].kind]
  const outcome = failure === null ? `${format(figures[key])} ${unit}` : `FAILED: ${failure}`
  const elapsed = Math.round((performance.now() - startedAt) / 1000)
  process.stderr.write(`${done}/${total} ${elapsed} s  ${scenario} ${server}: ${outcome}\n`)
}

function write (file, text) {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}
