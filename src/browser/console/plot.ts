import { timeOf } from '../dom.js'
import type { Cursor } from './cursor.js'
import type { Window } from './history.js'
import { timeStep } from './scale.js'
import { svg } from './svg.js'

const HEIGHT = 132
/** Room around what is drawn: on the left for figures, below for times. */
const LEFT = 60
const TOP = 8
const BOTTOM = 20
/** From the middle of small letters to the line on which they stand. */
const MIDDLE = 4
/** And on the right for the dot at the end of a line. */
const DOT = 3
/** Pixels that a time below takes, with some air. */
const MARK = 90

/** The area of a chart: its axes, how places in it stand for times and figures, and the time that is pointed at. */
export class Plot {
  readonly element = svg('svg', { class: 'plot', role: 'img', tabindex: 0, height: HEIGHT })
  readonly #pointer = svg('line', { class: 'pointer', y1: TOP, y2: HEIGHT - BOTTOM, visibility: 'hidden' })
  readonly #cursor: Cursor
  #width = 0
  #window: Window | undefined
  #top = 1

  /** @param resized has it drawn anew */
  constructor (cursor: Cursor, resized: () => void) {
    this.#cursor = cursor
    new ResizeObserver(([entry]) => {
      const width = Math.round(entry!.contentRect.width)
      if (width === this.#width) return
      this.#width = width
      resized()
    }).observe(this.element)
    cursor.follow(() => { this.#point() })
    this.element.addEventListener('pointermove', ({ clientX }) => {
      const x = clientX - this.element.getBoundingClientRect().left
      if (this.#window !== undefined) cursor.move(this.#window, this.#timeAt(x))
    })
    this.element.addEventListener('pointerleave', () => { cursor.clear() })
    this.element.addEventListener('blur', () => { cursor.clear() })
    this.element.addEventListener('keydown', event => {
      if (this.#window !== undefined && cursor.press(this.#window, event.key)) event.preventDefault()
    })
  }

  /** Pixels that are there for what is drawn. */
  get width (): number {
    return this.#width
  }

  /** @param time in milliseconds */
  x (time: number): number {
    const { from, to } = this.#window!
    return LEFT + (time - from) / (to - from) * Math.max(0, this.#width - LEFT - DOT)
  }

  y (value: number | null): number {
    return value === null ? NaN : HEIGHT - BOTTOM - value / this.#top * (HEIGHT - BOTTOM - TOP)
  }

  /**
   * Begins a drawing.
   *
   * @param ticks figures of the lines across it
   * @param write how those are written
   * @param content what is drawn, once `x` and `y` are those of this window
   */
  draw (window: Window, ticks: readonly number[], write: (value: number) => string, content: () => Node[]): void {
    this.#window = window
    this.#top = ticks.at(-1)!
    this.element.setAttribute('viewBox', `0 0 ${this.#width} ${HEIGHT}`)
    const lines = ticks.map(tick => svg('line', { class: tick === 0 ? 'ground-line' : 'grid-line', x1: LEFT, x2: this.#width, y1: this.y(tick), y2: this.y(tick) }))
    const labels = ticks.slice(1).map(tick => svg('text', { class: 'tick', x: LEFT - 8, y: this.y(tick) + MIDDLE }, write(tick)))
    this.element.replaceChildren(...lines, ...content(), ...labels, ...this.#marks(window), this.#pointer)
    this.#point()
  }

  clear (): void {
    this.#window = undefined
    this.element.removeAttribute('aria-label')
    this.element.replaceChildren(this.#pointer)
    this.#point()
  }

  #marks ({ from, to }: Window): Node[] {
    const step = timeStep((to - from) / 1000, Math.max(1, (this.#width - LEFT) / MARK)) * 1000
    const marks: Node[] = []
    for (let time = Math.ceil(from / step) * step; time <= to; time += step) {
      const x = this.x(time)
      if (x > this.#width - MARK / 3) continue
      const text = timeOf(new Date(time))
      marks.push(svg('text', { class: 'mark-time', x, y: HEIGHT - 4 }, step % 60_000 === 0 ? text.slice(0, 5) : text))
    }
    return marks
  }

  #timeAt (x: number): number {
    const { from, to } = this.#window!
    return from + (x - LEFT) / Math.max(1, this.#width - LEFT - DOT) * (to - from)
  }

  #point (): void {
    const { time } = this.#cursor
    const shown = time !== null && this.#window !== undefined && time >= this.#window.from
    this.#pointer.setAttribute('visibility', shown ? 'visible' : 'hidden')
    if (!shown) return
    for (const end of ['x1', 'x2']) this.#pointer.setAttribute(end, String(this.x(time)))
  }
}
