import { h } from '../dom.js'
import { barSeconds, barsOf } from './bars.js'
import type { Cursor } from './cursor.js'
import { count } from './format.js'
import { total, type Window } from './history.js'
import { Plot } from './plot.js'
import { AUTHS, DROPS, kindsOf, LIMITS } from './reasons.js'
import { ticksFor } from './scale.js'
import { svg } from './svg.js'

/** Kinds that have a colour of their own; the others share the last one. */
const COLOURS = 6

interface Kind { readonly name: string, readonly words: string, readonly sum: number }

/** What was dropped, by reason: bars over time, and the sums. */
export class Drops {
  readonly #plot: Plot
  readonly #count = h('span', { class: 'count' })
  readonly #list = h('ul', { class: 'sums' })
  #redraw = () => {}

  constructor (element: HTMLElement, cursor: Cursor) {
    this.#plot = new Plot(cursor, () => { this.#redraw() })
    element.append(
      h('h2', { id: 'drops-title' }, 'Drops by reason ', this.#count),
      h('p', { class: 'hint' }, 'Messages, or rooms or recipients of theirs, that were not delivered in the time shown.'),
      this.#plot.element, this.#list)
  }

  draw (window: Window, seconds: number, series: Readonly<Record<string, unknown>>): void {
    this.#redraw = () => { this.draw(window, seconds, series) }
    const kinds = sumsOf(window, kindsOf(series, 'dropped', DROPS)).filter(({ sum }) => sum > 0).sort((a, b) => b.sum - a.sum)
    const all = kinds.reduce((sum, kind) => sum + kind.sum, 0)
    this.#count.textContent = count(all)
    this.#list.replaceChildren(...kinds.length === 0
      ? [h('li', { class: 'empty' }, 'Nothing was dropped.')]
      : kinds.map(({ words, sum }, i) => h('li', {}, h('span', { class: `swatch tone-${tone(i)}` }), h('span', { class: 'label' }, words), h('b', {}, count(sum)))))
    this.#plot.element.setAttribute('aria-label', `Drops over time. ${kinds.map(({ words, sum }) => `${words}: ${sum}`).join('. ') || 'None.'}`)
    this.#drawBars(window, seconds, kinds)
  }

  clear (): void {
    this.#redraw = () => {}
    this.#count.textContent = ''
    this.#list.replaceChildren()
    this.#plot.clear()
  }

  #drawBars (window: Window, seconds: number, kinds: readonly Kind[]): void {
    const bars = barsOf(window, kinds.map(({ name }) => name), barSeconds(seconds))
    const sums = bars.map(({ counts }) => counts.reduce((sum, value) => sum + value, 0))
    this.#plot.draw(window, ticksFor(Math.max(4, ...sums)), count, () => bars.flatMap(({ from, to, counts }) => {
      let height = 0
      const x = this.#plot.x(from)
      const width = Math.max(1, this.#plot.x(to) - x - 1)
      return counts.flatMap((value, i) => {
        if (value === 0) return []
        const bottom = this.#plot.y(height)
        height += value
        const top = this.#plot.y(height)
        return [svg('rect', { class: `bar tone-${tone(i)}`, x, y: top, width, height: bottom - top })]
      })
    }))
  }
}

/** How authentications ended, and which limits were exceeded. */
export class Outcomes {
  readonly #auths = h('ul', { class: 'sums' })
  readonly #limits = h('ul', { class: 'sums' })

  constructor (element: HTMLElement) {
    element.append(
      h('h2', {}, 'Authentications'), this.#auths,
      h('h2', { class: 'second' }, 'Limits exceeded'), this.#limits)
  }

  draw (window: Window, series: Readonly<Record<string, unknown>>): void {
    fill(this.#auths, sumsOf(window, kindsOf(series, 'auth', AUTHS)), 'Nobody came in the time shown.')
    fill(this.#limits, sumsOf(window, kindsOf(series, 'exceeded', LIMITS)), 'None was exceeded in the time shown.')
  }

  clear (): void {
    this.#auths.replaceChildren()
    this.#limits.replaceChildren()
  }
}

function fill (list: HTMLElement, kinds: readonly Kind[], empty: string): void {
  const some = kinds.filter(({ sum }) => sum > 0)
  const most = Math.max(...some.map(({ sum }) => sum))
  list.replaceChildren(...some.length === 0
    ? [h('li', { class: 'empty' }, empty)]
    : some.map(({ words, sum }) => h('li', {}, h('span', { class: 'label' }, words), share(sum / most), h('b', {}, count(sum)))))
}

/** A bar as long as a part of the whole; the number is beside it. */
export function share (part: number): HTMLElement {
  const bar = h('span', { class: 'share', 'aria-hidden': 'true' }, h('span', {}))
  bar.style.setProperty('--part', `${(part * 100).toFixed(1)}%`)
  return bar
}

function sumsOf (window: Window, kinds: ReadonlyArray<[name: string, words: string]>): Kind[] {
  return kinds.map(([name, words]) => ({ name, words, sum: total(window, name) }))
}

function tone (i: number): number {
  return Math.min(i, COLOURS - 1)
}
