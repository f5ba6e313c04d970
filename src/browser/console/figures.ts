import { find, timeOf } from '../dom.js'
import type { Stats } from './answers.js'
import type { Api } from './api.js'
import { Drops, Outcomes } from './breakdown.js'
import { Chart } from './chart.js'
import { CHARTS } from './charts.js'
import { Cursor } from './cursor.js'
import { duration } from './format.js'
import { NodeHistory } from './history.js'

/** Nodes whose figures are kept: where each request is answered by another one, there may be many. */
const MAX_NODES = 8

/** Samples after which one that has not answered may have been restarted, as another one. */
const SILENT = 10

/**
 * The figures of a node over time. Behind a load balancer several answer in turns: each has its own, and one is shown.
 */
export class Figures {
  readonly #api: Api
  readonly #nodes = new Map<string, NodeHistory>()
  readonly #cursor = new Cursor()
  readonly #charts = CHARTS.map(options => new Chart(options, this.#cursor))
  readonly #drops = new Drops(find('drops', HTMLElement), this.#cursor)
  readonly #outcomes = new Outcomes(find('outcomes', HTMLElement))
  readonly #choice = find('node', HTMLSelectElement)
  readonly #facts = find('facts', HTMLElement)
  readonly #spoken = find('spoken', HTMLElement)
  #shown: string | undefined
  #seconds = 300

  constructor (api: Api) {
    this.#api = api
    find('charts', HTMLElement).replaceChildren(...this.#charts.map(({ element }) => element))
    this.#choice.addEventListener('change', () => {
      this.#shown = this.#choice.value
      this.#draw()
    })
    this.#cursor.follow(aloud => {
      if (aloud) this.#spoken.textContent = `${timeOf(new Date(this.#cursor.time!))}. ${this.#charts.find(({ focused }) => focused)?.words ?? ''}`
    })
    const spans = [...document.querySelectorAll<HTMLButtonElement>('[data-minutes]')]
    for (const button of spans) {
      button.addEventListener('click', () => {
        this.#seconds = Number(button.dataset['minutes']) * 60
        for (const other of spans) other.setAttribute('aria-pressed', String(other === button))
        this.#draw()
      })
    }
  }

  /** @returns seconds between two samples */
  async refresh (): Promise<number> {
    const after = Array.from(this.#nodes, ([id, { last }]) => `${id}:${last}`).join(',')
    const stats = await this.#api.get<Stats>('stats', ['node', 'impediments', 'times', 'series'], { after: after === '' ? undefined : after })
    const known = this.#nodes.get(stats.node.id)
    if (known === undefined) this.#take(stats)
    else known.add(stats)
    this.#draw()
    return stats.interval
  }

  clear (): void {
    this.#nodes.clear()
    this.#shown = undefined
    this.#cursor.clear()
    for (const part of [...this.#charts, this.#drops, this.#outcomes]) part.clear()
    this.#facts.textContent = this.#spoken.textContent = ''
    this.#choice.replaceChildren()
    this.#choice.hidden = find('node-hint', HTMLElement).hidden = true
  }

  #take (stats: Stats): void {
    // One that has been restarted is another one now, and takes the place of the one that was there.
    const { host } = stats.node
    const gone = [...this.#nodes].find(([, { stats: other, last }]) =>
      other.node.host === host && Date.now() - last > other.interval * SILENT * 1000)
    if (gone !== undefined) this.#forget(gone[0])
    if (this.#nodes.size === MAX_NODES) this.#forget([...this.#nodes.keys()].find(id => id !== this.#shown)!)
    this.#nodes.set(stats.node.id, new NodeHistory(stats))
    this.#shown ??= stats.node.id
    this.#choice.replaceChildren(...Array.from(this.#nodes.values(), ({ stats: { node } }) => new Option(`${node.id} (${node.host}, pid ${node.pid})`, node.id)))
    this.#choice.value = this.#shown
    this.#choice.hidden = find('node-hint', HTMLElement).hidden = this.#nodes.size === 1
  }

  #forget (id: string): void {
    this.#nodes.delete(id)
    if (this.#shown === id) this.#shown = undefined
  }

  #draw (): void {
    const history = this.#nodes.get(this.#shown ?? '')
    if (history === undefined) return
    const { node, impediments, times, series } = history.stats
    const up = duration((Date.now() - Date.parse(node.started)) / 1000)
    const ready = impediments.length === 0 ? 'ready' : `not ready: ${impediments.join(', ')}`
    this.#facts.textContent = `${node.id} · ${node.host}, pid ${node.pid} · up ${up} · ${ready}`
    this.#facts.dataset['ready'] = String(impediments.length === 0)
    if (times.length === 0) return
    const window = history.window(this.#seconds)
    for (const chart of this.#charts) chart.draw(window)
    this.#drops.draw(window, this.#seconds, series)
    this.#outcomes.draw(window, series)
  }
}
