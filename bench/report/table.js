import { definitions } from '../servers.js'
import { count, mainFigures, milliseconds, ratio, remarks } from './figures.js'

const LEFT = new Set([0, 1, 3, 9])

/** The summary as text, in columns. */
export function table (summary, base) {
  const head = [
    'scenario', 'server', 'main figure', '', `to ${definitions[base].title}`, 'spread', 'per second', 'p50 ms', 'p99 ms', 'remarks'
  ]
  const rows = [head, ...summary.map(row)]
  const widths = head.map((_, column) => Math.max(...rows.map(cells => cells[column].length)))
  return rows.map(cells => cells.map((cell, column) => {
    return LEFT.has(column) ? cell.padEnd(widths[column]) : cell.padStart(widths[column])
  }).join('  ').trimEnd()).join('\n')
}

function row ({ scenario, kind, server, figures, ratio: toBase, spread, failures }) {
  const { key, unit, format } = mainFigures[kind]
  return [
    scenario,
    definitions[server].title,
    format(figures[key]),
    unit,
    ratio(toBase),
    spread === null ? '' : `${Math.round(spread * 100)} %`,
    figures.perSecond == null ? '' : count(figures.perSecond),
    milliseconds(figures.p50),
    milliseconds(figures.p99),
    failures.length > 0 ? `FAILED: ${failures[0]}` : remarks(kind, figures)
  ]
}
