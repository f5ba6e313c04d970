import { BASE, servers } from '../servers.js'
import { ratio } from './figures.js'

const WIDTH = 760
const LEFT = 96
const RIGHT = 64
const TOP = 72
const BAR = 13
const GAP = 14

const TICKS = [0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200]

/** How much a run in the open says depends on its length, so this one has no bar. */
const OMITTED = new Set(['slow'])

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 15px; font-weight: 600 }
  .muted { fill: #59636e }
  .grid { stroke: #d1d9e0 }
  .base { stroke: #59636e }
  .product { fill: #0969da }
  .socketio { fill: #9a6700 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .muted { fill: #9198a1 }
    .grid { stroke: #3d444d }
    .base { stroke: #9198a1 }
    .product { fill: #4493f8 }
    .socketio { fill: #d29922 }
  }`

/** The ratios to the base as bars from 1×, on a logarithmic scale: twice and half are equally long. */
export function chart (summary) {
  const entries = summary.filter(({ server, scenario, ratio }) => {
    return server !== BASE && ratio !== null && !OMITTED.has(scenario)
  })
  const compared = [...new Set(entries.map(({ server }) => server))]
  const scenarios = [...new Set(entries.map(({ scenario }) => scenario))]
  const ticks = ticksAround(entries.map(({ ratio }) => ratio))
  const x = scale(ticks[0], ticks.at(-1))
  const rowHeight = compared.length * BAR + GAP
  const bottom = TOP + scenarios.length * rowHeight

  const grid = ticks.map(tick => [
    `<line class="${tick === 1 ? 'base' : 'grid'}" x1="${x(tick)}" x2="${x(tick)}" y1="${TOP - 6}" y2="${bottom}"/>`,
    `<text class="muted" x="${x(tick)}" y="${bottom + 18}" text-anchor="middle">${tick}×</text>`
  ]).flat()
  const rows = scenarios.flatMap((scenario, row) => {
    const y = TOP + row * rowHeight + GAP / 2
    const label = `<text x="${LEFT - 10}" y="${y + compared.length * BAR / 2 + 4}" text-anchor="end">${scenario}</text>`
    const bars = entries.filter(entry => entry.scenario === scenario).map(entry => {
      return bar(entry, x, y + compared.indexOf(entry.server) * BAR)
    })
    return [label, ...bars]
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${bottom + 32}" viewBox="0 0 ${WIDTH} ${bottom + 32}" role="img" aria-label="Ratios to a plain ws loop, by scenario">
<style>${STYLE}
</style>
<text class="title" x="16" y="24">How many times as much for the same processor time as a plain ws loop</text>
<text class="muted" x="16" y="44">logarithmic; idle: how many times less memory</text>
${legend(compared).join('\n')}
${grid.join('\n')}
${rows.join('\n')}
</svg>
`
}

function bar ({ server, ratio: value }, x, y) {
  const [from, to] = [x(1), x(value)].sort((a, b) => a - b)
  const width = Math.max(1, to - from).toFixed(1)
  return `<rect class="${server}" x="${from}" y="${y}" width="${width}" height="${BAR - 2}" rx="1"/>` +
    `<text x="${Math.max(to, x(1)) + 6}" y="${y + BAR - 3}">${ratio(value)}</text>`
}

function legend (compared) {
  return compared.map((server, i) => {
    const x = WIDTH - RIGHT - 110 * (compared.length - i)
    return `<rect class="${server}" x="${x}" y="34" width="11" height="11" rx="1"/><text x="${x + 17}" y="44">${servers[server].title}</text>`
  })
}

function ticksAround (values) {
  const first = TICKS.findLastIndex(tick => tick <= Math.min(1, ...values))
  const last = TICKS.findIndex(tick => tick >= Math.max(1, ...values))
  return TICKS.slice(Math.max(0, first), last < 0 ? undefined : last + 1)
}

function scale (least, greatest) {
  const length = (WIDTH - LEFT - RIGHT) / Math.log(greatest / least)
  return value => Number((LEFT + Math.log(value / least) * length).toFixed(1))
}
