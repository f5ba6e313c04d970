import type { Stats } from './answers.js'

/** A stretch of time, and the samples in it. */
export interface Window {
  /** Milliseconds since 1970, by the clock of the node. */
  readonly from: number
  readonly to: number
  readonly times: readonly number[]
  /** The figure at each of the times; null: nothing to tell. */
  figure (name: string): ReadonlyArray<number | null>
  /** What happened, a second. */
  rate (name: string): ReadonlyArray<number | null>
}

/** What is known of one node: it grows by what is new in each answer, up to as much as the node itself keeps. */
export class NodeHistory {
  /** The last answer. */
  stats: Stats

  constructor (stats: Stats) {
    this.stats = stats
  }

  get last (): number {
    return this.stats.times.at(-1) ?? 0
  }

  /** @param stats an answer about what is later than `last`, or about all */
  add (stats: Stats): void {
    const old = this.stats
    const first = stats.times[0] ?? Infinity
    const keep = old.times.filter(time => time < first)
    const times = [...keep, ...stats.times]
    const drop = Math.max(0, times.findIndex(time => time > times.at(-1)! - stats.span * 1000))
    const join = (name: string) =>
      [...old.series[name]?.slice(0, keep.length) ?? [], ...stats.series[name] ?? []].slice(drop)
    const series = Object.fromEntries(Object.keys(stats.series).map(name => [name, join(name)]))
    this.stats = { ...stats, times: times.slice(drop), series }
  }

  /** @param seconds how long, up to the last sample */
  window (seconds: number): Window {
    const { times, series } = this.stats
    const from = this.last - seconds * 1000
    const first = Math.max(0, times.findIndex(time => time >= from))
    const figure = (name: string) => (series[name] ?? []).slice(first)
    const lengths = figure('seconds')
    return {
      from,
      to: this.last,
      times: times.slice(first),
      figure,
      rate: name => figure(name).map((value, i) => value === null ? null : value / (lengths[i] ?? 1))
    }
  }
}

/** Sums what happened in a window. */
export function total (window: Window, name: string): number {
  return window.figure(name).reduce<number>((sum, value) => sum + (value ?? 0), 0)
}
