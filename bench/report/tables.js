// The tables of one part of the page: of its servers in its scenarios.
import { definitions } from '../servers.js'
import { count, mainFigures, milliseconds, ratio, remarks } from './figures.js'

/** The main figure of each, and how it compares. */
export function mainTable ({ summary }, scenarios) {
  const rows = Object.entries(scenarios).map(([name, { kind }]) => {
    const { key, unit, format } = mainFigures[kind]
    const cells = entriesOf(name, summary).map(({ figures, ratio: toBase }) => `${format(figures[key])} (${ratio(toBase)})`)
    return [`\`${name}\``, unit, ...cells]
  })
  return markdownTable(['scenario', 'figure', ...titles(summary)], rows)
}

/** What happened in a second, and how long it took. */
export function latencyTable ({ summary }, scenarios) {
  const rows = Object.keys(scenarios).flatMap(name => {
    const cells = entriesOf(name, summary).map(({ figures: { p50, p99, perSecond } }) => {
      const latency = p50 == null ? '' : `${milliseconds(p50)} / ${milliseconds(p99)} ms`
      return [perSecond == null ? '' : `${count(perSecond)}/s`, latency].filter(Boolean).join(', ')
    })
    return cells.some(Boolean) ? [[`\`${name}\``, ...cells]] : []
  })
  return markdownTable(['scenario', ...titles(summary)], rows)
}

export function notes ({ summary }) {
  return summary.flatMap(({ scenario, kind, server, figures }) => {
    const text = remarks(kind, figures)
    return text === '' ? [] : [`- \`${scenario}\`, ${definitions[server].title}: ${text}.`]
  }).join('\n')
}

export function descriptions (scenarios) {
  return Object.entries(scenarios).map(([name, { about }]) => `- \`${name}\`: ${about}`).join('\n')
}

/** Of one scenario, in the order of the columns. */
function entriesOf (scenario, summary) {
  return compared(summary).map(server => summary.find(entry => entry.scenario === scenario && entry.server === server))
}

function titles (summary) {
  return compared(summary).map(server => definitions[server].title)
}

function compared (summary) {
  return Object.keys(definitions).filter(name => summary.some(({ server }) => server === name))
}

function markdownTable (head, rows) {
  const line = cells => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
