import { h, timeOf } from '../dom.js'
import type { Cursor } from './cursor.js'
import type { Format } from './format.js'
import type { Window } from './history.js'
import { Plot } from './plot.js'
import { ticksFor } from './scale.js'
import { pathThrough, svg } from './svg.js'

export interface Line {
  readonly label: string
  /** Its figure at each time of a window. */
  readonly of: (window: Window) => ReadonlyArray<number | null>
  readonly format: Format
}

export interface ChartOptions {
  readonly title: string
  /** What it tells, for those who don't know yet. */
  readonly hint: string
  /** The first is what people look at. All are drawn on one scale. */
  readonly lines: readonly Line[]
  /** 1024: of bytes. */
  readonly base?: 10 | 1024
  /** The least that the top stands for, so that what is next to nothing looks so. */
  readonly floor: number
}

interface Drawn { readonly line: Line, readonly values: ReadonlyArray<number | null> }

/** Rows of the table that stands for a chart. */
const ROWS = 30

/** Lines over time, with what they are now or where one points; and the same as words, and as a table. */
export class Chart {
  readonly element: HTMLElement
  readonly #options: ChartOptions
  readonly #cursor: Cursor
  readonly #plot: Plot
  readonly #figures: HTMLElement[]
  readonly #table: HTMLDetailsElement
  #window: Window | undefined
  #drawn: Drawn[] = []

  constructor (options: ChartOptions, cursor: Cursor) {
    this.#options = options
    this.#cursor = cursor
    this.#plot = new Plot(cursor, () => { if (this.#window !== undefined) this.draw(this.#window) })
    this.#figures = options.lines.map(() => h('b', {}, '–'))
    this.#table = h('details', { class: 'table' }, h('summary', {}, 'Table', h('span', { class: 'visually-hidden' }, ` of ${options.title}`)))
    this.#table.addEventListener('toggle', () => { this.#fillTable() })
    this.element = h('figure', { class: 'card chart' },
      h('figcaption', {}, h('h3', {}, options.title), h('p', { class: 'hint' }, options.hint)),
      h('ul', { class: 'legend' }, ...options.lines.map((line, i) =>
        h('li', { class: `line-${i}` }, this.#figures[i]!, h('span', { class: 'label' }, line.label)))),
      this.#plot.element,
      this.#table)
    cursor.follow(() => { this.#tell() })
  }

  draw (window: Window): void {
    this.#window = window
    this.#drawn = this.#options.lines.map(line => ({ line, values: line.of(window) }))
    const most = Math.max(this.#options.floor, ...this.#drawn.flatMap(({ values }) => values.map(value => value ?? 0)))
    const { format } = this.#options.lines[0]!
    const ticks = ticksFor(most, this.#options.base)
    this.#plot.draw(window, ticks, format, () =>
      [...this.#drawn.entries()].reverse().flatMap(([i, { values }]) => this.#line(i, values)))
    this.#plot.element.setAttribute('aria-label', this.#describe())
    this.#tell()
    this.#fillTable()
  }

  clear (): void {
    this.#window = undefined
    this.#drawn = []
    this.#plot.clear()
    for (const figure of this.#figures) figure.textContent = '–'
    this.#fillTable()
  }

  /** What it shows at the time that is pointed at, in words. */
  get words (): string {
    return `${this.#options.title}: ${this.#drawn.map(({ line }, i) => `${line.label} ${this.#figures[i]!.textContent}`).join(', ')}`
  }

  get focused (): boolean {
    return document.activeElement === this.#plot.element
  }

  #line (i: number, values: ReadonlyArray<number | null>): Node[] {
    const points = values.map((value, n) => [this.#plot.x(this.#window!.times[n]!), this.#plot.y(value)] as const)
    const path = pathThrough(points)
    const first = points.find(([, y]) => !isNaN(y))
    const last = points.findLast(([, y]) => !isNaN(y))
    if (first === undefined || last === undefined) return []
    const dot = svg('circle', { class: `dot line-${i}`, cx: last[0], cy: last[1], r: 2.5 })
    const line = svg('path', { class: `stroke line-${i}`, d: path })
    if (i > 0 || points.some(([, y]) => isNaN(y))) return [line, dot]
    const ground = this.#plot.y(0)
    return [svg('path', { class: 'area', d: `${path}L${last[0].toFixed(1)} ${ground}L${first[0].toFixed(1)} ${ground}Z` }), line, dot]
  }

  /** The figures where one points, else the last ones. */
  #tell (): void {
    const { time } = this.#cursor
    const at = time === null ? -1 : this.#window?.times.indexOf(time) ?? -1
    this.#drawn.forEach(({ line, values }, i) => { this.#figures[i]!.textContent = line.format(values.at(at) ?? null) })
  }

  #describe (): string {
    const lines = this.#drawn.map(({ line, values }) => {
      const known = values.filter(value => value !== null)
      if (known.length === 0) return `${line.label}: nothing yet`
      return `${line.label}: ${line.format(values.at(-1) ?? null)} now, from ${line.format(Math.min(...known))} to ${line.format(Math.max(...known))}`
    })
    return `${this.#options.title}. ${lines.join('. ')}. Arrow keys move through time.`
  }

  #fillTable (): void {
    this.#table.querySelector('div')?.remove()
    const window = this.#window
    if (!this.#table.open || window === undefined) return
    const step = Math.max(1, Math.ceil(window.times.length / ROWS))
    const rows = window.times.map((_, i) => i).reverse().filter((_, n) => n % step === 0)
    const head = h('tr', {}, ...['Time', ...this.#drawn.map(({ line }) => line.label)].map(label => h('th', { scope: 'col' }, label)))
    this.#table.append(h('div', { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': `Table of ${this.#options.title}` },
      h('table', {}, h('thead', {}, head), h('tbody', {}, ...rows.map(i => h('tr', {},
        h('td', {}, timeOf(new Date(window.times[i]!))),
        ...this.#drawn.map(({ line, values }) => h('td', {}, line.format(values[i] ?? null)))))))))
  }
}
